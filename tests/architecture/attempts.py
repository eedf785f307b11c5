"""Attempts every command once, and says who may; everyone else must be refused."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.commands import (
    accounts,
    invitations,
    members,
    notices,
    offboarding,
    operations,
    profiles,
    proposals,
    security_policy,
    sign_in,
    tokens,
)
from accounts.commands.token_expiry import check_account_tokens
from accounts.models import Membership, Proposal, User
from accounts.roles import AccessLevel
from accounts.security_policy import SecurityPolicy
from accounts.tokens import digest
from portal.starter_catalogue import CONNECTION_TIME
from products.billing.commands import budgets, closing, contracts, corrections
from products.billing.commands import credits as credits_
from products.billing.models import Adjustment, Invoice
from products.catalogue import commands as catalogue
from products.catalogue.models import Plan, Product
from products.catalogue.money import Money
from products.deploy import commands as deploy
from products.domains import commands as domains
from products.domains.models import DomainClaim
from products.enablement import commands as enablement
from products.enablement.commands.proposals import propose_package, propose_price
from products.enablement.commands.trials import check_account_trials
from products.enablement.models import ProductRequest
from products.metering import commands as metering
from products.metering.models import Edge, EdgeOutage, UsageDispute
from products.metering.queries.voids import EdgeTime
from products.months import Month
from products.services.commands import (
    directors,
    dynamic_snippets,
    items,
    parts,
    services,
    versions,
)
from products.services.models import Part
from products.services.queries import get_part
from products.webhooks import commands as webhooks
from tests.factories import NOW
from tests.factories.accounts import NO_EMAILS, UserFactory, staff_actor
from tests.factories.domains import pending
from tests.factories.invoices import invoice
from tests.factories.usage import connection_usage
from tests.factories.world import World, agreed, agreed_to_trial

PERSONS = frozenset(
    {
        "user",
        "billing",
        "engineer",
        "outside",
        "inside",
        "superuser",
        "non_member",
        "staff",
    }
)
MEMBERS = PERSONS - {"non_member", "staff"}
SUPERUSER = frozenset({"superuser"})
STAFF = frozenset({"staff"})
CONFIGURES = frozenset({"engineer", "inside", "superuser"})
CREATES = CONFIGURES | {"outside"}
LATER = NOW + timedelta(days=30)

Call = Callable[[World, Actor], Any]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call of a command: who is allowed it, the call, and what happens before it."""

    allowed: frozenset[str]
    call: Call
    given: Call = lambda world, sam: None


def membership_of(world: World, name: str) -> Membership:
    return Membership.objects.get(
        account=world.acme, user_id=world.people[name].user_id
    )


def package(slug: str) -> Plan:
    return Plan.objects.get(product_id=slug, kind=Plan.Kind.PACKAGE)


def switch_on(w: World, a: Actor) -> Any:
    return enablement.enable_for_service(
        a, service=w.shop, product=w.websockets, now=NOW
    )


def switch_off(w: World, a: Actor) -> Any:
    return enablement.disable_for_service(
        a, service=w.shop, product=w.websockets, now=NOW
    )


def buy(w: World, a: Actor) -> Any:
    return enablement.enable(
        a,
        account=w.acme,
        product=w.websockets,
        agreement=agreed(w.acme, w.websockets),
        now=NOW,
    )


def cancel(w: World, a: Actor) -> Any:
    return enablement.disable(
        a, account=w.acme, product=w.websockets, drain_mode="drain", now=NOW
    )


def offer_trial(w: World, a: Actor) -> Any:
    """Disable WebSockets for Acme, and offer a trial of it."""
    cancel(w, w.people["superuser"])
    return catalogue.add_plan(
        w.people["staff"], product=w.websockets, kind="trial", name="WebSockets trial",
        trial_days=14, trial_minutes=1_000_000, now=NOW,
    )  # fmt: skip


def run_trial(w: World, a: Actor) -> Any:
    """Offer a trial, and start it."""
    offer_trial(w, a)
    return try_out(w, w.people["superuser"])


def try_out(w: World, a: Actor) -> Any:
    return enablement.start_trial(
        a,
        account=w.acme,
        product=w.websockets,
        agreement=agreed_to_trial(w.acme, w.websockets),
        now=NOW,
    )


def propose_suspension(w: World, a: Actor) -> Any:
    return accounts.propose_suspension(a, account=w.acme, reason="Unpaid", now=NOW)


def suspend(w: World, a: Actor) -> Any:
    return accounts.suspend_account(
        w.people["staff"], account=w.acme, reason="Unpaid", now=NOW
    )


def assign(w: World, a: Actor) -> Any:
    return enablement.assign_package(
        w.people["staff"], account=w.acme, plan=package("ngwaf"), now=NOW
    )


def open_session(w: World, a: Actor) -> None:
    UserSession.objects.all().delete()
    UserSession.objects.create(user=w.person("user"), ip="192.0.2.1", session_key="x")


def add_authenticator(w: World, a: Actor) -> None:
    user = w.person("user")
    with sign_in.recorded_login_change(a, user=user, now=NOW):
        Authenticator.objects.create(user=user, type="totp", data={"secret": "x"})


def dispute_of(w: World) -> UsageDispute:
    """Return a dispute about the service `shop`, not saved yet."""
    values = {
        "month": "2026-11",
        "started_us": 0,
        "bytes_from_client": 0,
        "bytes_to_client": 0,
    }
    connection = {
        "connection_id": "c",
        "service": w.shop.pk,
        "duration_us": 60,
        "final": True,
    }
    return UsageDispute(
        kind="connection", record_id="c", month="2026-11", service=w.shop.pk, account_id=w.acme.pk,
        edge="edge-t", reason="late", reported=values | connection, found_at=NOW, last_found_at=NOW,
    )  # fmt: skip


NOVEMBER = Month.at(NOW, "UTC")


def invoiced(w: World, a: Actor) -> Any:
    """Make the invoice of November final; a connection of eight days is reported afterwards."""
    final = closing.finalize_invoice(
        w.people["staff"], account=w.acme, month=NOVEMBER, now=LATER
    )
    connection_usage(w.shop, NOW, 20_000, month=str(NOVEMBER))
    return final


def late_in_euros(w: World, a: Actor) -> Any:
    """Find late usage of a month that was invoiced in EUR."""
    return Adjustment.objects.create(
        corrects=invoice(w.acme, "2026-08", "INV-800001", currency="EUR"),
        product=w.websockets,
        meter="connection_time",
        quantity=1,
        amount_micros=10_000,
        found_at=NOW,
    )


def void(w: World, a: Actor) -> Any:
    final = Invoice.objects.get(account=w.acme, month=str(NOVEMBER))
    return closing.void_invoice(a, invoice=final, reason="Wrong", now=LATER)


def grant(w: World, a: Actor) -> Any:
    return credits_.grant_credit(
        a, account=w.acme, amount=Money(10**6, "USD"), reason="Sorry", now=NOW,
        expires_on=NOW.date(),
    )  # fmt: skip


def shorten_sessions(w: World, a: Actor) -> Any:
    """Limit the sessions of Acme's members."""
    return security_policy.set_security_policy(
        a, account=w.acme, policy=SecurityPolicy(session_idle_seconds=900), now=NOW
    )


def tenant(world: World, kind: str) -> Part:
    """Return the part of this name and kind in the draft."""
    return get_part(world.draft, kind, "tenant")


# One command per line where it fits: a table.
# fmt: off
ATTEMPTS: dict[str, Attempt] = {
    "accounts.commands.accounts.create_account": Attempt(STAFF, lambda w, a: accounts.create_account(
        a, name="Initech", superuser_email="pam@example.com", superuser_name="Pam", password=None, now=NOW)),
    "accounts.commands.accounts.suspend_account": Attempt(STAFF, lambda w, a: accounts.suspend_account(
        a, account=w.acme, reason="Unpaid", now=NOW)),
    "accounts.commands.accounts.resume_account": Attempt(STAFF, lambda w, a: accounts.resume_account(
        a, account=w.acme, reason="Paid", now=NOW), given=suspend),
    "accounts.commands.accounts.propose_suspension": Attempt(STAFF, propose_suspension),
    "accounts.commands.operations.note_operation": Attempt(frozenset(), lambda w, a: operations.note_operation(
        a, event=Event.KEY_ROTATED, target=("key", "SECRET_KEY", "SECRET_KEY"), after={}, now=NOW)),
    "accounts.commands.proposals.propose": Attempt(STAFF, propose_suspension),
    "accounts.commands.proposals.approve": Attempt(STAFF, lambda w, a: proposals.approve(
        a, proposal=Proposal.objects.get(), now=NOW), given=lambda w, a: propose_suspension(
            w, staff_actor(UserFactory.create(name="Stu", is_staff=True)))),
    "accounts.commands.proposals.decline": Attempt(STAFF, lambda w, a: proposals.decline(
        a, proposal=Proposal.objects.get(), reason="Paid", now=NOW), given=lambda w, a: propose_suspension(w, w.people["staff"])),
    "accounts.commands.accounts.record_staff_view": Attempt(STAFF, lambda w, a: accounts.record_staff_view(
        a, event=Event.ACCOUNT_READ, account_ids=[w.acme.pk], target=("account", w.acme.pk, "Acme"), now=NOW)),
    "accounts.commands.invitations.invite": Attempt(SUPERUSER, lambda w, a: invitations.invite(
        a, account=w.acme, email="x@example.com", role="superuser", now=NOW)),
    "accounts.commands.invitations.resend_invitation": Attempt(SUPERUSER | STAFF, lambda w, a: invitations.resend_invitation(
        a, invitation=w.invitation, now=NOW)),
    "accounts.commands.invitations.revoke_invitation": Attempt(SUPERUSER, lambda w, a: invitations.revoke_invitation(
        a, invitation=w.invitation, now=NOW)),
    "accounts.commands.members.change_role": Attempt(SUPERUSER, lambda w, a: members.change_role(
        a, membership=w.membership, role="superuser", now=NOW)),
    "accounts.commands.members.limit_services": Attempt(SUPERUSER, lambda w, a: members.limit_services(
        a, membership=w.membership, limited=True, services={w.shop.pk: AccessLevel.FULL}, now=NOW)),
    "accounts.commands.members.grant_services": Attempt(SUPERUSER, lambda w, a: members.grant_services(
        a, account=w.acme, levels={members.MemberService(w.membership, w.shop.pk): AccessLevel.FULL}, now=NOW)),
    "accounts.commands.members.revoke_services": Attempt(SUPERUSER, lambda w, a: members.revoke_services(
        a, account=w.acme, held=[members.MemberService(membership_of(w, "inside"), w.shop.pk)], now=NOW)),
    "accounts.commands.members.remove_member": Attempt(SUPERUSER, lambda w, a: members.remove_member(
        a, membership=w.membership, now=NOW)),
    "accounts.commands.offboarding.disable_member": Attempt(SUPERUSER, lambda w, a: offboarding.disable_member(
        a, membership=w.membership, reason="Left", now=NOW)),
    "accounts.commands.offboarding.enable_member": Attempt(
        SUPERUSER, lambda w, a: offboarding.enable_member(a, membership=w.membership, reason="Back", now=NOW),
        given=lambda w, a: Membership.objects.filter(pk=w.membership.pk).update(disabled_at=NOW)),
    "accounts.commands.offboarding.end_member_sessions": Attempt(
        SUPERUSER, lambda w, a: offboarding.end_member_sessions(a, membership=w.membership, reason="Left", now=NOW),
        given=open_session),
    "accounts.commands.offboarding.revoke_member_tokens": Attempt(
        SUPERUSER, lambda w, a: offboarding.revoke_member_tokens(a, membership=w.membership, reason="Left", now=NOW)),
    "accounts.commands.offboarding.disable_user": Attempt(STAFF, lambda w, a: offboarding.disable_user(
        a, user=w.person("user"), reason="Left", now=NOW)),
    "accounts.commands.offboarding.enable_user": Attempt(
        STAFF, lambda w, a: offboarding.enable_user(a, user=w.person("user"), reason="Back", now=NOW),
        given=lambda w, a: User.objects.filter(pk=w.membership.user_id).update(is_active=False)),
    "accounts.commands.offboarding.end_user_sessions": Attempt(
        STAFF, lambda w, a: offboarding.end_user_sessions(a, user=w.person("user"), reason="Left", now=NOW),
        given=open_session),
    "accounts.commands.offboarding.revoke_user_tokens": Attempt(STAFF, lambda w, a: offboarding.revoke_user_tokens(
        a, user=w.person("user"), reason="Left", now=NOW)),
    "accounts.commands.offboarding.appoint_staff": Attempt(STAFF, lambda w, a: offboarding.appoint_staff(
        a, email="root@example.com", name="Root", password="a quiet long password", now=NOW)),
    "accounts.commands.offboarding.remove_staff": Attempt(
        STAFF, lambda w, a: offboarding.remove_staff(a, user=w.person("user"), reason="Left", now=NOW),
        given=lambda w, a: User.objects.filter(pk=w.membership.user_id).update(is_staff=True)),
    "accounts.commands.notices.choose_topics": Attempt(frozenset({"user"}), lambda w, a: notices.choose_topics(
        a, user=w.person("user"), choices=NO_EMAILS, now=NOW)),
    "accounts.commands.notices.set_notice_defaults": Attempt(SUPERUSER, lambda w, a: notices.set_notice_defaults(
        a, account=w.acme, by_email=[], now=NOW)),
    "accounts.commands.sign_in.note_login": Attempt(frozenset({"user"}), lambda w, a: sign_in.note_login(
        a, user=w.person("user"), event=Event.USER_LOGGED_IN, now=NOW)),
    "accounts.commands.sign_in.note_failed_login": Attempt(frozenset({"user"}), lambda w, a: sign_in.note_failed_login(
        a, user=w.person("user"), event=Event.USER_LOGIN_FAILED, reason="Wrong.", now=NOW)),
    "accounts.commands.sign_in.recorded_login_change": Attempt(frozenset({"user"}), add_authenticator),
    "accounts.commands.sign_in.set_password": Attempt(frozenset({"user"}), lambda w, a: sign_in.set_password(
        a, user=w.person("user"), password="a quiet long password", event=Event.PASSWORD_CHANGED,
        keep_tokens=True, now=NOW)),
    "accounts.commands.sign_in.end_sessions": Attempt(
        frozenset({"user"}), lambda w, a: sign_in.end_sessions(
            a, user=w.person("user"), sessions=UserSession.objects.all(), now=NOW),
        given=open_session),
    # Each member creates tokens for themselves in their own account; so does Stan, in his.
    "accounts.commands.tokens.issue_token": Attempt(MEMBERS | {"non_member"}, lambda w, a: tokens.issue_token(
        a, name="CI", scope="global", services=[], expires_at=LATER, now=NOW)),
    "accounts.commands.tokens.issue_automation_token": Attempt(SUPERUSER | {"non_member"}, lambda w, a: tokens.issue_automation_token(
        a, name="CI", role="engineer", scope="global", services=[], expires_at=LATER, now=NOW)),
    "accounts.commands.token_expiry.check_account_tokens": Attempt(frozenset(), lambda w, a: check_account_tokens(
        a, account=w.acme, now=NOW)),
    "accounts.commands.tokens.revoke_token": Attempt(SUPERUSER | {"user"}, lambda w, a: tokens.revoke_token(
        a, token=w.token, now=NOW)),
    "accounts.commands.tokens.revoke_tokens": Attempt(SUPERUSER | {"user"}, lambda w, a: tokens.revoke_tokens(
        a, tokens=[w.token], now=NOW)),
    "accounts.commands.security_policy.set_security_policy": Attempt(SUPERUSER, shorten_sessions),
    "accounts.commands.security_policy.lift_security_policy": Attempt(STAFF, lambda w, a: security_policy.lift_security_policy(
        a, account=w.acme, reason="Locked out", now=NOW), given=lambda w, a: shorten_sessions(w, w.people["superuser"])),
    "accounts.commands.profiles.rename_user": Attempt(SUPERUSER | {"user"}, lambda w, a: profiles.rename_user(
        a, membership=w.membership, name="Una Two", now=NOW)),
    "accounts.commands.profiles.rename_account": Attempt(SUPERUSER, lambda w, a: profiles.rename_account(
        a, account=w.acme, name="Acme Ltd", now=NOW)),
    "accounts.commands.profiles.choose_date_format": Attempt(frozenset({"user"}), lambda w, a: profiles.choose_date_format(
        a, user=w.person("user"), date_format="iso", now=NOW)),
    "accounts.commands.profiles.choose_time_zone": Attempt(frozenset({"user"}), lambda w, a: profiles.choose_time_zone(
        a, user=w.person("user"), time_zone="Europe/Berlin", now=NOW)),
    "accounts.commands.profiles.choose_account_time_zone": Attempt(SUPERUSER, lambda w, a: profiles.choose_account_time_zone(
        a, account=w.acme, time_zone="Europe/Berlin", now=NOW)),
    "accounts.commands.profiles.request_password_reset": Attempt(SUPERUSER | {"user"}, lambda w, a: profiles.request_password_reset(
        a, membership=w.membership, now=NOW)),
    "products.catalogue.commands.add_product": Attempt(STAFF, lambda w, a: catalogue.add_product(
        a, slug="tea", fields={"name": "Tea", "purchase_mode": "sales"}, now=NOW)),
    "products.catalogue.commands.update_product": Attempt(STAFF, lambda w, a: catalogue.update_product(
        a, slug="websockets", fields={"purchase_mode": "sales"}, now=NOW)),
    "products.catalogue.commands.add_plan": Attempt(STAFF, lambda w, a: catalogue.add_plan(
        a, product=w.websockets, kind="package", name="Free", now=NOW)),
    "products.domains.commands.claim_domain": Attempt(CREATES, lambda w, a: domains.claim_domain(
        a, account=w.acme, name="acme.net", now=NOW)),
    "products.domains.commands.verify_claim": Attempt(
        CREATES, lambda w, a: domains.verify_claim(a, claim=DomainClaim.objects.get(name="acme.net"), now=NOW),
        given=lambda w, a: pending(w.acme, "acme.net")),
    "products.domains.commands.release_claim": Attempt(CREATES, lambda w, a: domains.release_claim(
        a, claim=w.claim, now=NOW)),
    "products.domains.commands.revoke_claim": Attempt(STAFF, lambda w, a: domains.revoke_claim(
        a, claim=w.claim, reason="Sold", now=NOW)),
    "products.domains.commands.move_claim": Attempt(STAFF, lambda w, a: domains.move_claim(
        a, claim=w.claim, to=w.globex, reason="Sold", now=NOW)),
    "products.enablement.commands.prices.change_price": Attempt(STAFF, lambda w, a: enablement.change_price(
        a, plan=Plan.objects.get(product=w.websockets, kind="direct"), price=CONNECTION_TIME, effective_from=LATER, now=NOW)),
    "products.enablement.commands.proposals.propose_package": Attempt(STAFF, lambda w, a: propose_package(
        a, account=w.acme, plan=package("ngwaf"), now=NOW)),
    "products.enablement.commands.proposals.propose_price": Attempt(STAFF, lambda w, a: propose_price(
        a, plan=Plan.objects.get(product=w.websockets, kind="direct"), price=CONNECTION_TIME, effective_from=LATER,
        lines=["Free"], now=NOW)),
    "products.enablement.commands.account.enable": Attempt(SUPERUSER, buy, given=cancel),
    "products.enablement.commands.account.disable": Attempt(SUPERUSER, cancel),
    "products.enablement.commands.trials.start_trial": Attempt(SUPERUSER, try_out, given=offer_trial),
    "products.enablement.commands.trials.end_trial": Attempt(STAFF, lambda w, a: enablement.end_trial(
        a, account=w.acme, product=w.websockets, reason="Test over", now=NOW), given=run_trial),
    "products.enablement.commands.trials.check_account_trials": Attempt(frozenset(), lambda w, a: check_account_trials(
        a, account=w.acme, now=LATER)),
    "products.enablement.commands.packages.assign_package": Attempt(STAFF, lambda w, a: enablement.assign_package(
        a, account=w.acme, plan=package("ngwaf"), now=NOW)),
    "products.enablement.commands.packages.remove_package": Attempt(STAFF, lambda w, a: enablement.remove_package(
        a, account=w.acme, product=w.ngwaf, reason="Ended", now=NOW), given=assign),
    "products.enablement.commands.requests.request_product": Attempt(MEMBERS, lambda w, a: enablement.request_product(
        a, account=w.acme, product=w.ngwaf, now=NOW)),
    "products.enablement.commands.requests.answer_request": Attempt(STAFF, lambda w, a: enablement.answer_request(
        a, request=ProductRequest.objects.get(), answer="We call you", now=NOW)),
    "products.enablement.commands.requests.decline_request": Attempt(SUPERUSER | STAFF, lambda w, a: enablement.decline_request(
        a, request=ProductRequest.objects.get(), reason="Not now", now=NOW)),
    "products.enablement.commands.requests.withdraw_request": Attempt(frozenset({"user"}), lambda w, a: enablement.withdraw_request(
        a, request=ProductRequest.objects.get(), now=NOW)),
    "products.enablement.commands.service.enable_for_service": Attempt(CONFIGURES, switch_on),
    "products.enablement.commands.service.configure_for_service": Attempt(
        CONFIGURES, lambda w, a: enablement.configure_for_service(
            a, service=w.shop, product=Product.objects.get(pk="bot_management"), configuration={"contentguard": "on"}, now=NOW),
        given=lambda w, a: w.shop.products.create(product_id="bot_management", starts_at=NOW, started_by="test")),
    "products.enablement.commands.service.disable_for_service": Attempt(CONFIGURES, switch_off, given=switch_on),
    "products.metering.commands.disputes.record_disputes": Attempt(frozenset(), lambda w, a: metering.record_disputes(
        a, on=w.acme, edge=Edge.objects.get(), disputes=[dispute_of(w)], now=NOW)),
    "products.metering.commands.disputes.resolve_dispute": Attempt(
        STAFF, lambda w, a: metering.resolve_dispute(
            a, dispute=UsageDispute.objects.get(), keep="reported", reason="Asked", now=NOW),
        given=lambda w, a: dispute_of(w).save()),
    "products.metering.commands.edges.issue_credential": Attempt(STAFF, lambda w, a: metering.issue_credential(
        a, name="edge-t", now=NOW)),
    "products.metering.commands.outages.begin_outage": Attempt(STAFF, lambda w, a: metering.begin_outage(
        a, edge=Edge(name="edge-t", last_seen_at=NOW), now=NOW)),
    "products.metering.commands.outages.note_outage": Attempt(
        STAFF, lambda w, a: metering.note_outage(a, outage=EdgeOutage.objects.get(), now=NOW),
        given=lambda w, a: EdgeOutage.objects.create(edge="edge-t", account=w.acme, began_at=NOW)),
    "products.metering.commands.outages.end_outage": Attempt(
        STAFF, lambda w, a: metering.end_outage(a, outage=EdgeOutage.objects.get(), seen_at=NOW, now=NOW),
        given=lambda w, a: EdgeOutage.objects.create(edge="edge-t", began_at=NOW)),
    "products.metering.commands.edges.renew_credential": Attempt(
        STAFF, lambda w, a: metering.renew_credential(
            a, edge=Edge.objects.get(name="edge-t", revoked_at=None), secret="old", now=NOW),
        given=lambda w, a: Edge.objects.filter(name="edge-t", revoked_at=None).update(
            digest=digest("old"), issued_at=NOW - timedelta(days=9), expires_at=NOW + timedelta(days=1))),
    "products.metering.commands.edges.adopt_credential": Attempt(
        STAFF, lambda w, a: metering.adopt_credential(
            a, edge=Edge.objects.get(name="edge-t", revoked_at=None), secret="new", now=NOW),
        given=lambda w, a: Edge.objects.filter(name="edge-t", revoked_at=None).update(
            next_digest=digest("new"), next_issued_at=NOW)),
    "products.metering.commands.edges.revoke_credential": Attempt(STAFF, lambda w, a: metering.revoke_credential(
        a, name="edge-t", now=NOW)),
    "products.metering.commands.voids.void_usage": Attempt(STAFF, lambda w, a: metering.void_usage(
        a, period=EdgeTime(Edge.objects.get().name, NOW - timedelta(days=1), NOW), reason="Stolen.", now=NOW)),
    "products.metering.commands.edges.declare_restored": Attempt(STAFF, lambda w, a: metering.declare_restored(
        a, now=NOW)),
    "products.billing.commands.closing.draft_invoice": Attempt(STAFF, lambda w, a: closing.draft_invoice(
        a, account=w.acme, month=NOVEMBER, now=LATER)),
    "products.billing.commands.closing.finalize_invoice": Attempt(STAFF, lambda w, a: closing.finalize_invoice(
        a, account=w.acme, month=NOVEMBER, now=LATER)),
    "products.billing.commands.closing.bill_late_usage": Attempt(STAFF, lambda w, a: closing.bill_late_usage(
        a, account=w.acme, month=NOVEMBER, now=LATER), given=late_in_euros),
    "products.billing.commands.closing.void_invoice": Attempt(STAFF, void, given=invoiced),
    "products.billing.commands.corrections.correct_month": Attempt(STAFF, lambda w, a: corrections.correct_month(
        a, account=w.acme, month=NOVEMBER, now=LATER), given=invoiced),
    "products.billing.commands.credits.grant_credit": Attempt(STAFF, grant),
    "products.billing.commands.credits.expire_credits": Attempt(STAFF, lambda w, a: credits_.expire_credits(
        a, account=w.acme, now=LATER), given=lambda w, a: grant(w, w.people["staff"])),
    "products.billing.commands.budgets.set_budget": Attempt(
        frozenset({"billing", "superuser"}), lambda w, a: budgets.set_budget(
            a, account=w.acme, amount=Money(10**6, "USD"), thresholds=[50, 100], action="notify", now=NOW)),
    "products.billing.commands.budgets.remove_budget": Attempt(
        frozenset({"billing", "superuser"}), lambda w, a: budgets.remove_budget(a, account=w.acme, now=NOW),
        given=lambda w, sam: budgets.set_budget(sam, account=w.acme, amount=Money(10**6, "USD"), thresholds=[100],
                                                action="notify", now=NOW)),
    "products.billing.commands.budgets.lift_block": Attempt(
        frozenset({"billing", "superuser"}), lambda w, a: budgets.lift_block(a, account=w.acme, now=NOW),
        given=lambda w, sam: budgets.set_budget(sam, account=w.acme, amount=Money(10**6, "USD"), thresholds=[100],
                                                action="block_new", now=NOW)),
    # Only the sweep compares the bill with the budget.
    "products.billing.commands.budgets.check_budget": Attempt(frozenset(), lambda w, a: budgets.check_budget(
        a, account=w.acme, now=NOW)),
    "products.billing.commands.contracts.assign_contract": Attempt(STAFF, lambda w, a: contracts.assign_contract(
        a, account=w.acme, terms=contracts.ContractTerms(), from_month=NOVEMBER, reason="Signed", now=NOW)),
    "products.webhooks.commands.webhooks.add_webhook": Attempt(SUPERUSER, lambda w, a: webhooks.add_webhook(
        a, account=w.acme, url="https://example.com/new", events=[], now=NOW)),
    "products.webhooks.commands.webhooks.change_webhook": Attempt(SUPERUSER, lambda w, a: webhooks.change_webhook(
        a, webhook=w.webhook, url="https://example.com/new", events=[], is_paused=False, now=NOW)),
    "products.webhooks.commands.webhooks.pause_webhook": Attempt(SUPERUSER, lambda w, a: webhooks.pause_webhook(
        a, webhook=w.webhook, reason="It failed.", now=NOW)),
    "products.webhooks.commands.webhooks.remove_webhook": Attempt(SUPERUSER, lambda w, a: webhooks.remove_webhook(
        a, webhook=w.webhook, now=NOW)),
    "products.webhooks.commands.webhooks.rotate_secret": Attempt(SUPERUSER, lambda w, a: webhooks.rotate_secret(
        a, webhook=w.webhook, overlap_hours=24, now=NOW)),
    "products.webhooks.commands.webhooks.replay_webhook": Attempt(SUPERUSER, lambda w, a: webhooks.replay_webhook(
        a, webhook=w.webhook, after=0, now=NOW)),
    "products.webhooks.commands.webhooks.resend_message": Attempt(SUPERUSER, lambda w, a: webhooks.resend_message(
        a, webhook=w.webhook, sequence=1, now=NOW)),
    "products.webhooks.commands.deliveries.send_test_message": Attempt(SUPERUSER, lambda w, a: webhooks.send_test_message(
        a, webhook=w.webhook, now=NOW)),
    "products.services.commands.services.create_service": Attempt(CREATES, lambda w, a: services.create_service(
        a, account=w.acme, name="chat", now=NOW)),
    "products.services.commands.services.update_service": Attempt(CONFIGURES, lambda w, a: services.update_service(
        a, service=w.shop, name="store", now=NOW)),
    "products.services.commands.services.delete_service": Attempt(
        CONFIGURES, lambda w, a: services.delete_service(a, service=w.shop, now=NOW),
        given=lambda w, a: deploy.deactivate(a, version=w.live, now=NOW)),
    "products.services.commands.versions.clone_version": Attempt(CONFIGURES, lambda w, a: versions.clone_version(
        a, version=w.live, now=NOW)),
    "products.services.commands.versions.create_version": Attempt(CONFIGURES, lambda w, a: versions.create_version(
        a, service=w.shop, now=NOW)),
    "products.services.commands.versions.comment_version": Attempt(CONFIGURES, lambda w, a: versions.comment_version(
        a, version=w.draft, comment="Mine", now=NOW)),
    "products.services.commands.versions.lock_version": Attempt(CONFIGURES, lambda w, a: versions.lock_version(
        a, version=w.draft, now=NOW)),
    "products.services.commands.parts.add_part": Attempt(CONFIGURES, lambda w, a: parts.add_part(
        a, version=w.draft, kind="domain", name="new.example.com", fields={}, now=NOW)),
    "products.services.commands.parts.change_part": Attempt(CONFIGURES, lambda w, a: parts.change_part(
        a, version=w.draft, kind="backend", name="origin", changes={"address": "evil.example.com"}, now=NOW)),
    "products.services.commands.parts.change_parts": Attempt(CONFIGURES, lambda w, a: parts.change_parts(
        a, version=w.draft, changes=[parts.PartUpdate(kind="domain", changes={"name": "two.example.com"})],
        expected_revision=w.draft.revision, now=NOW)),
    "products.services.commands.parts.restore_part": Attempt(CONFIGURES, lambda w, a: parts.restore_part(
        a, version=w.draft, removed=parts.RemovedPart("domain", "removed.example.com", "A" * 22, 9, {}), now=NOW)),
    "products.services.commands.parts.remove_part": Attempt(CONFIGURES, lambda w, a: parts.remove_part(
        a, version=w.draft, kind="header", name="tenant", now=NOW)),
    "products.services.commands.parts.set_single": Attempt(CONFIGURES, lambda w, a: parts.set_single(
        a, version=w.draft, kind="settings", changes={"general.default_ttl": 60}, now=NOW)),
    "products.services.commands.items.change_items": Attempt(CONFIGURES, lambda w, a: items.change_items(
        a, part=tenant(w, "dictionary"), changes=[items.ItemChange(operation=items.Operation.DELETE, name="tenant")], now=NOW)),
    "products.services.commands.directors.add_backend": Attempt(
        CONFIGURES, lambda w, a: directors.add_backend(
            a, version=w.draft, director="tenant", backend="origin", now=NOW),
        given=lambda w, a: directors.remove_backend(a, version=w.draft, director="tenant", backend="origin", now=NOW)),
    "products.services.commands.directors.remove_backend": Attempt(CONFIGURES, lambda w, a: directors.remove_backend(
        a, version=w.draft, director="tenant", backend="origin", now=NOW)),
    "products.services.commands.dynamic_snippets.change_content": Attempt(
        CONFIGURES, lambda w, a: dynamic_snippets.change_content(
            a, part=tenant(w, "snippet"), content="# b", now=NOW)),
    "products.deploy.commands.activate": Attempt(
        CONFIGURES, lambda w, a: deploy.activate(a, version=w.draft, now=NOW),
        given=lambda w, a: parts.change_part(
            a, version=w.draft, kind="backend", name="origin", changes={"port": 81}, now=NOW)),
    "products.deploy.commands.stage": Attempt(CONFIGURES, lambda w, a: deploy.stage(a, version=w.draft, now=NOW)),
    "products.deploy.commands.unstage": Attempt(
        CONFIGURES, lambda w, a: deploy.unstage(a, version=w.draft, now=NOW),
        given=lambda w, a: deploy.stage(a, version=w.draft, now=NOW)),
    "products.deploy.commands.deactivate": Attempt(CONFIGURES, lambda w, a: deploy.deactivate(
        a, version=w.live, now=NOW)),
}
# fmt: on
