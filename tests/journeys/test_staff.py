"""Staff at work in the admin: from a name to what happened, and requests, prices and disputes in place."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Account, User
from products.catalogue.models import Plan
from products.enablement.commands import request_product
from products.metering.commands import rebuild_usage
from tests.products.metering.reports import make_edge, record, take

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_staff_find_in_three_clicks_from_a_name_who_enabled_it(
    browse, ada, acme, switched_on
):
    page = browse(ada)
    page.open("/admin/accounts/account/?q=ACM")
    page.follow("Acme")
    page.reads("enabled (direct)", "Sam", "Chain intact")
    page.follow("enabled (direct)")
    page.reads("Started by:", "Sam", "changes the monthly bill")
    assert page.faults() == []

    # From its page, all that happened in the account.
    page.page.go_back()
    page.follow("All entries")
    page.reads("Sam enabled WebSockets", "Sam switched WebSockets on for echo")


def test_staff_preview_a_price_with_the_accounts_it_touches(
    browse, ada, acme, enabled, websockets
):
    plan = Plan.objects.get(product=websockets, kind="direct")
    page = browse(ada)
    page.open(f"/admin/catalogue/plan/{plan.pk}/change/")
    page.follow("Publish a price…")
    assert page.faults() == []
    page.press("Preview")
    page.reads("Accounts that it touches: 1", "Acme")
    assert page.faults() == []


def test_staff_answer_a_request_and_resolve_a_dispute_in_place(
    browse, ada, sam, acme, ngwaf, shop
):
    request_product(
        sam, account=acme, product=ngwaf, note="For the shop", now=timezone.now()
    )
    now = timezone.now()
    edge = make_edge()
    opened = {
        "service": shop.pk,
        "started_at": now - timedelta(seconds=90),
        "month": f"{now:%Y-%m}",
    }
    take(edge, record(**opened, duration_us=50, final=True), now=now)
    take(edge, record(**opened, duration_us=70), now=now)
    rebuild_usage(now=now)
    page = browse(ada)

    page.open("/admin/enablement/productrequest/?q=shop")
    page.reads("For the shop")
    page.follow("Answer…")
    assert page.faults() == []
    page.page.get_by_label("Answer").fill("We call you tomorrow.")
    page.page.get_by_role("main").get_by_role("button").last.click()
    page.reads("Ada (Tollgate staff): We call you tomorrow.")

    page.open("/admin/metering/usagedispute/")
    assert page.faults() == []
    page.follow("edge-1.")
    assert page.faults() == []
    page.follow("Resolve…")
    page.reads("Duration")
    assert page.faults() == []


# Boxes whose content is wider than they are, and buttons whose label is higher.
CUT = """() => [...document.querySelectorAll(
    "#content, .results, .form-row, .submit-row, .submit-row input, .object-tools"
)].filter(box =>
    box.scrollWidth > box.clientWidth + 1 || box.matches("input") && box.scrollHeight > box.clientHeight + 1
).map(box => box.className || box.id)"""


@pytest.mark.parametrize("width", [1280, 320])
def test_long_names_are_never_cut_in_the_admin(browse, ada, sam, acme, width):
    long = "w" * 90
    Account.objects.filter(pk=acme.pk).update(name=f"Acme-{long}")
    User.objects.filter(pk=sam.user_id).update(name=f"Sam{long}")
    user = f"/admin/accounts/user/{sam.user_id}"
    page = browse(ada, viewport={"width": width, "height": 900})

    cut = {}
    for path in (
        "/admin/accounts/membership/",
        f"{user}/change/",
        f"{user}/do/disable/",
        f"/admin/accounts/account/{acme.pk}/change/",
    ):
        page.open(path)
        cut[path] = page.page.evaluate(CUT)
        assert page.faults() == []

    assert {path: boxes for path, boxes in cut.items() if boxes} == {}
