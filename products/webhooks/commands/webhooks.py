"""Add, change, pause and remove webhooks; send entries again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from accounts.actor import Actor
from accounts.audit import reader
from accounts.audit.queries import event_of
from accounts.audit.vocabulary import Event
from accounts.change import Unchanged, recorded_change
from accounts.encryption import decrypt, encrypt
from accounts.errors import Conflict, Invalid, NotFound
from accounts.models import Account
from accounts.roles import Permission
from products.webhooks.models import MAX_URL_LENGTH, Delivery, Webhook
from products.webhooks.secrets import new_signing_secret
from products.webhooks.sender import InvalidUrl, checked_url

MAX_WEBHOOKS: Final = 20  # per account
MAX_OVERLAP_HOURS: Final = 24 * 7


class TooManyWebhooks(Conflict):
    """The account has as many webhooks as it can have."""

    code = "too_many_webhooks"


class DuplicateWebhook(Conflict):
    """The account already has a webhook with this URL."""

    code = "duplicate"
    field = "url"


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A new webhook, and its signing secret."""

    webhook: Webhook
    secret: str


def add_webhook(
    actor: Actor, *, account: Account, url: str, events: Sequence[str], now: datetime
) -> NewWebhook:
    """Add a webhook that gets the entries from now on.

    Raises Forbidden; Invalid for the URL and for unknown events; DuplicateWebhook;
    TooManyWebhooks. Notes webhook.created.
    """
    values = _checked(url, events)
    secret = new_signing_secret()
    with recorded_change(
        actor, Permission.WEBHOOK_MANAGE, on=account, now=now
    ) as trail:
        if Webhook.objects.filter(account=account).count() >= MAX_WEBHOOKS:
            raise TooManyWebhooks(f"An account can have {MAX_WEBHOOKS} webhooks.")
        _require_new_url(account.pk, url)
        webhook = Webhook.objects.create(
            account=account,
            **values,
            secret=encrypt(secret),
            created_at=trail.now,
            created_by=actor.words,
            due_at=trail.now,
        )
        reader.start(webhook.reader, account.pk, after=reader.end_of(account.pk))
        trail.note(Event.WEBHOOK_CREATED, target=target_of(webhook), after=values)
    return NewWebhook(webhook, secret)


def change_webhook(
    actor: Actor,
    *,
    webhook: Webhook,
    url: str,
    events: Sequence[str],
    is_paused: bool,
    now: datetime,
) -> None:
    """Change a webhook's URL and events, and pause or resume it.

    A resumed webhook continues where it stopped. Raises Forbidden, Invalid, DuplicateWebhook.
    Notes webhook.updated.
    """
    values = _checked(url, events)
    with recorded_change(
        actor, Permission.WEBHOOK_MANAGE, on=webhook, now=now
    ) as trail:
        row = locked_webhook(webhook)
        before = {"url": row.url, "events": row.events, "paused": row.is_paused}
        after = values | {"paused": is_paused}
        if before == after:
            raise Unchanged
        if url != row.url:
            _require_new_url(row.account_id, url)
        if is_paused != row.is_paused:
            row.paused_at = trail.now if is_paused else None
            row.pause_reason = f"{actor.words} paused it." if is_paused else ""
        row.url, row.events = url, list(events)
        row.due_at, row.attempts, row.failing_since = trail.now, 0, None
        row.save()
        trail.note(
            Event.WEBHOOK_UPDATED, target=target_of(row), before=before, after=after
        )


def rotate_secret(
    actor: Actor, *, webhook: Webhook, overlap_hours: int, now: datetime
) -> str:
    """Give a webhook a new signing secret, and return it; the earlier one signs too for some hours.

    Raises Forbidden; Invalid for more than a week. Notes webhook.secret_rotated.
    """
    if not 0 <= overlap_hours <= MAX_OVERLAP_HOURS:
        raise Invalid(
            f"Enter a number of hours from 0 to {MAX_OVERLAP_HOURS}.",
            field="overlap_hours",
        )
    secret = new_signing_secret()
    with recorded_change(
        actor, Permission.WEBHOOK_MANAGE, on=webhook, now=now
    ) as trail:
        row = locked_webhook(webhook)
        row.earlier_secret = row.secret if overlap_hours else ""
        until = trail.now + timedelta(hours=overlap_hours) if overlap_hours else None
        row.earlier_secret_until = until
        row.secret = encrypt(secret)
        row.save(update_fields=["secret", "earlier_secret", "earlier_secret_until"])
        trail.note(
            Event.WEBHOOK_SECRET_ROTATED,
            target=target_of(row),
            after={"earlier_secret_until": until.isoformat() if until else None},
        )
    return secret


def pause_webhook(
    actor: Actor, *, webhook: Webhook, reason: str, now: datetime
) -> None:
    """Pause a webhook that keeps failing. Raises Forbidden; notes webhook.paused."""
    with recorded_change(
        actor, Permission.WEBHOOK_MANAGE, on=webhook, now=now
    ) as trail:
        row = locked_webhook(webhook)
        if row.is_paused:
            raise Unchanged
        row.paused_at, row.pause_reason = trail.now, reason
        row.save(update_fields=["paused_at", "pause_reason"])
        trail.note(Event.WEBHOOK_PAUSED, target=target_of(row), reason=reason)


def remove_webhook(actor: Actor, *, webhook: Webhook, now: datetime) -> None:
    """Remove a webhook and its log. Raises Forbidden, NotFound; notes webhook.deleted."""
    with recorded_change(
        actor, Permission.WEBHOOK_MANAGE, on=webhook, now=now
    ) as trail:
        row = locked_webhook(webhook)
        trail.note(
            Event.WEBHOOK_DELETED,
            target=target_of(row),
            before={"url": row.url, "events": row.events},
        )
        reader.forget(row.reader)
        row.delete()


def replay_webhook(
    actor: Actor, *, webhook: Webhook, after: int, now: datetime
) -> None:
    """Send all entries after a sequence again, in order, and then the new ones.

    Raises Forbidden; Invalid for a sequence that the trail has not reached. Notes
    webhook.replayed.
    """
    with recorded_change(
        actor, Permission.WEBHOOK_MANAGE, on=webhook, now=now
    ) as trail:
        row = locked_webhook(webhook)
        end = reader.end_of(row.account_id)
        if not 0 <= after <= end:
            raise Invalid(f"Enter a sequence from 0 to {end}.", field="after")
        before = reader.position_of(row.reader, row.account_id)
        reader.start(row.reader, row.account_id, after=after)
        row.due_at, row.attempts, row.failing_since = trail.now, 0, None
        row.save(update_fields=["due_at", "attempts", "failing_since"])
        trail.note(
            Event.WEBHOOK_REPLAYED,
            target=target_of(row),
            before={"sequence": before},
            after={"sequence": after},
        )


def resend_message(
    actor: Actor, *, webhook: Webhook, sequence: int, now: datetime
) -> None:
    """Send one entry again, once, whatever else is to be sent.

    Raises Forbidden; NotFound for an entry that the trail does not have. Notes webhook.resent.
    """
    with recorded_change(
        actor, Permission.WEBHOOK_MANAGE, on=webhook, now=now
    ) as trail:
        row = locked_webhook(webhook)
        entry = event_of(row.account_id, sequence)
        if entry is None:
            raise NotFound(f"The trail has no entry {sequence}.")
        Delivery.objects.create(
            webhook=row,
            sequence=sequence,
            event=entry.action,
            is_resend=True,
            created_at=trail.now,
        )
        trail.note(
            Event.WEBHOOK_RESENT, target=target_of(row), after={"sequence": sequence}
        )


def encrypt_secrets_again() -> int:
    """Encrypt the signing secrets with the current key, and return how many; they stay the same.

    Raises UnreadableSecret.
    """
    rows = Webhook.objects.order_by("pk")
    return sum(
        Webhook.objects.filter(pk=row.pk, secret=row.secret).update(
            secret=encrypt(decrypt(row.secret)),
            earlier_secret=row.earlier_secret and encrypt(decrypt(row.earlier_secret)),
        )
        for row in rows.iterator()
    )


def locked_webhook(webhook: Webhook) -> Webhook:
    """Lock a webhook's row and return it as it is now. Raises NotFound if it was removed."""
    row = Webhook.objects.select_for_update().filter(pk=webhook.pk).first()
    if row is None:
        raise NotFound("Webhook not found.")
    return row


def target_of(webhook: Webhook) -> tuple[str, str, str]:
    """Return a webhook as the target of an entry."""
    return ("webhook", webhook.pk, webhook.url[:MAX_URL_LENGTH])


def _checked(url: str, events: Sequence[str]) -> dict[str, object]:
    if len(url) > MAX_URL_LENGTH:
        raise Invalid(
            f"A URL can have at most {MAX_URL_LENGTH} characters.", field="url"
        )
    try:
        checked_url(url)
    except InvalidUrl as error:
        raise Invalid(str(error), field="url") from error
    known = {event.value for event in Event}
    unknown = [each for each in events if each not in known]
    if unknown:
        raise Invalid(f"There is no event {unknown[0]}.", field="events")
    return {"url": url, "events": list(events)}


def _require_new_url(account_id: str, url: str) -> None:
    if Webhook.objects.filter(account_id=account_id, url=url).exists():
        raise DuplicateWebhook("The account already has a webhook with this URL.")
