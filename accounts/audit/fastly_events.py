"""The entries for Fastly's clients: only events that have a Fastly type.

Checks no permission, like `queries`: the caller has checked that the actor may read the trail.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q, QuerySet

from accounts.actor import ActorType
from accounts.audit.models import AuditEvent, PersonalData
from accounts.audit.vocabulary import FASTLY_TYPES


@dataclass(frozen=True, slots=True)
class FeedFilters:
    """Filters of a trail; "" and None match everything. `after` and `before` are exclusive.

    `user_tokens` are the ids of the user's tokens, whose entries belong to the user as well.
    `sequence` has bounds of the sequence by their names in queries: gt, gte, lt and lte.
    """

    event_type: str = ""
    service_id: str = ""
    user_id: str = ""
    user_tokens: tuple[str, ...] = ()
    token_id: str = ""
    at: datetime | None = None
    after: datetime | None = None
    since: datetime | None = None
    before: datetime | None = None
    until: datetime | None = None
    sequence: Mapping[str, int] = field(default_factory=dict)


def feed(account_id: str, filters: FeedFilters) -> QuerySet[AuditEvent]:
    """Return the account's entries that have a Fastly type, unordered."""
    types = [
        action
        for action, kind in FASTLY_TYPES.items()
        if filters.event_type in {"", kind}
    ]
    events = AuditEvent.objects.filter(account_id=account_id, action__in=types)
    if filters.service_id:
        events = events.filter(service_id=filters.service_id)
    if filters.user_id:
        events = events.filter(_by(filters))
    if filters.token_id:
        events = events.filter(actor_type=ActorType.TOKEN, actor_id=filters.token_id)
    within = {f"sequence__{name}": bound for name, bound in filters.sequence.items()}
    return _in_time(events.filter(**within), filters)


def addresses_of(events: Sequence[AuditEvent]) -> dict[int, str]:
    """Return the IP addresses of one account's entries that are not erased, by sequence; one query."""
    if not events:
        return {}
    addresses = PersonalData.objects.filter(
        account_id=events[0].account_id,
        sequence__in=[event.sequence for event in events],
        kind=PersonalData.Kind.IP,
    )
    return dict(addresses.values_list("sequence", "value"))


def _by(filters: FeedFilters) -> Q:
    in_person = Q(actor_type=ActorType.USER, actor_id=filters.user_id)
    through = Q(actor_type=ActorType.TOKEN, actor_id__in=filters.user_tokens)
    return in_person | through


def _in_time(
    events: QuerySet[AuditEvent], filters: FeedFilters
) -> QuerySet[AuditEvent]:
    bounds = {
        "at": filters.at,
        "at__gt": filters.after,
        "at__gte": filters.since,
        "at__lt": filters.before,
        "at__lte": filters.until,
    }
    return events.filter(
        **{name: bound for name, bound in bounds.items() if bound is not None}
    )
