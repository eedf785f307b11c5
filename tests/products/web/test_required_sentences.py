"""The sentences that the vendor's rules ask for are on the pages, word for word."""

import pytest

from tests.products.web.conftest import text_of

PRODUCTS = "/products/"
ENABLE = "/products/websockets/enable/"
PERMITTED = "any user on the account with the appropriate permissions"
# Who opens which page, and what it says (R3, R4, R5, R15, R19).
REQUIRED = [
    ("sam", PRODUCTS, "Products"),
    ("sam", PRODUCTS, "Enabling a product changes your monthly bill"),
    ("una", PRODUCTS, "Superusers enable products for the account"),
    ("una", PRODUCTS, f"{PERMITTED} can use them"),
    ("sam", ENABLE, "Enabling WebSockets changes your monthly bill"),
    ("sam", ENABLE, "changes the monthly bill of Acme"),
    ("sam", ENABLE, f"{PERMITTED} will be able to use it"),
    ("sam", ENABLE, "We keep this sentence, the price version, the language and"),
    ("sam", ENABLE, "WebSocket traffic counts as delivery traffic. It is not charged"),
    ("sam", ENABLE, "each connection is rounded up to whole minutes"),
    ("sam", ENABLE, "You can disable it at any time. Usage up to then is billed."),
    ("eve", ENABLE, "Superusers can enable and disable it: Sam."),
    ("una", "/entitlements/", "Superusers can enable it on the Products page: Sam."),
    (
        "sam",
        "/members/",
        "Each role has its own abilities; billing, for example, can't",
    ),
    ("sam", "/members/", "An account always keeps at least one superuser."),
    ("sam", "/activity/", "Entries can't be changed or deleted."),
    ("sam", "/activity/", "tamper-evident, not tamper-proof"),
    ("bo", "/billing/", "is an estimate until its invoice is final"),
    ("bo", "/billing/budget/", "It warns; it does not stop usage"),
    ("sam", "/api-tokens/", "It can never do more than you can."),
]


@pytest.mark.parametrize(("who", "page", "sentence"), REQUIRED)
@pytest.mark.usefixtures("sam", "websockets")
def test_a_page_has_its_required_sentence(request, browser, who, page, sentence):
    shown = text_of(browser(request.getfixturevalue(who)).get(page))

    assert sentence.lower() in shown.lower()


@pytest.mark.usefixtures("enabled")
def test_disabling_says_that_usage_until_now_is_billed(browser, sam):
    page = text_of(browser(sam).get("/products/websockets/disable/"))

    assert "Disabling changes your monthly bill. Usage until now is billed" in page
    assert "Disabling is free. To enable it again, you agree to the price" in page
