"""Plans, prices and enablements in the admin: read-only, with a form per command of staff."""

import time

import pytest
from django.test import Client
from django.urls import reverse

from products.catalogue.models import Plan
from products.catalogue.queries import tiered_price
from products.catalogue.tiers import PriceTier
from products.enablement.commands import assign_package
from products.enablement.models import Enablement
from products.enablement.queries import current
from tests.accounts.conftest import confirm
from tests.factories import NOW
from tests.factories.accounts import UserFactory
from tests.factories.trail import noted

PRICE = {
    "currency": "USD",
    "meter": "connection_time",
    "tiers": "10 0.60\n0.40",
    "effective_from": "2030-01-01 00:00",
}


@pytest.fixture
def staff_client(db):
    user = UserFactory.create(name="Stu", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    confirm(client, user.pk, time.time())
    return client


@pytest.fixture
def direct(websockets):
    return Plan.objects.get(product=websockets, kind="direct")


@pytest.fixture
def package(ngwaf):
    return Plan.objects.get(product=ngwaf, kind="package")


def test_staff_publish_a_price_typed_one_tier_per_line(staff_client, direct):
    answer = staff_client.post(
        reverse("admin:enablement_price", args=[direct.pk]), PRICE
    )

    price = direct.prices.order_by("number").last()
    assert answer.status_code == 302
    assert (price.number, price.unit_size) == (2, 1_000_000)
    assert tiered_price(price).tiers == (
        PriceTier(10, 600_000_000),
        PriceTier(None, 400_000_000),
    )
    assert noted("platform")[-1] == "price.published"


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ({"tiers": "ten 0.60"}, "“ten 0.60” is not a valid tier."),
        ({"tiers": "10 0.60"}, "Only the last tier may have no upper limit."),
        ({"effective_from": "2020-01-01 00:00"}, "must start after the current one"),
        ({"meter": "miles"}, "Select a valid choice"),
    ],
)
def test_an_impossible_price_is_not_published(staff_client, direct, typed, problem):
    answer = staff_client.post(
        reverse("admin:enablement_price", args=[direct.pk]), PRICE | typed
    )

    assert answer.status_code == 400
    assert problem in answer.content.decode()
    assert direct.prices.count() == 1


def test_staff_assign_a_package_and_remove_it_with_a_reason(
    staff_client, acme, package
):
    assigned = staff_client.post(
        reverse("admin:enablement_assign", args=[acme.pk]),
        {"plan": package.pk, "reason": "Contract of May."},
    )
    enablement = current(acme.pk, "ngwaf")
    removed = staff_client.post(
        reverse("admin:enablement_remove", args=[enablement.pk]), {"reason": "Ended."}
    )

    assert (assigned.status_code, removed.status_code) == (302, 302)
    assert current(acme.pk, "ngwaf") is None
    assert noted(acme.pk)[0] == "package.assigned"
    assert noted(acme.pk)[3] == "package.removed"


def test_only_packages_of_products_that_the_account_does_not_have_are_offered(
    staff_client, ada, acme, package, direct
):
    form = reverse("admin:enablement_assign", args=[acme.pk])
    offered = staff_client.get(form).content.decode()
    assign_package(ada, account=acme, plan=package, now=NOW)

    again = staff_client.post(form, {"plan": package.pk})
    wrong = staff_client.post(form, {"plan": direct.pk})

    assert (package.pk in offered, direct.pk in offered) == (True, False)
    assert (again.status_code, wrong.status_code) == (400, 400)
    assert Enablement.objects.count() == 1


@pytest.mark.parametrize("reason", ["", "x" * 501])
def test_a_package_is_kept_without_a_reason_or_with_too_long_a_one(
    staff_client, ada, acme, package, reason
):
    enablement = assign_package(ada, account=acme, plan=package, now=NOW)

    answer = staff_client.post(
        reverse("admin:enablement_remove", args=[enablement.pk]), {"reason": reason}
    )

    assert answer.status_code == 400
    assert current(acme.pk, "ngwaf") == enablement


def test_staff_read_every_list_and_row(staff_client, ada, acme, package):
    enablement = assign_package(ada, account=acme, plan=package, now=NOW)

    pages = [
        staff_client.get(reverse(f"admin:{name}_changelist"))
        for name in (
            "catalogue_plan",
            "catalogue_priceversion",
            "enablement_enablement",
            "enablement_serviceproduct",
            "enablement_productrequest",
        )
    ]
    row = staff_client.get(
        reverse("admin:enablement_enablement_change", args=[enablement.pk])
    )

    assert {page.status_code for page in pages} == {200}
    assert "Remove the package" in row.content.decode()


def test_unknown_rows_are_not_found(staff_client):
    names = ("enablement_price", "enablement_assign", "enablement_remove")

    assert {
        staff_client.get(reverse(f"admin:{name}", args=["nothing"])).status_code
        for name in names
    } == {404}
