"""The decision: eight checks, each with its reason, its remedy and who can help."""

import dataclasses

import pytest

from accounts.actor import TokenScope
from accounts.models import Account
from accounts.roles import AccessLevel, Role
from products.compatibility.version_config import OriginCertificate
from products.deploy.checks import CHECKS, CheckOutcome, FixPage
from products.deploy.decision import (
    CheckResult,
    DeployDecision,
    decide_deployment,
    decision_without_person,
)
from products.domains.models import ActiveDomain
from products.enablement.commands import enable_for_service
from products.enablement.models import Enablement
from products.services.models import Service, Version
from tests.factories import NOW
from tests.factories.accounts import actor_for, give_access, member
from tests.factories.domains import claimed, pending
from tests.factories.enablement import block_by_budget, entitle
from tests.factories.services import (
    BackendFactory,
    SnippetFactory,
    parts,
    set_values,
)

CODES = [
    "account_active",
    "product_enabled",
    "not_blocked",
    "role",
    "service_access",
    "service_switch",
    "version_complete",
    "compatibility",
]
CONFIGURATION = ["service_switch", "version_complete", "compatibility"]


@pytest.fixture
def on(sam, eve, acme, echo, draft, websockets):
    """Give Acme WebSockets and switch it on for echo."""
    entitle(sam, acme, websockets)
    enable_for_service(eve, service=echo, product=websockets, now=NOW)


def codes(decision: DeployDecision, outcome: CheckOutcome) -> list[str]:
    return [each.code for each in decision.checks if each.outcome is outcome]


def failed(decision: DeployDecision) -> list[str]:
    return codes(decision, CheckOutcome.FAILED)


def not_applicable(decision: DeployDecision) -> list[str]:
    return codes(decision, CheckOutcome.NOT_APPLICABLE)


def check(decision: DeployDecision, code: str) -> CheckResult:
    return next(each for each in decision.checks if each.code == code)


def test_an_entitled_engineer_passes_all_eight(eve, draft, on):
    decision = decide_deployment(eve, version=draft)

    assert decision.allowed
    assert codes(decision, CheckOutcome.PASSED) == CODES


def test_checks_about_websockets_do_not_apply_to_a_plain_version(
    eve, draft, websockets
):
    decision = decide_deployment(eve, version=draft)

    assert decision.allowed
    assert not_applicable(decision) == [
        "product_enabled",
        "not_blocked",
        "service_switch",
        "compatibility",
    ]


def pages(result):
    return [fix.page for fix in result.fixes]


def test_a_suspended_account_deploys_nothing(eve, acme, draft, on):
    Account.objects.filter(pk=acme.pk).update(
        suspended_at=NOW, suspension_reason="unpaid"
    )

    decision = decide_deployment(eve, version=Version.objects.get(pk=draft.pk))

    assert failed(decision) == ["account_active"]
    assert decision.reasons == ("Acme is suspended: unpaid.",)
    assert not decision.is_personal


def test_only_the_product_check_fails_if_the_product_is_off(eve, sam, acme, draft, on):
    Enablement.objects.update(ends_at=NOW)

    decision = decide_deployment(eve, version=draft)

    assert failed(decision) == ["product_enabled"]
    assert not_applicable(decision) == ["not_blocked"]
    result = check(decision, "product_enabled")
    assert (result.who, pages(result)) == ((sam.label,), [FixPage.PRODUCTS])
    assert result.remedy == "A superuser can enable it on the Products page."


@pytest.mark.parametrize("reason", ["The trial ended.", ""])
def test_a_blocked_product_fails_with_its_reason(eve, draft, on, reason):
    Enablement.objects.update(blocked_at=NOW, blocked_reason=reason)

    decision = decide_deployment(eve, version=draft)

    assert failed(decision) == ["not_blocked"]
    assert decision.reasons == (reason or "The trial ended.",)


def test_of_a_used_up_budget_the_remedy_names_who_manages_it(
    eve, sam, bo, acme, draft, on
):
    block_by_budget(acme)

    result = check(decide_deployment(eve, version=draft), "not_blocked")

    assert result.who == (bo.label, sam.label)
    assert pages(result) == [FixPage.BUDGET]
    assert result.remedy == (
        "Superusers and billing users can raise the budget, or accept new connections again, on "
        "the Billing page."
    )


@pytest.mark.parametrize("who", ["una", "bo"])
def test_a_role_that_may_not_deploy_fails(request, who, sam, draft, on):
    actor = request.getfixturevalue(who)

    decision = decide_deployment(actor, version=draft)

    assert failed(decision) == ["role"]
    assert (decision.is_personal, decision.is_non_member) == (True, False)
    assert check(decision, "role").who == (sam.label,)


def test_a_token_that_only_reads_fails_the_role_check(eve, draft, on):
    reading = dataclasses.replace(eve, token_scope=TokenScope.GLOBAL_READ)

    decision = decide_deployment(reading, version=draft)

    assert failed(decision) == ["role"]
    assert "scope is global:read" in decision.reasons[0]
    assert check(decision, "role").who == ()


def test_a_token_for_other_services_fails_the_access_check(eve, shop, draft, on):
    limited = dataclasses.replace(
        eve, token_scope=TokenScope.GLOBAL, token_services=frozenset({shop.pk})
    )

    decision = decide_deployment(limited, version=draft)

    assert failed(decision) == ["service_access"]
    assert check(decision, "service_access").who == ()


def test_an_engineer_limited_to_other_services_sees_no_configuration(lin, draft, on):
    set_values(draft.parts.filter(kind="backend"), shield="fra", weight=5)

    decision = decide_deployment(lin, version=draft)

    assert failed(decision) == ["service_access"]
    assert not decision.sees_configuration
    assert not_applicable(decision) == CONFIGURATION
    assert decision.findings == ()


def test_read_only_access_does_not_deploy(acme, draft, echo, on):
    user = member(acme, "Rae", Role.ENGINEER, limit_services=True)
    give_access(user, echo, AccessLevel.READ_ONLY)

    decision = decide_deployment(actor_for(user, acme), version=draft)

    assert failed(decision) == ["service_access"]
    assert decision.sees_configuration


def test_return_upgrade_without_the_switch_fails(sam, eve, acme, draft, websockets):
    entitle(sam, acme, websockets)
    SnippetFactory.create(version=draft)

    decision = decide_deployment(eve, version=draft)

    assert failed(decision) == ["service_switch"]
    result = check(decision, "service_switch")
    assert (result.who, pages(result)) == (
        (eve.label, sam.label),
        [FixPage.SERVICE],
    )


def test_each_thing_a_version_lacks_has_its_own_remedy(eve, globex, draft, on):
    other = Service.objects.create(
        account=globex, name="other", created_at=NOW, updated_at=NOW
    )
    ActiveDomain.objects.create(name="echo.example.com", service=other)
    draft.parts.filter(kind="backend").delete()

    decision = decide_deployment(eve, version=draft)

    assert failed(decision) == ["version_complete"]
    result = check(decision, "version_complete")
    assert result.reason == (
        "Version has no associated backends. "
        "The domain echo.example.com is active in another service."
    )
    assert result.remedy == (
        "Add a backend. "
        "Remove echo.example.com from this version, or remove it from the other service first."
    )
    assert pages(result) == [FixPage.ADD_PART, FixPage.DOMAIN]


def test_a_version_that_lacks_a_part_that_another_names_is_not_complete(eve, draft):
    set_values(draft.parts.filter(kind="backend"), healthcheck="beat")

    decision = decide_deployment(eve, version=draft)

    assert failed(decision) == ["version_complete"]
    result = check(decision, "version_complete")
    assert result.reason == (
        "Health check of backend origin names “beat”, but this version has no health check of "
        "that name."
    )
    assert result.remedy == (
        "Add the health check, or change Health check of backend origin."
    )
    assert pages(result) == [FixPage.REFERENCE]


def test_for_an_active_version_there_is_nothing_to_deploy(eve, draft, on):
    Version.objects.update(active=True, locked=True)
    ActiveDomain.objects.create(name="echo.example.com", service=draft.service)

    decision = decide_deployment(eve, version=Version.objects.get(pk=draft.pk))

    assert (decision.allowed, decision.is_active) == (True, True)
    assert not_applicable(decision) == ["version_complete"]


def test_all_conflicts_are_reported_together(eve, echo, draft, on, ngwaf):
    set_values(draft.parts.filter(kind="backend"), shield="fra", ssl_check_cert=False)
    echo.products.create(product=ngwaf, starts_at=NOW, started_by="test")

    decision = decide_deployment(eve, version=draft)

    assert failed(decision) == ["compatibility"]
    rules = [finding.rule for finding in check(decision, "compatibility").findings]
    assert rules == ["R6", "R7", "R8"]


def test_a_self_signed_certificate_blocks_and_an_unreachable_origin_warns(
    eve, echo, draft, on
):
    set_values(draft.parts.filter(kind="backend"), use_ssl=True, port=443)
    self_signed = [OriginCertificate("origin", "self_signed")]
    unreachable = [OriginCertificate("origin", "unreachable")]

    blocked = decide_deployment(eve, version=draft, certificates=self_signed)
    warned = decide_deployment(eve, version=draft, certificates=unreachable)

    assert [finding.rule for finding in blocked.failed[0].findings] == ["R9"]
    assert warned.allowed
    assert [finding.rule for finding in warned.warnings] == ["R9"]


def test_a_non_member_is_denied_and_shown_nothing(stan, draft, on):
    decision = decide_deployment(stan, version=draft)

    assert failed(decision) == ["role"]
    assert (decision.is_personal, decision.is_non_member) == (True, True)
    assert not_applicable(decision) == ["service_access", *CONFIGURATION]


def test_staff_of_the_platform_have_no_role_in_the_account(ada, draft, on):
    decision = decide_deployment(ada, version=draft)

    assert not decision.allowed
    assert decision.is_non_member


def test_failures_of_several_checks_are_reported_together(una, draft, on):
    Enablement.objects.update(ends_at=NOW)
    draft.parts.filter(kind="domain").delete()

    decision = decide_deployment(una, version=draft)

    assert failed(decision) == ["product_enabled", "role", "version_complete"]


def test_without_a_person_only_the_personal_checks_are_left_out(draft, on):
    decision = decision_without_person(Version.objects.get(pk=draft.pk))

    assert decision.allowed
    assert [each.code for each in decision.checks] == [
        each.code for each in CHECKS if not each.is_personal
    ]


@pytest.mark.parametrize(("who", "queries"), [("eve", 4), ("lin", 6)])
def test_the_number_of_queries_is_fixed(
    request, who, queries, draft, on, acme, django_assert_num_queries
):
    """Four, and two for the names of those who can help."""
    actor = request.getfixturevalue(who)
    for number in range(20):
        member(acme, f"More {number}", Role.ENGINEER)
        BackendFactory.create(version=draft, name=f"more-{number}")
    version = Version.objects.select_related("service__account").get(pk=draft.pk)

    with django_assert_num_queries(queries):
        decide_deployment(actor, version=version)


@pytest.fixture
def by_dns(settings):
    settings.DOMAIN_VERIFICATION = "dns"


def test_a_domain_without_a_verified_claim_fails(by_dns, eve, acme, draft):
    pending(acme, "example.com")

    decision = decide_deployment(eve, version=draft)

    result = check(decision, "version_complete")
    assert failed(decision) == ["version_complete"]
    assert "echo.example.com is not verified" in result.reason
    assert "Claim example.com" in result.remedy
    assert pages(result) == [FixPage.DOMAINS]


@pytest.mark.parametrize(
    "name, method, passes",
    [
        ("example.com", "dns", True),
        ("echo.example.com", "dns", True),
        ("echo.example.com", "http", True),
        ("example.com", "http", False),  # an HTTP token proves one host
        ("other.example.com", "dns", False),
    ],
)
def test_a_verified_claim_at_or_above_the_domain_passes(
    by_dns, eve, acme, draft, name, method, passes
):
    claimed(acme, name, method=method)

    assert decide_deployment(eve, version=draft).allowed is passes


@pytest.mark.parametrize("mode", ["dns", "off"])
@pytest.mark.parametrize(
    "held, domain",
    [
        ("example.com", "echo.example.com"),  # above
        ("echo.example.com", "echo.example.com"),  # equal
        ("a.echo.example.com", "echo.example.com"),  # below
        ("a.echo.example.com", "*.example.com"),  # below a wildcard
    ],
)
def test_a_domain_that_overlaps_another_accounts_claim_fails(
    settings, mode, held, domain, eve, globex, draft
):
    settings.DOMAIN_VERIFICATION = mode
    claimed(globex, held)
    parts("domain", version=draft).update(name=domain)

    decision = decide_deployment(eve, version=draft)

    assert failed(decision) == ["version_complete"]
    reason = check(decision, "version_complete").reason
    assert f"The domain {domain} belongs to another account." in reason


def test_the_platforms_own_names_fail_in_both_modes(settings, eve, draft):
    settings.PLATFORM_NAMES = ["portal.example.com"]
    parts("domain", version=draft).update(name="*.example.com")

    for mode in ("dns", "off"):
        settings.DOMAIN_VERIFICATION = mode
        assert failed(decide_deployment(eve, version=draft)) == ["version_complete"]
