"""The one door: every change of state is allowed, in one transaction, and recorded; or none.

    with recorded_change(actor, Permission.PRODUCT_ENABLE, on=account, now=now) as trail:
        enablement = Enablement.objects.create(...)
        trail.note(Event.PRODUCT_ENABLED, target=("product", "websockets", "WebSockets"), after=...)

Changes of one account queue at its chain's head, which the door locks first: what a command reads
inside it cannot be changed by another command of the account before it commits.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet

from accounts import policy
from accounts.actor import Actor
from accounts.audit.record import EntrySource, NewEntry, append, lock_head
from accounts.audit.vocabulary import Event, Outcome
from accounts.errors import NotFound
from accounts.models import Account
from accounts.policy import Resource
from accounts.roles import Permission


class NothingRecorded(RuntimeError):
    """A change went through the door without a note; it was rolled back."""


class Unchanged(Exception):
    """Raised by a command inside the door when there turned out to be nothing to change."""


class Trail:
    """Collects what a change notes; the door appends it before it commits."""

    def __init__(self, account_id: str, also: Iterable[str]) -> None:
        self.account_id = account_id
        self.entries: dict[str, list[NewEntry]] = {
            key: [] for key in (account_id, *also)
        }

    def note(  # noqa: PLR0913 - the fields of an entry, all by keyword
        self,
        event: Event,
        *,
        target: tuple[str, str, str],
        product: str = "",
        service_id: str = "",
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
        reason: str = "",
        agreed_text_hash: str = "",
        account_id: str = "",
    ) -> None:
        """Note an event on a target (type, id, label), in the door's account or one named `also`.

        `before` and `after` hold the changed fields as plain values: no secrets, no floats.
        """
        kind, key, label = target
        self.entries[account_id or self.account_id].append(
            NewEntry(
                event=event,
                target_type=kind,
                target_id=key,
                target_label=label,
                product=product,
                service_id=service_id,
                before=before,
                after=after,
                reason=reason,
                agreed_text_hash=agreed_text_hash,
            )
        )


def entry_source(actor: Actor) -> EntrySource:
    """Return what the trail keeps of an actor."""
    context = actor.context
    return EntrySource(
        actor_type=actor.type,
        actor_id=actor.id,
        actor_label=actor.label,
        interface=context.interface,
        request_id=context.request_id,
        on_behalf_of=actor.user_id if actor.user_id != actor.id else "",
        auth_method=context.auth_method,
        reauth_at=context.reauth_at,
        ip=context.ip,
        email=actor.email,
        user_agent=context.user_agent,
    )


@contextlib.contextmanager
def recorded_change(
    actor: Actor,
    permission: Permission,
    *,
    on: Resource,
    now: datetime,
    also: Iterable[str] = (),
    lock: "QuerySet[Any] | None" = None,
) -> Iterator[Trail]:
    """Open the door: ask the policy, then run the body in one durable transaction and record it.

    `also` names further accounts (or `platform`) whose chains the change may write to. `lock` is
    locked before any chain; `also` is read after that, so it may be a query that depends on it.
    Raises Forbidden or NotFound before the body runs, and NothingRecorded (nothing is kept) when
    the body noted no event. A body may raise Unchanged to leave without a change.
    """
    with contextlib.suppress(Unchanged), transaction.atomic(durable=True):
        if lock is not None:
            list(lock.select_for_update().order_by("pk"))
        trail = Trail(on.account_id, also)
        for key in sorted(trail.entries):
            lock_head(key)
        policy.require(actor, permission, on)
        yield trail
        if not any(trail.entries.values()):
            raise NothingRecorded(f"{permission} changed something and noted nothing.")
        source = entry_source(actor)
        for key in sorted(trail.entries):
            if trail.entries[key]:
                append(key, trail.entries[key], source=source, at=now)
        _move_routes(trail)


def _move_routes(trail: Trail) -> None:
    """Move the routes revision of each account whose routes a noted event may have altered."""
    moved = [
        key
        for key, entries in trail.entries.items()
        if any(entry.event.affects_routes for entry in entries)
    ]
    Account.objects.filter(pk__in=moved).update(
        routes_revision=F("routes_revision") + 1
    )


def record_refusal(
    actor: Actor,
    event: Event,
    *,
    on: Resource,
    target: tuple[str, str, str],
    reasons: Sequence[str],
    now: datetime,
) -> None:
    """Record a refused deployment: an entry alone, in a transaction of its own.

    The one thing written for somebody who may not. Only members of the account are recorded;
    a stranger could fill the trail (raises NotFound for one).
    """
    account_id = on.account_id
    if actor.account_id != account_id:
        raise NotFound(policy.NON_MEMBER.reason)
    kind, key, label = target
    entry = NewEntry(
        event=event,
        target_type=kind,
        target_id=key,
        target_label=label,
        service_id=policy.service_id_of(on) or "",
        after={"reasons": list(reasons)},
        outcome=Outcome.REFUSED,
    )
    with transaction.atomic(durable=True):
        lock_head(account_id)
        append(account_id, [entry], source=entry_source(actor), at=now)
