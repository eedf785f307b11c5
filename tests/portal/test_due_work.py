"""Since when the work of each sweep is due, and what waits for a person."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.sessions.models import Session

from accounts.audit import reader
from accounts.commands.mail import queue_mail
from accounts.commands.profiles import rename_account
from accounts.models import Account, Invitation, KeptResponse, OutgoingMail
from accounts.roles import Role
from portal.due_work import DUE, due_since, max_delay, stuck_work
from portal.health import check_stuck, check_work
from portal.schedule import SCHEDULE
from products.billing.models import Invoice, UninvoicedMonth
from products.catalogue.models import Plan, Product
from products.domains.models import DomainClaim
from products.enablement.models import Enablement
from products.metering.models import ConnectionUsage, Edge, UsageDispute, UsagePeriod
from products.webhooks.models import Delivery, Webhook
from tests.factories import NOW
from tests.factories.accounts import actor_for, member
from tests.factories.keys import automation_key
from tests.factories.services import ServiceFactory
from tests.factories.usage import connection_usage

EARLIER = NOW - timedelta(days=40)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def mail(account, **fields):
    queued = queue_mail(
        account=account, to="sam@acme.example", subject="s", body="b", now=EARLIER
    )
    OutgoingMail.objects.filter(pk=queued.pk).update(**fields)


def webhook(account, **fields):
    created = Webhook.objects.create(
        account=account,
        url="https://hooks.example/1",
        secret="x",
        created_at=EARLIER,
        due_at=EARLIER,
        **fields,
    )
    reader.start(created.reader, account.pk, after=reader.end_of(account.pk))
    return created


def delivery(account, **fields):
    Delivery.objects.create(
        webhook=webhook(account),
        sequence=1,
        event="product.enabled",
        created_at=EARLIER,
        **fields,
    )


def silent_connection(account):
    row = connection_usage(ServiceFactory.create(account=account), EARLIER, minutes=1)
    ConnectionUsage.objects.filter(pk=row.pk).update(final=False)


def invoice(account, **fields):
    Invoice.objects.create(
        account=account,
        month="2026-10",
        starts_at=EARLIER - timedelta(days=31),
        zone="UTC",
        currency="USD",
        counted_at=EARLIER,
        **fields,
    )


def trial(account):
    Enablement.objects.create(
        account=account,
        product=(product := Product.objects.create(slug="p", purchase_mode="direct")),
        plan=Plan.objects.create(product=product, kind="trial", trial_days=1),
        source="trial",
        starts_at=EARLIER,
        trial_ends_at=EARLIER,
    )


def entry(account):
    sam = actor_for(member(account, "Sam", Role.SUPERUSER), account)
    rename_account(sam, account=account, name="Acme 2", now=EARLIER)


WORK: dict[str, tuple[Callable[[Account], object], datetime]] = {
    "make-notices": (entry, EARLIER),
    "send-mail": (mail, EARLIER),
    "check-tokens": (
        lambda acme: automation_key(
            acme, "engineer", created_at=EARLIER, expires_at=NOW + 5 * DAY
        ),
        NOW - 2 * DAY,
    ),
    "delete-old-responses": (
        lambda acme: KeptResponse.objects.create(
            scope="s", body_digest="d", request_id="r", started_at=EARLIER
        ),
        EARLIER + timedelta(days=1),
    ),
    "apply-retention": (
        lambda acme: Session.objects.create(session_key="s", expire_date=EARLIER),
        EARLIER,
    ),
    "sweep-domain-claims": (
        lambda acme: DomainClaim.objects.create(
            account=acme, name="acme.example", state="pending", requested_at=EARLIER
        ),
        EARLIER,
    ),
    "deliver-webhooks": (delivery, EARLIER),
    "remove-old-deliveries": (
        lambda acme: delivery(acme, attempted_at=EARLIER),
        EARLIER + timedelta(days=30),
    ),
    "check-edges": (
        lambda acme: Edge.objects.create(
            name="fra-1", digest="d", created_at=EARLIER, last_seen_at=EARLIER
        ),
        EARLIER + timedelta(minutes=2),
    ),
    "presume-closed": (
        silent_connection,
        EARLIER + timedelta(minutes=5),
    ),
    "rebuild-usage": (
        lambda acme: UsagePeriod.objects.create(
            service="s", month="2026-10", stale_until=EARLIER
        ),
        EARLIER,
    ),
    "check-trials": (trial, EARLIER),
    "refresh-bills": (
        lambda acme: invoice(acme, ends_at=NOW + HOUR),
        EARLIER + timedelta(minutes=10),
    ),
    "close-months": (lambda acme: invoice(acme, ends_at=EARLIER), EARLIER),
}


def test_every_sweep_says_since_when_its_work_is_due():
    # Usage waits for the months beside it and for disputes, so its deletion is never late.
    assert set(DUE) == set(SCHEDULE) == {*WORK, "delete-old-usage"}


@pytest.mark.parametrize("sweep", WORK)
def test_work_is_due_since_its_instant_and_then_late(acme, sweep):
    create, due_at = WORK[sweep]
    assert due_since(NOW)[sweep] is None

    create(acme)

    assert due_since(NOW)[sweep] == due_at
    late = check_work(due_at + max_delay(sweep) + timedelta(seconds=1))
    assert sweep in late.found
    assert sweep not in check_work(due_at + max_delay(sweep)).found


def test_an_email_for_an_invitation_that_ended_is_not_due(acme):
    mail(
        acme,
        invitation=Invitation.objects.create(
            account=acme,
            email="lea@acme.example",
            role="user",
            created_at=EARLIER,
            expires_at=EARLIER + HOUR,
        ),
    )

    assert due_since(NOW)["send-mail"] is None


STUCK = {
    "emails": lambda acme: mail(acme, attempts=8),
    "invoices": lambda acme: invoice(acme, ends_at=EARLIER, status="draft"),
    "uninvoiced months": lambda acme: UninvoicedMonth.objects.create(
        account=acme, month="2026-10", since=EARLIER
    ),
    "disputes": lambda acme: UsageDispute.objects.create(
        kind="connection",
        record_id="c",
        month="2026-10",
        service="s",
        edge="e",
        reason="start",
        reported={},
        found_at=EARLIER,
        last_found_at=EARLIER,
    ),
    "webhooks": lambda acme: webhook(acme, paused_at=EARLIER),
}


@pytest.mark.parametrize("kind", STUCK)
def test_what_waits_for_a_person_is_counted(acme, kind):
    STUCK[kind](acme)

    assert [each.kind for each in stuck_work(NOW) if each.count] == [kind]
    assert check_stuck(NOW).is_ok == (kind == "webhooks")
