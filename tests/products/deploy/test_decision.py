"""The decision: eight gates in one order, each with its reason, remedy and who can help."""

import pytest

from accounts.actor import TokenScope
from accounts.models import Account
from accounts.roles import AccessLevel, Role
from products.catalogue.models import Plan
from products.compatibility.version_config import OriginCertificate
from products.deploy.decision import decide_deployment
from products.deploy.models import LiveDomain
from products.deploy.verdict import CheckOutcome, Verdict
from products.enablement.commands import enable_for_service
from products.enablement.models import Enablement
from products.services.models import Service, Version
from tests.factories import NOW
from tests.factories.accounts import actor_for, give_access, member
from tests.factories.enablement import entitle
from tests.factories.services import BackendFactory, SnippetFactory

PASSED, FAILED, NOT_ASKED = (
    CheckOutcome.PASSED,
    CheckOutcome.FAILED,
    CheckOutcome.NOT_ASKED,
)


@pytest.fixture
def on(sam, eve, acme, echo, draft, websockets):
    """Give Acme WebSockets and switch it on for echo."""
    entitle(sam, acme, websockets)
    enable_for_service(eve, service=echo, product=websockets, now=NOW)


def states(verdict: Verdict) -> list[CheckOutcome]:
    return [gate.state for gate in verdict.gates]


def test_an_entitled_engineer_passes_all_eight(eve, draft, on):
    verdict = decide_deployment(eve, version=draft, now=NOW)

    assert verdict.allowed
    assert [gate.number for gate in verdict.gates] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert states(verdict) == [PASSED] * 8


def test_a_plain_version_is_not_asked_about_websockets(eve, draft, websockets):
    verdict = decide_deployment(eve, version=draft, now=NOW)

    assert verdict.allowed
    assert states(verdict) == [
        PASSED,
        NOT_ASKED,
        NOT_ASKED,
        PASSED,
        PASSED,
        NOT_ASKED,
        PASSED,
        NOT_ASKED,
    ]


def test_gate_1_a_suspended_account_deploys_nothing(eve, acme, draft, on):
    Account.objects.filter(pk=acme.pk).update(
        suspended_at=NOW, suspension_reason="unpaid"
    )

    verdict = decide_deployment(eve, version=Version.objects.get(pk=draft.pk), now=NOW)

    assert [gate.number for gate in verdict.failed] == [1]
    assert verdict.reasons == ("Acme is suspended: unpaid",)


def test_gates_2_and_3_say_who_can_enable(eve, sam, acme, draft, on):
    Enablement.objects.update(ends_at=NOW)

    verdict = decide_deployment(eve, version=draft, now=NOW)

    assert [gate.number for gate in verdict.failed] == [2, 3]
    assert verdict.failed[0].reason == "WebSockets is not enabled for this account."
    assert (
        verdict.failed[0].remedy == "Ask a superuser to enable it on the Products page."
    )
    assert verdict.failed[0].who == (sam.label,)


def test_gate_3_says_what_stopped_it(eve, draft, on):
    Enablement.objects.update(blocked_at=NOW, blocked_reason="The trial ended.")

    verdict = decide_deployment(eve, version=draft, now=NOW)

    assert [gate.number for gate in verdict.failed] == [3]
    assert verdict.reasons == ("The trial ended.",)


@pytest.mark.parametrize("who", ["una", "bo"])
def test_gate_4_a_role_that_may_not(request, who, draft, on):
    actor = request.getfixturevalue(who)

    verdict = decide_deployment(actor, version=draft, now=NOW)

    assert [gate.number for gate in verdict.failed] == [4]
    assert (
        "Engineers and superusers can activate and deactivate versions."
        in (verdict.reasons[0])
    )


def test_gate_4_a_token_that_only_reads(eve, draft, on):
    reading = eve.__class__(
        type=eve.type,
        id=eve.id,
        label=eve.label,
        user_id=eve.user_id,
        account_id=eve.account_id,
        token_scope=TokenScope.GLOBAL_READ,
    )

    verdict = decide_deployment(reading, version=draft, now=NOW)

    assert [gate.number for gate in verdict.failed] == [4]
    assert "scope is global:read" in verdict.reasons[0]


def test_gate_5_somebody_limited_to_other_services_sees_no_configuration(
    lin, draft, on
):
    verdict = decide_deployment(lin, version=draft, now=NOW)

    assert [gate.number for gate in verdict.failed] == [5]
    assert not verdict.sees_configuration
    assert states(verdict)[5:] == [NOT_ASKED] * 3
    assert verdict.gates[7].reason == "Not shown: you have no access to this service."


def test_gate_5_read_only_access_does_not_deploy(acme, draft, echo, on):
    user = member(acme, "Rae", Role.ENGINEER, limit_services=True)
    give_access(user, echo, AccessLevel.READ_ONLY)

    verdict = decide_deployment(actor_for(user, acme), version=draft, now=NOW)

    assert [gate.number for gate in verdict.failed] == [5]
    assert "Your access to this service is read only" in verdict.reasons[0]


def test_gate_6_return_upgrade_without_the_switch(sam, eve, acme, draft, websockets):
    entitle(sam, acme, websockets)
    SnippetFactory.create(version=draft)

    verdict = decide_deployment(eve, version=draft, now=NOW)

    assert [gate.number for gate in verdict.failed] == [6]
    assert verdict.failed[0].who == (eve.label, sam.label)


def test_gate_7_tells_all_that_is_missing(eve, globex, draft, on):
    other = Service.objects.create(
        account=globex, name="other", created_at=NOW, updated_at=NOW
    )
    LiveDomain.objects.create(name="echo.example.com", service=other)
    draft.backends.all().delete()

    verdict = decide_deployment(eve, version=draft, now=NOW)

    assert [gate.number for gate in verdict.failed] == [7]
    assert verdict.reasons[0] == (
        "Version has no associated backends. "
        "The domain echo.example.com is live in another service."
    )


def test_gate_8_tells_all_conflicts_at_once(eve, draft, on):
    draft.backends.update(shield="fra", ssl_check_cert=False)

    verdict = decide_deployment(eve, version=draft, now=NOW)

    assert [gate.number for gate in verdict.failed] == [8]
    assert [problem.rule for problem in verdict.failed[0].problems] == ["R6", "R8"]


def test_gate_8_a_self_signed_certificate_blocks_and_an_unreachable_origin_warns(
    eve, echo, draft, on
):
    draft.backends.update(use_ssl=True, port=443)
    signed_by_itself = [OriginCertificate("origin", "self_signed")]
    silent = [OriginCertificate("origin", "unreachable")]

    blocked = decide_deployment(
        eve, version=draft, certificates=signed_by_itself, now=NOW
    )
    warned = decide_deployment(eve, version=draft, certificates=silent, now=NOW)

    assert [problem.rule for problem in blocked.failed[0].problems] == ["R9"]
    assert warned.allowed
    assert [problem.rule for problem in warned.warnings] == ["R9"]


def test_a_stranger_is_denied_and_shown_nothing(stan, draft, on):
    verdict = decide_deployment(stan, version=draft, now=NOW)

    assert not verdict.allowed
    assert not verdict.sees_configuration
    assert states(verdict)[5:] == [NOT_ASKED] * 3


def test_several_failures_are_all_told(una, draft, on):
    Enablement.objects.update(ends_at=NOW)
    draft.domains.all().delete()

    verdict = decide_deployment(una, version=draft, now=NOW)

    assert [gate.number for gate in verdict.failed] == [2, 3, 4, 7]


def test_the_number_of_queries_does_not_grow(
    eve, draft, on, acme, django_assert_max_num_queries
):
    for number in range(20):
        member(acme, f"More {number}", Role.ENGINEER)
        BackendFactory.create(version=draft, name=f"more-{number}")
    version = Version.objects.select_related("service__account").get(pk=draft.pk)

    with django_assert_max_num_queries(12):
        decide_deployment(eve, version=version, now=NOW)


def test_the_waf_on_the_same_service_fails_gate_8(eve, echo, draft, on, ngwaf):
    assert Plan.objects.filter(product=ngwaf).exists()
    echo.products.create(product=ngwaf, starts_at=NOW, started_by="test")

    verdict = decide_deployment(eve, version=draft, now=NOW)

    assert [problem.rule for problem in verdict.failed[0].problems] == ["R7"]
