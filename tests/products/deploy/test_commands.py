"""Activating and deactivating versions; a refusal is recorded alone."""

from datetime import timedelta
from unittest.mock import Mock

import pytest
from django.db import IntegrityError

from accounts.audit.models import RECORDED_REFUSALS, AuditEvent, RepeatedRefusal
from accounts.commands.notices import make_notices
from accounts.errors import Invalid, NotFound
from accounts.models import Notice
from products.compatibility.version_config import OriginCertificate
from products.deploy import commands, probes
from products.deploy.commands import (
    DeploymentBlocked,
    DeploymentForbidden,
    DeploymentRefused,
    DomainTaken,
    NotActive,
    activate,
    deactivate,
    stage,
)
from products.deploy.models import Deployment
from products.domains.models import ActiveDomain, DomainClaim
from products.enablement.commands import enable_for_service
from products.services.commands.locking import ServiceGone
from products.services.commands.services import delete_service
from products.services.commands.versions import clone_version
from products.services.models import Version
from tests.factories import NOW
from tests.factories.domains import claimed
from tests.factories.enablement import entitle
from tests.factories.services import (
    ServiceFactory,
    VersionFactory,
    live_version,
    parts,
    set_values,
)
from tests.factories.trail import last_entry, noted

LATER = NOW + timedelta(hours=1)


def test_activating_makes_a_version_active_and_locks_it(eve, echo, draft):
    made = activate(eve, version=draft, comment="first", now=NOW)

    draft.refresh_from_db()
    assert (draft.active, draft.locked) == (True, True)
    assert (made.version, made.replaced, made.deployed_by) == (1, None, eve.label)
    assert [row.name for row in ActiveDomain.objects.all()] == ["echo.example.com"]
    assert last_entry(echo.account_id) == {
        "action": "version.activated",
        "target": {"type": "version", "id": f"{echo.pk}/1", "label": "echo version 1"},
        "service_id": echo.pk,
        "before": {"active_version": 0},
        "after": {"active_version": 1, "warnings": []},
        "outcome": "done",
    }


def test_the_next_version_replaces_it_and_rolling_back_is_the_same(eve, draft):
    activate(eve, version=draft, now=NOW)
    second = clone_version(eve, version=draft, now=NOW)

    activate(eve, version=second, now=LATER)
    assert list(Version.objects.filter(active=True)) == [second]

    activate(eve, version=draft, comment="roll back", now=LATER)
    assert list(Version.objects.filter(active=True)) == [draft]
    assert Deployment.objects.filter(version=1).count() == 2


def test_deactivating_frees_the_domains(eve, echo, draft):
    activate(eve, version=draft, now=NOW)

    deactivate(eve, version=draft, now=LATER)

    draft.refresh_from_db()
    assert (draft.active, draft.locked) == (False, True)
    assert not ActiveDomain.objects.exists()
    assert noted(echo.account_id)[-1] == "version.deactivated"


def test_a_version_that_is_not_active_cannot_be_deactivated(eve, echo, draft):
    with pytest.raises(NotActive):
        deactivate(eve, version=draft, now=NOW)

    assert noted(echo.account_id) == []


@pytest.mark.parametrize("who", ["una", "bo", "lin"])
def test_a_member_without_the_permission_is_refused_and_recorded(
    request, who, echo, draft
):
    actor = request.getfixturevalue(who)

    with pytest.raises(DeploymentForbidden) as refused:
        activate(actor, version=draft, now=NOW)

    draft.refresh_from_db()
    assert not draft.active
    event = AuditEvent.objects.get(account_id=echo.account_id)
    assert (event.action, event.outcome) == ("deployment.refused", "refused")
    assert event.body["after"] == {"reasons": list(refused.value.decision.reasons)}
    assert event.actor_label == actor.label


def refuse(actor, version, at):
    with pytest.raises(DeploymentRefused):
        activate(actor, version=version, now=at)


def test_the_fourth_equal_refusal_within_an_hour_is_counted_and_not_recorded(
    una, echo, draft
):
    for seconds in range(6):
        refuse(una, draft, NOW + timedelta(seconds=seconds))
    refuse(una, draft, NOW + timedelta(hours=1, seconds=3))

    *_, third, later = recorded = AuditEvent.objects.order_by("sequence")
    assert len(recorded) == RECORDED_REFUSALS + 1
    assert third.body["after"] == later.body["after"]
    repeats = RepeatedRefusal.objects.get()
    assert (repeats.account_id, repeats.sequence) == (echo.account_id, third.sequence)
    assert (repeats.count, repeats.last_at) == (3, NOW + timedelta(seconds=5))


def test_the_third_refusal_of_a_ci_job_in_a_loop_makes_one_notice(una, eve, draft):
    for seconds in range(6):
        refuse(una, draft, NOW + timedelta(seconds=seconds))

    make_notices(now=NOW + timedelta(seconds=6))

    assert [each.user_id for each in Notice.objects.all()] == [eve.user_id]


def test_a_refusal_of_another_person_version_or_reason_is_recorded(
    una, bo, echo, draft
):
    other = VersionFactory(service=echo, number=99)

    refuse(una, draft, NOW)
    refuse(bo, draft, NOW)
    refuse(una, other, NOW)
    set_values(draft.parts.filter(kind="backend"), shield="fra")
    draft.parts.filter(kind="domain").delete()
    refuse(una, draft, NOW)

    assert AuditEvent.objects.count() == 4
    assert not RepeatedRefusal.objects.exists()


def test_a_non_member_is_not_recorded(stan, echo, draft):
    with pytest.raises(NotFound):
        activate(stan, version=draft, now=NOW)

    assert not AuditEvent.objects.exists()
    assert not Deployment.objects.exists()


def test_a_broken_rule_blocks_for_everybody(sam, eve, acme, echo, draft, websockets):
    entitle(sam, acme, websockets)
    enable_for_service(eve, service=echo, product=websockets, now=NOW)
    set_values(draft.parts.filter(kind="backend"), shield="fra")

    with pytest.raises(DeploymentBlocked) as refused:
        activate(sam, version=draft, now=NOW)

    assert [each.code for each in refused.value.decision.failed] == ["compatibility"]
    assert noted(acme.pk)[-1] == "deployment.refused"
    assert not Version.objects.filter(active=True).exists()


def test_the_origin_is_probed_before_a_version_with_websockets_is_activated(
    monkeypatch, sam, eve, acme, echo, draft, websockets
):
    entitle(sam, acme, websockets)
    enable_for_service(eve, service=echo, product=websockets, now=NOW)
    set_values(draft.parts.filter(kind="backend"), use_ssl=True, port=443)
    seen = (OriginCertificate("origin", "self_signed"),)
    monkeypatch.setattr(probes, "probe_certificates", lambda config, account_id: seen)

    with pytest.raises(DeploymentBlocked) as refused:
        activate(eve, version=draft, now=NOW)

    assert [p.rule for p in refused.value.decision.failed[0].findings] == ["R9"]


def test_the_origin_is_not_probed_for_a_deployment_that_is_refused_anyway(
    monkeypatch, sam, eve, acme, echo, draft, websockets
):
    entitle(sam, acme, websockets)
    enable_for_service(eve, service=echo, product=websockets, now=NOW)
    set_values(parts("backend", version=draft), use_ssl=True, port=443, shield="fra")
    probed = []
    monkeypatch.setattr(
        probes, "probe_origin", lambda *given, **more: probed.append(given)
    )

    with pytest.raises(DeploymentBlocked):
        activate(eve, version=draft, now=NOW)

    assert probed == []


def test_a_domain_of_another_active_service_is_refused(eve, stan, globex, draft):
    other = live_version(ServiceFactory.create(account=globex, name="other"))
    ActiveDomain.objects.create(name="echo.example.com", service=other.service)

    with pytest.raises(DeploymentBlocked) as refused:
        activate(eve, version=draft, now=NOW)

    assert [each.code for each in refused.value.decision.failed] == ["version_complete"]


def test_a_domain_taken_after_the_decision_is_a_conflict_and_changes_nothing(
    monkeypatch, eve, globex, draft
):
    other = ServiceFactory.create(account=globex, name="other")
    decided = commands.decide_deployment

    def take_domain_after_deciding(actor, **asked):
        decision = decided(actor, **asked)
        ActiveDomain.objects.create(name="echo.example.com", service=other)
        return decision

    monkeypatch.setattr(commands, "decide_deployment", take_domain_after_deciding)

    with pytest.raises(DomainTaken):
        activate(eve, version=draft, now=NOW)

    draft.refresh_from_db()
    assert not draft.active
    assert not Deployment.objects.exists()
    assert not AuditEvent.objects.exists()


def test_another_broken_constraint_is_not_reported_as_a_taken_domain(
    monkeypatch, eve, draft
):
    def break_a_constraint(actor, **asked):
        Version.objects.filter(pk=draft.pk).update(active=True, locked=False)

    monkeypatch.setattr(commands, "decide_deployment", break_a_constraint)

    with pytest.raises(IntegrityError):
        activate(eve, version=draft, now=NOW)


def test_activating_the_active_version_changes_and_notes_nothing(eve, echo, draft):
    activate(eve, version=draft, now=NOW)

    assert activate(eve, version=draft, now=LATER) is None

    assert Deployment.objects.count() == 1
    assert noted(echo.account_id) == ["domain_claim.verified", "version.activated"]


@pytest.mark.parametrize("command", [activate, stage])
def test_a_version_of_a_service_deleted_meanwhile_is_refused(eve, echo, draft, command):
    delete_service(eve, service=echo, now=NOW)

    with pytest.raises(ServiceGone):
        command(eve, version=draft, now=LATER)

    draft.refresh_from_db()
    assert (draft.active, draft.staged) == (False, False)
    assert ActiveDomain.objects.count() == 0
    assert noted(echo.account_id)[-1] == "service.deleted"


def test_the_decision_is_made_once(monkeypatch, eve, draft):
    decide = Mock(wraps=commands.decide_deployment)
    monkeypatch.setattr(commands, "decide_deployment", decide)

    activate(eve, version=draft, now=NOW)

    decide.assert_called_once_with(eve, version=draft, certificates=())


def test_warnings_are_kept_with_the_deployment(sam, eve, acme, echo, draft, websockets):
    entitle(sam, acme, websockets)
    enable_for_service(eve, service=echo, product=websockets, now=NOW)
    set_values(draft.parts.filter(kind="backend"), first_byte_timeout=30_000)

    made = activate(eve, version=draft, now=NOW)

    assert len(made.findings) == 1
    assert "first byte timeout" in made.findings[0].lower().replace("_", " ")


@pytest.mark.parametrize("comment", ["a\0b", "\x1b[2J", "x" * 501])
def test_a_comment_that_cannot_be_kept_changes_nothing(eve, echo, draft, comment):
    with pytest.raises(Invalid):
        activate(eve, version=draft, comment=comment, now=NOW)
    activate(eve, version=draft, now=NOW)
    with pytest.raises(Invalid):
        deactivate(eve, version=draft, comment=comment, now=NOW)

    assert noted(echo.account_id).count("version.activated") == 1
    assert Deployment.objects.count() == 1


def test_without_verification_activation_claims_the_registrable_name(eve, echo, draft):
    activate(eve, version=draft, now=NOW)

    claim = DomainClaim.objects.get()
    assert (claim.account_id, claim.name) == (echo.account_id, "example.com")
    assert (claim.state, claim.method) == ("verified", "off")


def test_a_claim_outlives_the_deactivation(eve, echo, draft):
    activate(eve, version=draft, now=NOW)
    deactivate(eve, version=draft, now=LATER)

    assert DomainClaim.objects.get().is_verified


def test_a_refused_activation_claims_nothing(eve, echo, draft, globex):
    claimed(globex, "www.example.com")

    with pytest.raises(DeploymentBlocked):
        activate(eve, version=draft, now=NOW)

    assert not DomainClaim.objects.filter(account=echo.account_id).exists()
