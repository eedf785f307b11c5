"""Enabling and disabling for an account: permission, agreement, bill and audit trail."""

from datetime import timedelta

import pytest

from accounts.audit.models import AuditEvent
from accounts.errors import Conflict, Forbidden, Invalid, NotFound
from products.catalogue.models import Plan, Product
from products.catalogue.prices import NewPrice
from products.catalogue.tiers import PriceTier
from products.enablement.commands import (
    Agreement,
    assign_package,
    change_price,
    disable,
    disable_for_service,
    enable,
    enable_for_service,
    remove_package,
)
from products.enablement.commands.account import (
    NotAgreed,
    PriceChanged,
    ServicesChanged,
)
from products.enablement.models import DRAIN_TIME, Enablement, ServiceProduct
from products.enablement.queries import (
    current,
    products_of,
    services_hash,
    text_hash,
)
from products.enablement.refusals import (
    AlreadyDisabled,
    AlreadyEnabled,
    NotSoldDirectly,
)
from tests.factories import NOW
from tests.factories.enablement import entitle
from tests.factories.trail import last_entry, noted
from tests.factories.world import CATALOGUE, agreed

LATER = NOW + timedelta(hours=1)


def test_a_superuser_enables_and_the_exact_agreement_is_kept(sam, acme, websockets):
    agreement = agreed(acme, websockets)

    enablement = enable(
        sam,
        account=acme,
        product=websockets,
        agreement=agreement,
        reason="launch",
        now=NOW,
    )

    assert enablement.agreed_text == (
        f"I understand that enabling WebSockets changes the monthly bill of Acme ({acme.pk}). "
        "Price version 1, before tax, per million connection minutes in a calendar month (UTC): "
        "0.60 USD for the first 10 million, 0.50 USD for the next 90 million, 0.40 USD above 100 "
        "million."
    )
    assert enablement.agreed_text_hash == text_hash(enablement.agreed_text)
    assert (enablement.starts_at, enablement.ends_at, enablement.started_by) == (
        NOW,
        None,
        sam.label,
    )
    assert current(acme.pk, "websockets") == enablement


def test_enabling_notes_the_product_and_the_change_of_the_bill(sam, acme, websockets):
    entitle(sam, acme, websockets)

    enabled, billed = AuditEvent.objects.filter(account_id=acme.pk).order_by("sequence")
    assert (enabled.action, billed.action) == ("product.enabled", "bill.changed")
    assert enabled.body["after"]["state"] == "enabled"
    assert enabled.body["agreed_text_hash"] == text_hash(
        enabled.body["after"]["agreed_text"]
    )
    assert billed.body["before"] == {"billed": False}
    assert billed.body["after"]["plan"] == "WebSockets standard"


@pytest.mark.parametrize("who", ["eve", "bo", "una", "lin"])
def test_no_other_role_enables(request, who, acme, websockets):
    actor = request.getfixturevalue(who)

    with pytest.raises(Forbidden, match="Superusers can enable and disable products"):
        enable(
            actor,
            account=acme,
            product=websockets,
            agreement=agreed(acme, websockets),
            now=NOW,
        )

    assert not Enablement.objects.exists()
    assert noted(acme.pk) == []


def test_a_superuser_of_another_account_gets_not_found(stan, acme, websockets):
    with pytest.raises(NotFound):
        enable(
            stan,
            account=acme,
            product=websockets,
            agreement=agreed(acme, websockets),
            now=NOW,
        )

    assert not Enablement.objects.exists()


def test_staff_are_not_superusers_of_an_account(ada, acme, websockets):
    with pytest.raises(Forbidden):
        enable(
            ada,
            account=acme,
            product=websockets,
            agreement=agreed(acme, websockets),
            now=NOW,
        )

    assert not Enablement.objects.exists()


def test_the_second_of_two_reads_who_was_first_and_when(sam, acme, websockets):
    entitle(sam, acme, websockets)

    with pytest.raises(AlreadyEnabled) as refused:
        enable(
            sam,
            account=acme,
            product=websockets,
            agreement=agreed(acme, websockets),
            now=LATER,
        )

    assert refused.value.message == (
        f"WebSockets is already enabled: {sam.label} enabled it on 22 November 2026, 12:00 UTC."
    )
    assert noted(acme.pk) == ["product.enabled", "bill.changed"]


def test_without_an_agreement_nothing_is_enabled(sam, acme, websockets):
    with pytest.raises(NotAgreed):
        enable(sam, account=acme, product=websockets, agreement=Agreement(""), now=NOW)

    assert noted(acme.pk) == []


def test_an_agreement_to_a_price_that_changed_is_refused(sam, acme, websockets):
    seen = agreed(acme, websockets)
    plan = Plan.objects.get(product=websockets, kind="direct")
    cheaper = NewPrice("USD", "connection_time", (PriceTier(None, 10**8),))
    change_price(CATALOGUE, plan=plan, price=cheaper, effective_from=LATER, now=NOW)

    with pytest.raises(PriceChanged):
        enable(sam, account=acme, product=websockets, agreement=seen, now=LATER)

    assert not Enablement.objects.exists()


def test_a_new_price_is_noted_in_each_account_on_the_plan(
    sam, acme, globex, websockets
):
    entitle(sam, acme, websockets)
    plan = Plan.objects.get(product=websockets, kind="direct")
    cheaper = NewPrice("USD", "connection_time", (PriceTier(None, 10**8),))

    change_price(CATALOGUE, plan=plan, price=cheaper, effective_from=LATER, now=NOW)

    assert noted(acme.pk)[-1] == "price.published"
    assert noted("platform")[-1] == "price.published"
    assert noted(globex.pk) == []


def test_a_product_on_request_cannot_be_enabled(sam, acme, ngwaf):
    with pytest.raises(NotSoldDirectly):
        enable(sam, account=acme, product=ngwaf, agreement=agreed(acme, ngwaf), now=NOW)

    assert noted(acme.pk) == []


def test_disabling_closes_the_row_and_notes_the_change_of_the_bill(
    sam, acme, websockets
):
    enablement = entitle(sam, acme, websockets)

    disable(sam, account=acme, product=websockets, drain_mode="drain", now=LATER)

    enablement.refresh_from_db()
    assert (enablement.ends_at, enablement.ended_by, enablement.drain_mode) == (
        LATER,
        sam.label,
        "drain",
    )
    assert enablement.drain_until == LATER + timedelta(seconds=60)
    assert noted(acme.pk)[2:] == ["product.disabled", "bill.changed"]
    assert last_entry(acme.pk)["after"]["billed"] is False


def test_a_clock_that_is_behind_ends_nothing_before_it_started(
    sam, eve, acme, echo, websockets
):
    entitle(sam, acme, websockets)
    enable_for_service(eve, service=echo, product=websockets, now=NOW)
    behind = NOW - timedelta(seconds=1)

    disable_for_service(eve, service=echo, product=websockets, now=behind)
    enablement = disable(
        sam, account=acme, product=websockets, drain_mode="drain", now=behind
    )

    switch = ServiceProduct.objects.get(service=echo)
    entries = AuditEvent.objects.filter(account_id=acme.pk, action__contains="disabled")
    assert {entry.at for entry in entries} == {NOW}
    assert (switch.starts_at, switch.ends_at) == (NOW, NOW)
    assert (enablement.starts_at, enablement.ends_at) == (NOW, NOW)
    assert enablement.drain_until == NOW + DRAIN_TIME


def test_disabling_twice_names_who_was_first(sam, acme, websockets):
    entitle(sam, acme, websockets)
    disable(sam, account=acme, product=websockets, drain_mode="cut", now=LATER)

    with pytest.raises(AlreadyDisabled) as refused:
        disable(sam, account=acme, product=websockets, drain_mode="cut", now=LATER)

    assert refused.value.message == (
        f"WebSockets is already disabled: {sam.label} disabled it on 22 November 2026, 13:00 UTC."
    )


def test_services_that_use_it_meanwhile_are_not_stopped_unseen(
    sam, eve, acme, shop, websockets
):
    enablement = entitle(sam, acme, websockets)
    seen = services_hash(enablement)
    enable_for_service(eve, service=shop, product=websockets, now=NOW)

    with pytest.raises(ServicesChanged):
        disable(
            sam,
            account=acme,
            product=websockets,
            drain_mode="cut",
            seen=seen,
            now=LATER,
        )

    enablement.refresh_from_db()
    assert enablement.ends_at is None
    assert noted(acme.pk)[-1] == "service_product.enabled"


@pytest.mark.parametrize(("drain_mode", "reason"), [("later", ""), ("cut", "x" * 501)])
def test_bad_input_disables_nothing(sam, acme, websockets, drain_mode, reason):
    enablement = entitle(sam, acme, websockets)

    with pytest.raises(Invalid):
        disable(
            sam,
            account=acme,
            product=websockets,
            drain_mode=drain_mode,
            reason=reason,
            now=LATER,
        )

    enablement.refresh_from_db()
    assert enablement.ends_at is None


def test_staff_assign_and_remove_a_package(ada, sam, acme, ngwaf):
    plan = Plan.objects.get(product=ngwaf, kind="package")

    assign_package(ada, account=acme, plan=plan, now=NOW)
    with pytest.raises(NotSoldDirectly, match="part of your package"):
        disable(sam, account=acme, product=ngwaf, drain_mode="cut", now=LATER)
    remove_package(ada, account=acme, product=ngwaf, now=LATER, reason="contract ended")

    assert noted(acme.pk) == [
        "package.assigned",
        "product.enabled",
        "bill.changed",
        "package.removed",
        "product.disabled",
        "bill.changed",
    ]
    assert current(acme.pk, "ngwaf") is None


def test_a_superuser_cannot_assign_a_package(sam, acme, ngwaf):
    plan = Plan.objects.get(product=ngwaf, kind="package")

    with pytest.raises(Forbidden):
        assign_package(sam, account=acme, plan=plan, now=NOW)

    assert noted(acme.pk) == []


def test_all_products_but_the_base_product_are_off_by_default(acme, websockets):
    states = products_of(acme, NOW)

    assert [state.product.pk for state in states if state.is_on] == ["delivery"]
    assert len(states) == Product.objects.count()


def test_the_products_of_an_account_take_a_constant_number_of_queries(
    acme, websockets, django_assert_num_queries
):
    with django_assert_num_queries(7):
        products_of(acme, NOW)


def bills(account):
    """Return (before, after) of each bill.changed entry of an account, the oldest first."""
    rows = AuditEvent.objects.filter(account_id=account.pk, action="bill.changed")
    return [
        (row.body["before"], row.body["after"]) for row in rows.order_by("sequence")
    ]


def test_each_change_of_the_bill_has_one_shape_in_the_trail(
    ada, sam, acme, websockets, ngwaf
):
    package = Plan.objects.get(product=ngwaf, kind="package")

    entitle(sam, acme, websockets)
    disable(sam, account=acme, product=websockets, drain_mode="cut", now=LATER)
    assign_package(ada, account=acme, plan=package, now=NOW)
    remove_package(ada, account=acme, product=ngwaf, now=LATER, reason="contract ended")

    direct = {
        "billed": True,
        "source": "direct",
        "plan": "WebSockets standard",
        "price_version": Plan.objects.get(product=websockets, kind="direct")
        .prices.get()
        .pk,
        "price_number": 1,
        "currency": "USD",
    }
    packaged = {
        "billed": True,
        "source": "package",
        "plan": package.name,
        "price_version": "",
        "price_number": 0,
        "currency": "",
    }
    until = {"billed": False, "billed_until": LATER.isoformat()}
    drained = {"billed": False, "billed_until": (LATER + DRAIN_TIME).isoformat()}
    assert bills(acme) == [
        ({"billed": False}, direct),
        (direct, until),
        ({"billed": False}, packaged),
        (packaged, drained),
    ]


@pytest.mark.parametrize(
    ("drain_mode", "expected"),
    [
        ("cut", {"billed_until": LATER.isoformat()}),
        ("drain", {"billed_until": (LATER + DRAIN_TIME).isoformat()}),
        ("keep", {"open_connections": "keep"}),
    ],
)
def test_the_trail_says_until_when_open_connections_are_billed(
    sam, acme, websockets, drain_mode, expected
):
    entitle(sam, acme, websockets)
    disable(sam, account=acme, product=websockets, drain_mode=drain_mode, now=LATER)

    assert bills(acme)[-1][1] == {"billed": False} | expected


def test_a_package_is_assigned_at_the_price_of_now_even_if_the_next_is_published(
    ada, acme, ngwaf
):
    plan = Plan.objects.get(product=ngwaf, kind="package")
    price = NewPrice("USD", "bandwidth", (PriceTier(None, 10**9),))
    first = change_price(CATALOGUE, plan=plan, price=price, effective_from=NOW, now=NOW)
    change_price(CATALOGUE, plan=plan, price=price, effective_from=LATER, now=NOW)

    assert assign_package(ada, account=acme, plan=plan, now=NOW).price_version == first


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_package_is_not_removed_without_a_reason_or_with_too_long_a_one(
    ada, acme, ngwaf, reason
):
    plan = Plan.objects.get(product=ngwaf, kind="package")
    assign_package(ada, account=acme, plan=plan, now=NOW)

    with pytest.raises(Invalid) as refused:
        remove_package(ada, account=acme, product=ngwaf, now=LATER, reason=reason)

    assert refused.value.field == "reason"
    assert current(acme.pk, "ngwaf") is not None
    assert "package.removed" not in noted(acme.pk)


def test_a_package_is_not_assigned_with_too_long_a_reason(ada, acme, ngwaf):
    plan = Plan.objects.get(product=ngwaf, kind="package")

    with pytest.raises(Invalid):
        assign_package(ada, account=acme, plan=plan, now=NOW, reason="x" * 501)

    assert current(acme.pk, "ngwaf") is None
    assert noted(acme.pk) == []


def test_only_the_plan_of_a_package_can_be_assigned(ada, acme, websockets):
    plan = Plan.objects.get(product=websockets, kind="direct")

    with pytest.raises(Invalid) as refused:
        assign_package(ada, account=acme, plan=plan, now=NOW)

    assert refused.value.field == "plan"
    assert noted(acme.pk) == []


def test_staff_do_not_remove_a_product_that_the_account_bought(
    ada, sam, acme, websockets
):
    entitle(sam, acme, websockets)

    with pytest.raises(Conflict, match="bought"):
        remove_package(ada, account=acme, product=websockets, now=LATER, reason="No.")

    assert current(acme.pk, "websockets") is not None


def test_a_product_that_was_never_enabled_cannot_be_disabled(sam, acme, websockets):
    with pytest.raises(AlreadyDisabled, match="is not enabled for Acme"):
        disable(sam, account=acme, product=websockets, drain_mode="cut", now=NOW)
