"""Packages, requests and trials in the admin: read-only, with a form per command of staff."""

import pytest
from django.urls import reverse

from accounts.commands.notices import make_notices
from accounts.models import Notice
from products.catalogue.commands import add_plan
from products.enablement.commands import (
    assign_package,
    request_product,
    start_trial,
)
from products.enablement.models import Enablement
from products.enablement.queries import current
from tests.factories import NOW
from tests.factories.trail import noted
from tests.factories.world import CATALOGUE, agreed_to_trial
from tests.products.web.conftest import text_of


def test_staff_assign_a_package_and_remove_it_with_a_reason(staff, acme, package):
    assigned = staff.post(
        reverse("admin:enablement_assign", args=[acme.pk]),
        {"plan": package.pk, "reason": "Contract of May."},
    )
    enablement = current(acme.pk, "ngwaf")
    removed = staff.post(
        reverse("admin:enablement_remove", args=[enablement.pk]), {"reason": "Ended."}
    )

    assert (assigned.status_code, removed.status_code) == (303, 303)
    assert current(acme.pk, "ngwaf") is None
    assert noted(acme.pk)[0] == "package.assigned"
    assert noted(acme.pk)[3] == "package.removed"


def test_only_packages_of_products_that_the_account_does_not_have_are_offered(
    staff, ada, acme, package, direct
):
    form = reverse("admin:enablement_assign", args=[acme.pk])
    offered = staff.get(form).content.decode()
    assign_package(ada, account=acme, plan=package, now=NOW)

    again = staff.post(form, {"plan": package.pk})
    wrong = staff.post(form, {"plan": direct.pk})

    assert (package.pk in offered, direct.pk in offered) == (True, False)
    assert (again.status_code, wrong.status_code) == (400, 400)
    assert Enablement.objects.count() == 1


def test_staff_decline_a_request_with_a_reason_from_the_accounts_page(
    staff, sam, acme, ngwaf
):
    row = request_product(sam, account=acme, product=ngwaf, now=NOW)
    account = reverse("admin:accounts_account_change", args=[acme.pk])
    page = reverse("admin:enablement_decline", args=[row.pk])
    assert page in staff.get(account).content.decode()

    refused = staff.post(page, {"reason": " "})
    answer = staff.post(page, {"reason": "Not in your region."})
    again = staff.post(page, {"reason": "Again."})

    row.refresh_from_db()
    queue = reverse("admin:enablement_productrequest_changelist")
    assert (refused.status_code, answer.url, again.status_code) == (400, queue, 400)
    assert (row.state, row.answered_by, row.answer) == (
        "declined",
        "Ada (Tollgate staff)",
        "Not in your region.",
    )
    assert page not in staff.get(account).content.decode()


@pytest.mark.parametrize("reason", ["", "x" * 501])
def test_a_package_is_kept_without_a_reason_or_with_too_long_a_one(
    staff, ada, acme, package, reason
):
    enablement = assign_package(ada, account=acme, plan=package, now=NOW)

    answer = staff.post(
        reverse("admin:enablement_remove", args=[enablement.pk]), {"reason": reason}
    )

    assert answer.status_code == 400
    assert current(acme.pk, "ngwaf") == enablement


def test_staff_read_every_list_and_row(staff, ada, acme, package):
    enablement = assign_package(ada, account=acme, plan=package, now=NOW)

    pages = [
        staff.get(reverse(f"admin:{name}_changelist"))
        for name in (
            "catalogue_plan",
            "catalogue_priceversion",
            "enablement_enablement",
            "enablement_serviceproduct",
            "enablement_productrequest",
        )
    ]
    row = staff.get(reverse("admin:enablement_enablement_change", args=[enablement.pk]))

    assert {page.status_code for page in pages} == {200}
    assert "Remove the package" in row.content.decode()


def test_unknown_rows_are_not_found(staff):
    names = (
        *("billing_plan_price", "enablement_assign", "enablement_remove"),
        "billing_own_plan",
    )

    assert {
        staff.get(reverse(f"admin:{name}", args=["nothing"])).status_code
        for name in names
    } == {404}


def test_staff_answer_a_request_from_the_queue_and_notify_the_requester(
    staff, sam, acme, ngwaf
):
    row = request_product(
        sam, account=acme, product=ngwaf, note="For the shop", now=NOW
    )
    queue = reverse("admin:enablement_productrequest_changelist")
    page = reverse("admin:enablement_answer", args=[row.pk])
    assert page in staff.get(queue, {"state__exact": "open"}).content.decode()
    assert "For the shop" in staff.get(queue, {"q": "shop"}).content.decode()

    assert "They wrote: “For the shop”" in text_of(staff.get(page))

    refused = staff.post(page, {"answer": " "})
    answer = staff.post(page, {"answer": "We call you tomorrow."})
    again = staff.post(page, {"answer": "Again."})

    row.refresh_from_db()
    assert (refused.status_code, answer.url, again.status_code) == (400, queue, 400)
    assert (row.state, row.answer) == ("answered", "We call you tomorrow.")
    assert "Ada (Tollgate staff): We call you tomorrow." in text_of(staff.get(queue))
    make_notices(now=NOW)
    assert "We call you tomorrow" in Notice.objects.get(user__pk=sam.user_id).sentence


def test_staff_end_a_trial_from_its_page(staff, sam, acme, websockets):
    add_plan(
        CATALOGUE,
        product=websockets,
        kind="trial",
        name="WebSockets trial",
        trial_days=14,
        now=NOW,
    )
    trial = start_trial(
        sam,
        account=acme,
        product=websockets,
        agreement=agreed_to_trial(acme, websockets),
        now=NOW,
    )
    row = reverse("admin:enablement_enablement_change", args=[trial.pk])
    page = reverse("admin:enablement_end_trial", args=[trial.pk])
    assert page in staff.get(row).content.decode()

    answer = staff.post(page, {"reason": "The test is over."})

    assert answer.status_code == 303
    assert page not in staff.get(row).content.decode()
    assert "trial.ended" in noted(acme.pk)
