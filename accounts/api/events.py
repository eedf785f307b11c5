"""The audit trail as Fastly's events: for superusers, read-only, only events with a Fastly type."""

from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import policy
from accounts.actor import Actor
from accounts.api import fastly_json
from accounts.api.pagination import CONTENT_TYPE, PageRequest, whole_number
from accounts.audit.fastly_events import FeedFilters, addresses_of, feed
from accounts.audit.models import AuditEvent
from accounts.audit.names import names_in
from accounts.audit.reader import MAX_SEQUENCE
from accounts.audit.vocabulary import FASTLY_TYPES, OTHER_FASTLY_TYPES
from accounts.authentication import TokenRequest
from accounts.errors import Invalid, NotFound
from accounts.models import ApiToken, Membership
from accounts.queries import account_of
from accounts.readable import choices_in_words
from accounts.roles import Permission
from accounts.time_zones import FIRST_YEAR, LAST_YEAR

# Newest first by default; within an account, the sequence is the order of time.
ORDERS = {"": "-sequence", "-created_at": "-sequence", "created_at": "sequence"}

RECORDED_TYPES = sorted(set(FASTLY_TYPES.values()))
# Any other, such as a misspelt one, would look like one that never happened.
EVENT_TYPES = sorted({*RECORDED_TYPES, *OTHER_FASTLY_TYPES})
SEQUENCE_BOUNDS = ("gt", "gte", "lt", "lte")


class Events(APIView):
    """`GET /events`."""

    error_form = "json_api"

    def get(self, request: TokenRequest) -> Response:
        """Return a page of events."""
        account_id = readable_trail(request.auth)
        filters = filters_of(request, account_id)
        order = ORDERS.get(request.query_params.get("sort", ""))
        if order is None:
            raise Invalid("sort must be created_at or -created_at.", field="sort")
        page = PageRequest.of(request)
        found = visible(request.auth, feed(account_id, filters))
        rows = list(found.order_by(order)[page.span])
        count = found.count()
        if not count:
            require_known(request.auth, account_id, filters)
        body = page.envelope(request, to_json(rows), count)
        return Response(body, content_type=CONTENT_TYPE)


class OneEvent(APIView):
    """`GET /events/{id}`."""

    error_form = "json_api"

    def get(self, request: TokenRequest, event_id: str) -> Response:
        """Return one event."""
        account_id = readable_trail(request.auth)
        rows = visible(request.auth, feed(account_id, FeedFilters()))
        row = rows.filter(sequence=number_of(event_id)).first()
        if row is None:
            raise NotFound(f"Couldn't find Event '{event_id}'")
        (data,) = to_json([row])
        return Response({"data": data}, status=HTTPStatus.OK, content_type=CONTENT_TYPE)


def number_of(event_id: str) -> int:
    """Return the sequence that an id contains; 0, which no event has, for an invalid id."""
    digits = (
        event_id.isascii()
        and event_id.isdigit()
        and len(event_id) == fastly_json.ID_DIGITS
    )
    number = int(event_id) if digits else 0
    return number if number <= MAX_SEQUENCE else 0


def readable_trail(actor: Actor) -> str:
    """Return the id of the actor's account; raises Forbidden if they may not read its trail."""
    account = account_of(actor)
    policy.require(actor, Permission.AUDIT_READ, account)
    return account.pk


def visible(actor: Actor, events: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
    """Narrow events to those of a token's services; a token without such a limit sees all."""
    only = actor.token_services
    return events.filter(service_id__in=list(only)) if only else events


def to_json(rows: list[AuditEvent]) -> list[fastly_json.Json]:
    """Return events as JSON, with the IP addresses that are not erased."""
    addresses, names = addresses_of(rows), names_in(rows)
    return [
        fastly_json.event(row, addresses.get(row.sequence, ""), names) for row in rows
    ]


def require_known(actor: Actor, account_id: str, filters: FeedFilters) -> None:
    """Raise NotFound for an id of a service, user or token that the account never had.

    Without it, a misspelt id would look like one without events.
    """
    entries = visible(actor, AuditEvent.objects.filter(account_id=account_id))
    service, user, token = filters.service_id, filters.user_id, filters.token_id
    known: tuple[tuple[str, str, tuple[QuerySet[Any], ...]], ...] = (
        ("Service", service, (entries.filter(service_id=service),)),
        (
            "User",
            user,
            (
                Membership.objects.filter(account_id=account_id, user_id=user),
                entries.filter(actor_id__in=[user, *filters.user_tokens]),
            ),
        ),
        (
            "Token",
            token,
            (
                ApiToken.objects.filter(account_id=account_id, pk=token),
                entries.filter(actor_id=token),
            ),
        ),
    )
    for label, sent, rows in known:
        if sent and not any(each.exists() for each in rows):
            raise NotFound(f"Couldn't find {label} '{sent}'")


def filters_of(request: TokenRequest, account_id: str) -> FeedFilters:
    """Return the filters of a request. Raises Invalid for an invalid time or an unknown type."""
    sent = {
        name: request.query_params.get(f"filter[{name}]", "")
        for name in ("customer_id", "event_type", "service_id", "user_id", "token_id")
    }
    customer = sent.pop("customer_id")
    if customer not in {"", account_id}:
        raise NotFound(f"Couldn't find Customer '{customer}'")
    if sent["event_type"] not in {"", *EVENT_TYPES}:
        name = "filter[event_type]"
        raise Invalid(f"{name}: Choose {choices_in_words(RECORDED_TYPES)}.", field=name)
    owned = ApiToken.objects.filter(account_id=account_id, user_id=sent["user_id"])
    tokens = tuple(owned.values_list("pk", flat=True)) if sent["user_id"] else ()
    return FeedFilters(
        **sent,
        user_tokens=tokens,
        at=_moment(request, "filter[created_at]"),
        after=_moment(request, "filter[created_at][gt]"),
        since=_moment(request, "filter[created_at][gte]"),
        before=_moment(request, "filter[created_at][lt]"),
        until=_moment(request, "filter[created_at][lte]"),
        sequence=_sequence_bounds(request),
    )


def _sequence_bounds(request: TokenRequest) -> dict[str, int]:
    """Return the bounds of the sequence, which Fastly does not have.

    They are for programs that follow the events: pages by number shift while a program reads them.
    """
    names = {bound: f"filter[sequence][{bound}]" for bound in SEQUENCE_BOUNDS}
    return {
        bound: whole_number(request, name, default=0, minimum=0, maximum=MAX_SEQUENCE)
        for bound, name in names.items()
        if name in request.query_params
    }


def _moment(request: TokenRequest, name: str) -> datetime | None:
    sent = request.query_params.get(name)
    if sent is None:
        return None
    try:
        moment = parse_datetime(sent)
    except ValueError:  # the right form, but there is no such day or hour
        moment = None
    if moment is None or is_naive(moment) or not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise Invalid(f"{name} must be a time like 2026-11-04T10:00:00Z.", field=name)
    return moment
