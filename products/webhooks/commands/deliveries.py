"""Deliver the messages that are due, in order per webhook, retried, at least once; send tests.

A sweep claims webhooks by moving their due time, so that two sweeps do not send the same message.
If the process is killed, the claim ends after a minute and the message that was being sent is sent
again, with the same id. Nothing here changes an account's state, except that a webhook is paused,
but who sends a test message is recorded.
"""

import logging
import math
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Q

from accounts.actor import Actor
from accounts.audit import reader
from accounts.audit.models import AuditEvent
from accounts.audit.queries import event_of
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.encryption import decrypt
from accounts.errors import LimitReached
from accounts.policy import require
from accounts.rate_limit import consume, seconds_left
from accounts.roles import Permission
from accounts.sweep_time import SWEEP_SECONDS
from products.webhooks.commands.webhooks import (
    locked_webhook,
    pause_webhook,
    target_of,
)
from products.webhooks.messages import Message, message_of, message_of_test
from products.webhooks.models import MAX_PROBLEM_LENGTH, Delivery, Webhook
from products.webhooks.sender import SECONDS, Request, Result, send_all

logger = logging.getLogger(__name__)

SYSTEM: Final = Actor.system("deliver-webhooks")
MAX_AT_ONCE: Final = 50  # webhooks per sweep
ENTRIES_AT_ONCE: Final = 100
# Longer than a sweep with its last message; a killed process delays its webhooks by this.
CLAIM: Final = timedelta(seconds=60)
FIRST_DELAY: Final = timedelta(seconds=5)
MAX_DELAY: Final = timedelta(hours=6)
# A receiver that was down for a weekend loses nothing and needs no one.
PAUSE_AFTER: Final = timedelta(days=3)
GONE: Final = 410  # the receiver no longer wants messages
TEST_EVENT: Final = (
    "webhook.test"  # the type of a test message; the trail has no such event
)
TESTS_PER_HOUR: Final = 30  # per account
# A test is sent while its request waits. Receivers that do not respond can occupy one thread of a
# web server's process, not all.
_one_test = threading.Lock()


@dataclass(frozen=True, slots=True)
class Turn:
    """What a webhook sends next: an entry in order, or one that is to be sent again."""

    webhook: Webhook
    entry: AuditEvent
    read_from: int  # the cursor before the entry
    resend: Delivery | None = None


def deliver_due(*, now: datetime) -> int:
    """Send what is due, for about 20 seconds at most; return how many messages were accepted."""
    started = time.monotonic()
    claimed = _claim(now)
    accepted = 0
    while claimed and time.monotonic() - started < SWEEP_SECONDS:
        turns = [turn for each in claimed if (turn := _next_turn(each)) is not None]
        at = now + timedelta(seconds=time.monotonic() - started)
        results = send_all([_request(turn, at) for turn in turns])
        going_on = [
            _record(turn, result, at)
            for turn, result in zip(turns, results, strict=True)
        ]
        accepted += sum(not result.problem for result in results)
        # A webhook without a turn has sent everything.
        finished = {each.pk for each in claimed} - {turn.webhook.pk for turn in turns}
        Webhook.objects.filter(pk__in=finished).update(due_at=now)
        claimed = [each for each in going_on if each is not None]
    Webhook.objects.filter(pk__in=[each.pk for each in claimed]).update(due_at=now)
    return accepted


def send_test_message(actor: Actor, *, webhook: Webhook, now: datetime) -> Delivery:
    """Send a test message now and return the attempt with its result, after at most 10 seconds.

    It is sent once, also to a paused or failing webhook, and does not move its cursor. Raises
    Forbidden, NotFound, LimitReached. Notes webhook.tested.
    """
    require(actor, Permission.WEBHOOK_MANAGE, webhook)
    if not _one_test.acquire(blocking=False):
        raise LimitReached(
            "Another test message is being sent. Try again in a few seconds.",
            retry_after_seconds=math.ceil(SECONDS),
        )
    try:
        return _send_test(actor, webhook, now)
    finally:
        _one_test.release()


def _send_test(actor: Actor, webhook: Webhook, now: datetime) -> Delivery:
    if consume(f"webhook-tests:{webhook.account_id}", TESTS_PER_HOUR) < 0:
        raise LimitReached(
            "This account has sent its test messages for this hour.",
            retry_after_seconds=seconds_left(),
        )
    with recorded_change(
        actor, Permission.WEBHOOK_MANAGE, on=webhook, now=now
    ) as trail:
        row = locked_webhook(webhook)
        attempt = Delivery.objects.create(
            webhook=row,
            event=TEST_EVENT,
            created_at=trail.now,
            attempted_at=trail.now,
            problem="The attempt was interrupted.",  # until there is a result
        )
        trail.note(Event.WEBHOOK_TESTED, target=target_of(row))
    (result,) = send_all([_signed(row, message_of_test(attempt), now)])
    outcome = _outcome(result, now)
    Delivery.objects.filter(pk=attempt.pk).update(**outcome)
    for name, value in outcome.items():
        setattr(attempt, name, value)
    return attempt


def delay_after(attempts: int) -> timedelta:
    """Return the delay after a number of failed attempts: it doubles, up to six hours."""
    # Thirteen doublings exceed the maximum; more would overflow a timedelta.
    doublings: int = min(max(attempts - 1, 0), 13)
    return min(FIRST_DELAY * (1 << doublings), MAX_DELAY)


def remove_old_deliveries(*, now: datetime) -> None:
    """Remove old attempts from the log."""
    Delivery.objects.filter(attempted_at__lte=now - log_kept_for()).delete()


def log_kept_for() -> timedelta:
    """Return for how long an attempt stays in the log."""
    return timedelta(days=settings.WEBHOOK_LOG_KEEP_DAYS)


def _claim(now: datetime) -> list[Webhook]:
    """Return webhooks that have something to send, claimed by this process."""
    due = list(
        Webhook.objects.select_related("account")
        .filter(Q(paused_at=None), due_at__lte=now, account__suspended_at=None)
        .order_by("due_at", "pk")
    )
    behind = reader.readers_behind(each.reader for each in due)
    queued = set(
        Delivery.objects.filter(webhook__in=due, attempted_at=None).values_list(
            "webhook_id", flat=True
        )
    )
    claimed = []
    for webhook in due:
        if webhook.reader not in behind and webhook.pk not in queued:
            continue
        free = Webhook.objects.filter(pk=webhook.pk, due_at=webhook.due_at)
        if free.update(due_at=now + CLAIM):
            claimed.append(webhook)
        if len(claimed) == MAX_AT_ONCE:
            break
    return claimed


def _next_turn(webhook: Webhook) -> Turn | None:
    """Return what a webhook sends next, and move past entries that it does not want."""
    position = reader.position_of(webhook.reader, webhook.account_id)
    resend = (
        Delivery.objects.filter(webhook=webhook, attempted_at=None)
        .order_by("pk")
        .first()
    )
    if resend is not None and resend.sequence is not None:  # only tests have none
        entry = event_of(webhook.account_id, resend.sequence)
        if entry is not None:
            return Turn(webhook, entry, position, resend)
    while entries := reader.entries_after(
        webhook.account_id, position, limit=ENTRIES_AT_ONCE
    ):
        for entry in entries:
            if not webhook.events or entry.action in webhook.events:
                return Turn(webhook, entry, position)
        end = entries[-1].sequence
        if not reader.advance(
            webhook.reader, webhook.account_id, read_from=position, to=end
        ):
            return None
        position = end
    return None


def _request(turn: Turn, at: datetime) -> Request:
    return _signed(turn.webhook, message_of(turn.entry), at)


def _signed(webhook: Webhook, message: Message, at: datetime) -> Request:
    headers = message.headers(_secrets(webhook, at), int(at.timestamp()))
    return Request(webhook.url, message, headers)


def _secrets(webhook: Webhook, at: datetime) -> list[str]:
    """Return the secrets that sign a message: the current one, and for some time the earlier one."""
    until = webhook.earlier_secret_until
    stored = [webhook.secret]
    if until is not None and at < until:
        stored.append(webhook.earlier_secret)
    return [decrypt(each) for each in stored]


def _record(turn: Turn, result: Result, at: datetime) -> Webhook | None:
    """Write the result to the log; return the webhook if it can send the next message now."""
    webhook = turn.webhook
    outcome = _outcome(result, at)
    if turn.resend is not None:
        Delivery.objects.filter(pk=turn.resend.pk).update(**outcome)
        return webhook
    attempt = webhook.attempts + 1
    Delivery.objects.create(
        webhook=webhook,
        sequence=turn.entry.sequence,
        event=turn.entry.action,
        attempt=attempt,
        created_at=at,
        **outcome,
    )
    if result.problem:
        _note_failure(webhook, result, attempt, at)
        return None
    webhook.attempts, webhook.failing_since = 0, None
    Webhook.objects.filter(pk=webhook.pk).update(attempts=0, failing_since=None)
    moved = reader.advance(
        webhook.reader,
        webhook.account_id,
        read_from=turn.read_from,
        to=turn.entry.sequence,
    )
    return webhook if moved else None


def _outcome(result: Result, at: datetime) -> dict[str, Any]:
    return {
        "attempted_at": at,
        "duration_ms": result.duration_ms,
        "status": result.status,
        "problem": result.problem[:MAX_PROBLEM_LENGTH],
    }


def _note_failure(webhook: Webhook, result: Result, attempt: int, at: datetime) -> None:
    since = webhook.failing_since or at
    Webhook.objects.filter(pk=webhook.pk).update(
        attempts=attempt, failing_since=since, due_at=at + delay_after(attempt)
    )
    if result.status == GONE:
        reason = "The server responded with 410: it no longer wants messages."
    elif at - since >= PAUSE_AFTER:
        reason = f"It failed for {PAUSE_AFTER.days} days. {result.problem}"
    else:
        return
    logger.warning("A webhook is paused.", extra={"webhook": webhook.pk})
    pause_webhook(SYSTEM, webhook=webhook, reason=reason, now=at)
