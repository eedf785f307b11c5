"""The switch per service (R4), and requests for products (R17)."""

from datetime import timedelta

import pytest

from accounts.errors import Forbidden, Invalid, NotFound
from products.catalogue.models import Plan, Product
from products.enablement.commands import (
    assign_package,
    decline_request,
    disable,
    disable_for_service,
    enable,
    enable_for_service,
    request_product,
    withdraw_request,
)
from products.enablement.commands.requests import AlreadyRequestedToday, RequestAnswered
from products.enablement.commands.service import Incompatible, NotEntitled
from products.enablement.models import Enablement, ProductRequest, ServiceProduct
from products.enablement.queries import services_with, switch_of
from products.enablement.refusals import AlreadyEnabled
from tests.factories import NOW
from tests.factories.enablement import entitle
from tests.factories.services import live_version, set_values
from tests.factories.trail import last_entry, noted
from tests.factories.world import agreed

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def entitled(sam, acme, websockets):
    """Give Acme WebSockets."""
    entitle(sam, acme, websockets)
    return websockets


def test_an_engineer_switches_it_on_and_off(eve, echo, entitled):
    enable_for_service(eve, service=echo, product=entitled, now=NOW)
    assert switch_of(echo, "websockets") is not None
    assert list(services_with(echo.account_id, "websockets")) == [echo]

    disable_for_service(eve, service=echo, product=entitled, now=LATER)
    assert switch_of(echo, "websockets") is None
    assert noted(echo.account_id)[-2:] == [
        "service_product.enabled",
        "service_product.disabled",
    ]
    assert last_entry(echo.account_id)["service_id"] == echo.pk


def test_switching_on_twice_changes_nothing_the_second_time(eve, echo, entitled):
    enable_for_service(eve, service=echo, product=entitled, now=NOW)
    before = noted(echo.account_id)

    enable_for_service(eve, service=echo, product=entitled, now=LATER)

    assert noted(echo.account_id) == before
    assert ServiceProduct.objects.count() == 1


def test_switching_off_what_is_off_changes_nothing(eve, echo, entitled):
    before = noted(echo.account_id)

    disable_for_service(eve, service=echo, product=entitled, now=NOW)

    assert noted(echo.account_id) == before


def test_a_blocked_product_cannot_be_switched_on(eve, echo, entitled):
    Enablement.objects.update(blocked_at=NOW, blocked_reason="The trial has ended.")

    with pytest.raises(NotEntitled, match="is blocked: The trial has ended"):
        enable_for_service(eve, service=echo, product=entitled, now=NOW)

    assert switch_of(echo, "websockets") is None


def test_a_product_not_enabled_for_the_account_cannot_be_switched_on(
    eve, echo, websockets
):
    with pytest.raises(
        NotEntitled, match="A superuser can enable it on the Products page"
    ):
        enable_for_service(eve, service=echo, product=websockets, now=NOW)

    assert noted(echo.account_id) == []


def test_a_limited_engineer_switches_only_their_own_service(lin, shop, echo, entitled):
    enable_for_service(lin, service=shop, product=entitled, now=NOW)

    with pytest.raises(Forbidden, match="have access to this service"):
        enable_for_service(lin, service=echo, product=entitled, now=NOW)

    assert switch_of(shop, "websockets") is not None
    assert switch_of(echo, "websockets") is None


@pytest.mark.parametrize("who", ["bo", "una"])
def test_a_role_that_configures_nothing_is_refused(request, who, echo, entitled):
    actor = request.getfixturevalue(who)

    with pytest.raises(
        Forbidden, match="Engineers and superusers can configure services"
    ):
        enable_for_service(actor, service=echo, product=entitled, now=NOW)


def test_a_non_member_gets_not_found(stan, echo, entitled):
    with pytest.raises(NotFound):
        enable_for_service(stan, service=echo, product=entitled, now=NOW)


def test_an_active_version_that_shields_is_refused_with_all_its_conflicts(
    eve, echo, entitled
):
    version = live_version(echo, "echo.example.com")
    set_values(version.parts.filter(kind="backend"), shield="fra", ssl_check_cert=False)

    with pytest.raises(Incompatible) as refused:
        enable_for_service(eve, service=echo, product=entitled, now=NOW)

    assert [finding.rule for finding in refused.value.findings] == ["R6", "R8"]
    assert switch_of(echo, "websockets") is None


def test_the_waf_and_websockets_conflict_in_either_order(
    eve, ada, acme, echo, entitled, ngwaf
):
    plan = Plan.objects.get(product=ngwaf, kind="package")
    assign_package(ada, account=acme, plan=plan, now=NOW)
    enable_for_service(eve, service=echo, product=entitled, now=NOW)

    with pytest.raises(Incompatible, match="Next-Gen WAF"):
        enable_for_service(eve, service=echo, product=ngwaf, now=NOW)

    disable_for_service(eve, service=echo, product=entitled, now=NOW)
    enable_for_service(eve, service=echo, product=ngwaf, now=NOW)
    with pytest.raises(Incompatible, match="Next-Gen WAF"):
        enable_for_service(eve, service=echo, product=entitled, now=NOW)


def test_services_keep_their_switch_when_the_account_is_disabled(
    sam, eve, acme, echo, entitled
):
    enable_for_service(eve, service=echo, product=entitled, now=NOW)

    disable(sam, account=acme, product=entitled, drain_mode="drain", now=LATER)

    assert switch_of(echo, "websockets") is not None


def test_a_member_requests_a_product_once_per_day(una, acme, websockets):
    ask = {"account": acme, "product": websockets}

    request_product(una, **ask, note="for the chat", now=NOW)
    with pytest.raises(AlreadyRequestedToday):
        request_product(una, **ask, now=LATER)

    assert noted(acme.pk) == ["product.requested"]


@pytest.mark.parametrize("slug", ["websockets", "delivery"])
def test_a_product_that_the_account_has_cannot_be_requested(una, acme, entitled, slug):
    product = Product.objects.get(pk=slug)

    with pytest.raises(AlreadyEnabled):
        request_product(una, account=acme, product=product, now=LATER)

    assert "product.requested" not in noted(acme.pk)


def test_a_new_request_replaces_the_open_one_of_the_same_member(una, acme, websockets):
    ask = {"account": acme, "product": websockets}
    request_product(una, **ask, now=NOW)

    request_product(una, **ask, now=NOW + timedelta(days=1))

    assert states(acme) == ["withdrawn", "open"]


def test_enabling_a_product_grants_the_open_requests_and_ends_them_for_good(
    una, sam, acme, websockets
):
    request_product(una, account=acme, product=websockets, now=NOW)

    enable(
        sam,
        account=acme,
        product=websockets,
        agreement=agreed(acme, websockets),
        now=NOW,
    )
    disable(sam, account=acme, product=websockets, drain_mode="cut", now=LATER)

    assert states(acme) == ["granted"]
    assert "product_request.granted" in noted(acme.pk)


def test_a_request_is_declined_with_a_reason_once(una, sam, acme, websockets):
    asked = request_product(una, account=acme, product=websockets, now=NOW)
    with pytest.raises(Invalid):
        decline_request(sam, request=asked, reason=" ", now=NOW)

    decline_request(sam, request=asked, reason="Too dear", now=NOW)
    with pytest.raises(RequestAnswered):
        decline_request(sam, request=asked, reason="Too dear", now=NOW)

    asked.refresh_from_db()
    assert (asked.state, asked.answer, asked.answered_by) == (
        "declined",
        "Too dear",
        "Sam",
    )
    assert noted(acme.pk) == ["product.requested", "product_request.declined"]


def test_a_request_is_withdrawn_by_its_own_member_alone(una, sam, acme, websockets):
    asked = request_product(una, account=acme, product=websockets, now=NOW)
    with pytest.raises(NotFound):
        withdraw_request(sam, request=asked, now=NOW)

    withdraw_request(una, request=asked, now=NOW)

    assert states(acme) == ["withdrawn"]


def states(account):
    rows = ProductRequest.objects.filter(account=account).order_by("pk")
    return list(rows.values_list("state", flat=True))


def test_too_long_a_note_is_refused_and_never_cut(una, acme, websockets):
    with pytest.raises(Invalid) as refused:
        request_product(
            una,
            account=acme,
            product=websockets,
            note="x" * 501,
            now=NOW,
        )

    assert refused.value.field == "note"
    assert noted(acme.pk) == []
