"""Work that waits: since when each sweep has something to do, and what no sweep can finish."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Min, QuerySet

from accounts.audit import reader
from accounts.commands.kept_responses import kept_for, old_responses
from accounts.commands.notices import READER
from accounts.commands.retention import old_mail, old_notices
from accounts.commands.token_expiry import NOTICES_BEFORE, expiring_tokens
from accounts.models import OutgoingMail
from portal.schedule import SCHEDULE
from products.billing.models import Invoice, UninvoicedMonth
from products.billing.queries.completeness import GRACE
from products.domains.commands import CHECK_INTERVAL
from products.domains.models import DomainClaim
from products.enablement.queries import running_trials
from products.metering.commands.outages import OUTAGE_AFTER, edges_without_notice
from products.metering.models import UsageDispute, UsagePeriod
from products.metering.queries.current_usage import PRESUMED_CLOSED_AFTER, open_rows
from products.webhooks.commands.deliveries import log_kept_for
from products.webhooks.models import Delivery, Webhook

# A sweep is late if its work has waited for longer than four turns, and never before five minutes.
MAX_TURNS: Final = 4
MIN_DELAY: Final = timedelta(minutes=5)
# A mail server that refuses for hours will not accept the next attempt either.
STUCK_ATTEMPTS: Final = 8
MAX_DRAFT_DELAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Stuck:
    """Work that waits for a person: how much, and what to do about it."""

    kind: str
    count: int
    remedy: str
    is_customers: bool = False  # a customer has to act, not the operator

    @property
    def text(self) -> str:
        """Return how much there is in words: 1 email, 3 disputes."""
        kind = self.kind.removesuffix("s") if self.count == 1 else self.kind
        return f"{self.count:,} {kind}"


def due_since(now: datetime) -> dict[str, datetime | None]:
    """Return for each sweep of the schedule since when its oldest work is due; None for none."""
    return {name: DUE[name](now) for name in SCHEDULE}


def max_delay(sweep: str) -> timedelta:
    """Return for how long work of a sweep may wait."""
    return max(MIN_DELAY, MAX_TURNS * timedelta(seconds=SCHEDULE[sweep]["schedule"]))


def stuck_work(now: datetime) -> list[Stuck]:
    """Return the work that no sweep finishes by itself; also what has a count of 0."""
    mail = OutgoingMail.sendable(now).filter(attempts__gte=STUCK_ATTEMPTS)
    drafts = Invoice.objects.filter(
        status=Invoice.Status.DRAFT, ends_at__lte=now - GRACE - MAX_DRAFT_DELAY
    )
    return [
        Stuck(
            "emails",
            mail.count(),
            "See EMAIL_URL and the portal's log: these emails failed many times.",
        ),
        Stuck(
            "invoices",
            drafts.count(),
            "Open the draft invoices in the admin: each says which usage is missing.",
        ),
        Stuck(
            "uninvoiced months",
            UninvoicedMonth.objects.count(),
            "Open the months without an invoice in the admin: each says why it has none.",
        ),
        Stuck(
            "disputes",
            UsageDispute.objects.filter(resolved_at=None).count(),
            "Resolve the usage disputes in the admin.",
        ),
        Stuck(
            "webhooks",
            Webhook.objects.filter(paused_at__isnull=False).count(),
            "The account's superusers have an email about it, and resume the webhook.",
            is_customers=True,
        ),
    ]


def waiting_webhooks(now: datetime) -> Mapping[str, datetime]:
    """Return since when each webhook that is not paused has a message to send, by reader."""
    active = Webhook.objects.filter(paused_at=None, account__suspended_at=None)
    due_at = {each.reader: each.due_at for each in active}
    return {
        name: max(at, due_at[name]) for name, at in reader.waiting_since(due_at).items()
    }


def _oldest(rows: "QuerySet[Any]", field: str) -> datetime | None:
    found: datetime | None = rows.order_by().aggregate(at=Min(field))["at"]
    return found


def _later(at: datetime | None, delay: timedelta) -> datetime | None:
    return None if at is None else at + delay


def _earliest(*instants: datetime | None) -> datetime | None:
    return min((each for each in instants if each is not None), default=None)


def _mail(now: datetime) -> datetime | None:
    return _oldest(OutgoingMail.sendable(now).filter(due_at__lte=now), "due_at")


def _responses(now: datetime) -> datetime | None:
    return _later(_oldest(old_responses(now), "started_at"), kept_for())


def _retention(now: datetime) -> datetime | None:
    mail = _later(
        _oldest(old_mail(now), "created_at"), timedelta(days=settings.MAIL_KEEP_DAYS)
    )
    notices = _later(
        _oldest(old_notices(now), "at"), timedelta(days=settings.NOTICE_KEEP_DAYS)
    )
    sessions = Session.objects.filter(expire_date__lte=now)
    return _earliest(mail, notices, _oldest(sessions, "expire_date"))


def _usage(now: datetime) -> datetime | None:
    """Return None: closed months wait for months beside them, for disputes and for invoices."""
    return None


def _claims(now: datetime) -> datetime | None:
    pending = DomainClaim.objects.filter(state=DomainClaim.State.PENDING)
    checked = pending.filter(checked_at__lte=now - CHECK_INTERVAL)
    return _earliest(
        _oldest(pending.filter(checked_at=None), "requested_at"),
        _later(_oldest(checked, "checked_at"), CHECK_INTERVAL),
    )


def _webhooks(now: datetime) -> datetime | None:
    queued = Delivery.objects.filter(
        attempted_at=None, webhook__paused_at=None, webhook__due_at__lte=now
    )
    waiting = waiting_webhooks(now).values()
    return _earliest(
        _oldest(queued, "created_at"), *(at for at in waiting if at <= now)
    )


def _deliveries(now: datetime) -> datetime | None:
    old = Delivery.objects.filter(attempted_at__lte=now - log_kept_for())
    return _later(_oldest(old, "attempted_at"), log_kept_for())


def _edges(now: datetime) -> datetime | None:
    return _later(_oldest(edges_without_notice(now), "last_seen_at"), OUTAGE_AFTER)


def _connections(now: datetime) -> datetime | None:
    silent = open_rows().filter(last_reported_at__lte=now - PRESUMED_CLOSED_AFTER)
    return _later(_oldest(silent, "last_reported_at"), PRESUMED_CLOSED_AFTER)


def _periods(now: datetime) -> datetime | None:
    stale = UsagePeriod.objects.filter(stale_until__isnull=False, is_closed=False)
    return _oldest(stale.filter(stale_until__lte=now), "stale_until")


def _trials(now: datetime) -> datetime | None:
    return _oldest(running_trials().filter(trial_ends_at__lte=now), "trial_ends_at")


def _running_bills(now: datetime) -> datetime | None:
    interval = timedelta(seconds=SCHEDULE["refresh-bills"]["schedule"])
    running = Invoice.objects.filter(status=Invoice.Status.OPEN, ends_at__gt=now)
    old = running.filter(counted_at__lte=now - interval)
    return _later(_oldest(old, "counted_at"), interval)


def _months(now: datetime) -> datetime | None:
    over = Invoice.objects.filter(status=Invoice.Status.OPEN, ends_at__lte=now)
    return _oldest(over, "ends_at")


def _notices(now: datetime) -> datetime | None:
    return reader.behind_since(READER)


def _tokens(now: datetime) -> datetime | None:
    due = (
        _later(_oldest(expiring_tokens(now, before), "expires_at"), -before)
        for before in NOTICES_BEFORE
    )
    return _earliest(*due)


DUE: Final[dict[str, Callable[[datetime], datetime | None]]] = {
    "make-notices": _notices,
    "send-mail": _mail,
    "check-tokens": _tokens,
    "delete-old-responses": _responses,
    "apply-retention": _retention,
    "delete-old-usage": _usage,
    "sweep-domain-claims": _claims,
    "deliver-webhooks": _webhooks,
    "remove-old-deliveries": _deliveries,
    "check-edges": _edges,
    "presume-closed": _connections,
    "rebuild-usage": _periods,
    "check-trials": _trials,
    "refresh-bills": _running_bills,
    "close-months": _months,
}
