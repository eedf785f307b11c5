"""The context manager of every change of state: permitted, in one transaction, recorded.

    with recorded_change(actor, Permission.PRODUCT_ENABLE, on=account, now=now) as trail:
        enablement = Enablement.objects.create(...)
        trail.note(Event.PRODUCT_ENABLED, target=("product", "websockets", "WebSockets"), after=...)

Changes of one account run one after the other: `recorded_change` first locks the head of the
account's chain. What a command reads within it stays as it is until the command commits.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet

from accounts import policy
from accounts.actor import Actor, ActorType
from accounts.audit.record import (
    EntrySource,
    NewEntry,
    append,
    count_repeat,
    index_terms,
    lock_head,
)
from accounts.audit.vocabulary import Event, Outcome
from accounts.errors import NotFound
from accounts.models import Account
from accounts.policy import OwnLogin, Resource
from accounts.roles import Permission


class NothingRecorded(RuntimeError):
    """A change noted no entry, so it was rolled back."""


class Unchanged(Exception):
    """Raised within `recorded_change` if there is nothing to change."""


class Trail:
    """Collects the entries of a change; `recorded_change` appends them before it commits.

    `now` is the time of the entries, and of the rows that the change writes.
    """

    def __init__(self, account_id: str, also: Iterable[str], now: datetime) -> None:
        self.account_id = account_id
        self.now = now
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
        outcome: Outcome = Outcome.DONE,
        account_id: str = "",
    ) -> None:
        """Note an event on a target (type, id, label), for the resource's account or one in `also`.

        `before` and `after` contain the changed fields as plain values: no secrets, no floats.
        """
        target_type, target_id, target_label = target
        self.entries[account_id or self.account_id].append(
            NewEntry(
                event=event,
                target_type=target_type,
                target_id=target_id,
                target_label=target_label,
                product=product,
                service_id=service_id,
                before=before,
                after=after,
                reason=reason,
                agreed_text_hash=agreed_text_hash,
                outcome=outcome,
            )
        )


def entry_source(actor: Actor) -> EntrySource:
    """Return what an entry contains about its actor.

    A job that acts for a user, such as the one that lets them join, is recorded as the user.
    """
    context = actor.context
    as_user = actor.type is ActorType.SYSTEM and bool(actor.user_id)
    return EntrySource(
        actor_type=ActorType.USER if as_user else actor.type,
        actor_id=actor.user_id if as_user else actor.id,
        actor_label=actor.label,
        interface=context.interface,
        request_id=context.request_id,
        on_behalf_of=actor.user_id if actor.user_id != actor.id and not as_user else "",
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
    """Check the permission, run the body in one durable transaction, and append its entries.

    `also` names further accounts (or `platform`) whose chains the change may write to. The rows of
    `lock` are locked before the chains; `also` is read after that, so it may depend on them.
    The body takes the time from `trail.now`: it is `now`, but never before the last entry of these
    chains, so that nothing ends before it started if the clocks of two processes differ.
    Raises Forbidden or NotFound before the body runs. Raises NothingRecorded, and rolls back, if
    the body noted no event. The body raises Unchanged to end without a change. It does not nest.
    """
    with contextlib.suppress(Unchanged), transaction.atomic(durable=True):
        if lock is not None:
            list(lock.select_for_update().order_by("pk"))
        trail = Trail(on.account_id, also, now)
        heads = [lock_head(key) for key in sorted(trail.entries)]
        trail.now = max(now, *(head.at or now for head in heads))
        policy.require(actor, permission, on)
        yield trail
        if not any(trail.entries.values()):
            raise NothingRecorded(f"{permission} changed something and noted nothing.")
        source = entry_source(actor)
        events = []
        for head in heads:
            if entries := trail.entries[head.account_id]:
                events += append(head, entries, source=source, at=trail.now, clock=now)
        _move_routes(trail)
        index_terms(events)


def _move_routes(trail: Trail) -> None:
    """Move the routes revision of each account whose routes a noted event may have altered."""
    moved = [
        key
        for key, entries in trail.entries.items()
        if any(entry.event.affects_routes for entry in entries)
    ]
    if moved:
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
    repeated_within: timedelta = timedelta(0),
) -> None:
    """Record that a member was refused, or a user at their own login: an entry alone.

    After some of the same within `repeated_within`, further ones are counted, outside the chain. It
    has a transaction of its own. Raises NotFound for a non-member, who could otherwise fill the
    trail.
    """
    is_own = (
        actor.user_id == on.user_id
        if isinstance(on, OwnLogin)
        else actor.account_id == on.account_id
    )
    if not is_own:
        raise NotFound(policy.NON_MEMBER.reason)
    target_type, target_id, target_label = target
    entry = NewEntry(
        event=event,
        target_type=target_type,
        target_id=target_id,
        target_label=target_label,
        service_id=policy.service_id_of(on) or "",
        after={"reasons": list(reasons)},
        outcome=Outcome.REFUSED,
    )
    with transaction.atomic(durable=True):
        head = lock_head(on.account_id)
        source = entry_source(actor)
        since = now - repeated_within
        if repeated_within and count_repeat(
            on.account_id, entry, source=source, since=since, now=now
        ):
            return
        index_terms(append(head, [entry], source=source, at=now))
