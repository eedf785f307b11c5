"""The admin's page on which staff publish a price: preview first, then publish what was seen."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from products.catalogue.commands import add_plan
from products.catalogue.models import Plan, Product
from products.catalogue.queries import tiered_price
from products.catalogue.tiers import PriceTier
from products.enablement.commands import assign_package, enable
from tests.factories import NOW
from tests.factories.enablement import entitle
from tests.factories.trail import noted
from tests.factories.world import agreed
from tests.products.web.conftest import text_of

PRICE = {
    "currency": "USD",
    "meter": "connection_time",
    "fee": "0",
    "included": "0",
    "proration": "none",
    "unit_mode": "fraction",
    "effective_from": "2030-01-01 00:00",
}
SEEN = re.compile(r'name="publish"\s+value="([0-9a-f]{64})"')
TWO_TIERS = (("10", "0.60"), ("", "0.40"))


def typed_price(*tiers, **changes):
    """Return what a browser sends for a price with some (limit, price) tiers."""
    rows = {
        f"tier-{number}-{field}": value
        for number, tier in enumerate(tiers)
        for field, value in zip(("up_to", "unit_price"), tier, strict=True)
    }
    counts = {"tier-TOTAL_FORMS": "8", "tier-INITIAL_FORMS": "0"}
    return PRICE | counts | rows | changes


@pytest.fixture
def price_page(direct):
    return reverse("admin:billing_plan_price", args=[direct.pk])


def publish(client, page, typed):
    """Preview a price, then publish it; return both answers."""
    preview = client.post(page, typed)
    [seen] = SEEN.findall(preview.content.decode())
    return preview, client.post(page, typed | {"publish": seen})


def test_staff_publish_a_price_after_a_preview(
    staff, direct, price_page, sam, acme, websockets
):
    enable(
        sam,
        account=acme,
        product=websockets,
        agreement=agreed(acme, websockets),
        now=NOW,
    )

    preview, answer = publish(
        staff,
        price_page,
        typed_price(*TWO_TIERS, fee="25", included="1", proration="daily"),
    )

    price = direct.prices.order_by("number").last()
    text = text_of(preview)
    assert (preview.status_code, answer.status_code) == (200, 303)
    assert "This is a rise. It takes effect on 1 Jan 2030, 00:00 UTC." in text
    assert "First 10 million 0.60 USD per million connection minutes" in text
    assert "Fee 25.00 USD per month; of a month in part: the fee by days" in text
    assert "Included 1 million per month" in text
    assert "Accounts that it touches: 1" in text
    assert "Acme 1 January 2030, 00:00 UTC 0 minutes" in text
    assert "0.00 USD 25.00 USD +25.00 USD" in text
    assert (price.number, price.unit_size, price.proration) == (2, 1_000_000, "daily")
    assert (price.fee_micros, price.included_units) == (25_000_000, 1)
    assert tiered_price(price).tiers == (
        PriceTier(10, 600_000_000),
        PriceTier(None, 400_000_000),
    )
    assert noted("platform")[-1] == noted(acme.pk)[-1] == "price.published"


def test_staff_publish_an_own_price_for_a_product_that_the_account_has(
    staff, sam, acme, websockets
):
    entitle(sam, acme, websockets)
    own = Plan.objects.create(
        product=websockets, kind="direct", name="Contract", account=acme
    )
    page = reverse("admin:billing_plan_price", args=[own.pk])

    form = staff.get(page).context["entry"]
    preview, answer = publish(staff, page, typed_price(("", "0.70")))

    text = text_of(preview)
    assert form.rows.initial[0]["unit_price"] == Decimal("0.60")
    assert (
        "This is a rise. It takes effect on 1 Jan 2030, 00:00 UTC; until then" in text
    )
    assert "until then the price of WebSockets standard counts." in text
    assert "Accounts that it touches: 1" in text
    assert answer.status_code == 303
    assert own.prices.get().number == 1
    assert noted("platform")[-1] == noted(acme.pk)[-1] == "price.published"


def test_the_preview_of_an_own_price_says_that_a_package_counts(
    staff, ada, acme, ngwaf, package
):
    assign_package(ada, account=acme, plan=package, now=NOW)
    own = Plan.objects.create(
        product=ngwaf, kind="direct", name="Contract", account=acme
    )
    page = reverse("admin:billing_plan_price", args=[own.pk])

    text = text_of(staff.post(page, typed_price(("", "0.70"))))

    assert "from a package, the plan" in text


def test_a_preview_publishes_nothing_and_the_form_starts_with_the_current_price(
    staff, direct, price_page
):
    form = staff.get(price_page).context["entry"]
    staff.post(price_page, typed_price(*TWO_TIERS))

    assert form.rows.initial[0]["unit_price"] == Decimal("0.60")
    assert form.form.initial["meter"] == "connection_time"
    assert direct.prices.count() == 1


def test_the_list_of_prices_has_their_state_and_a_filter_for_it(staff, price_page):
    publish(staff, price_page, typed_price(("", "0.70")))
    publish(staff, price_page, typed_price(("", "0.80")))
    prices = reverse("admin:catalogue_priceversion_changelist")

    page = text_of(staff.get(prices, {"state": "withdrawn"}))

    assert "All: 0.70 USD per million connection minutes" in page
    assert "Withdrawn" in page
    assert "0.80 USD" not in page


@pytest.mark.parametrize("changed", ["price", "accounts"])
def test_what_changed_after_the_preview_is_previewed_again(
    staff, direct, price_page, sam, acme, websockets, changed
):
    typed = typed_price(*TWO_TIERS)
    [seen] = SEEN.findall(staff.post(price_page, typed).content.decode())
    if changed == "price":
        typed["tier-1-unit_price"] = "0.41"
    else:
        enable(
            sam,
            account=acme,
            product=websockets,
            agreement=agreed(acme, websockets),
            now=NOW,
        )

    answer = staff.post(price_page, typed | {"publish": seen})

    assert "changed after the preview" in text_of(answer)
    assert direct.prices.count() == 1


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        (typed_price(("10", "ten")), "Enter a number."),
        (typed_price(("10", "")), "Enter the price of this tier."),
        (typed_price(("10", "0.60")), "Only the last tier may have no upper limit."),
        (typed_price(), "Only the last tier may have no upper limit."),
        (
            typed_price(*TWO_TIERS, effective_from="2020-01-01 00:00"),
            "must start after the current one",
        ),
        (typed_price(*TWO_TIERS, meter="miles"), "Choose one of the options."),
        (typed_price(*TWO_TIERS, currency="$"), "Enter a currency of ISO 4217"),
        (typed_price(*TWO_TIERS, currency="eur"), "A plan keeps its currency."),
        (typed_price(*TWO_TIERS, fee="-1"), "Enter a number from 0."),
    ],
)
def test_an_impossible_price_is_not_previewed(
    staff, direct, price_page, typed, problem
):
    answer = staff.post(price_page, typed)

    assert answer.status_code == 400
    assert problem in answer.content.decode()
    assert not SEEN.findall(answer.content.decode())
    assert direct.prices.count() == 1


def test_a_rise_before_the_next_month_is_refused_in_the_preview(staff, price_page):
    soon = f"{timezone.now() + timedelta(minutes=1):%Y-%m-%d %H:%M}"

    answer = staff.post(price_page, typed_price(("", "99"), effective_from=soon))

    assert answer.status_code == 400
    assert "at the start of the next month at the earliest" in answer.content.decode()


def test_a_price_of_delivery_touches_every_account_without_its_own(
    staff, ada, acme, globex, websockets
):
    delivery = Product.objects.get(pk="delivery")
    own, empty = (
        add_plan(ada, product=delivery, kind="direct", name=name, account=of, now=NOW)
        for name, of in (("Own", globex), ("No price", acme))
    )
    cents = typed_price(("", "0.01"), meter="bandwidth")
    publish(staff, reverse("admin:billing_plan_price", args=[own.pk]), cents)
    plan = Plan.objects.get(product=delivery, kind="direct", account=None)
    page = reverse("admin:billing_plan_price", args=[plan.pk])

    preview, _ = publish(staff, page, cents)

    text = text_of(preview)
    assert empty.prices.count() == 0
    assert "Accounts that it touches: 1" in text
    assert "prices of their own: 1 Globex" in text
    assert noted(acme.pk) == noted(globex.pk) == ["price.published"]


def test_staff_add_a_plan_with_an_accounts_own_prices(staff, acme, websockets):
    form = reverse("admin:billing_own_plan", args=[acme.pk])

    answer = staff.post(form, {"product": "websockets", "name": "Acme 2027"})

    plan = Plan.objects.get(account=acme)
    page = text_of(staff.get(answer.url))
    assert (plan.product_id, plan.kind, plan.name) == (
        "websockets",
        "direct",
        "Acme 2027",
    )
    assert "WebSockets: Acme 2027 (no price yet)" in page
