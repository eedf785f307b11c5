"""The account's trail as Fastly's events: superusers only, typed events only, read only."""

from datetime import datetime
from http import HTTPStatus

from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import policy
from accounts.actor import Actor
from accounts.api import fastly_json
from accounts.api.pagination import CONTENT_TYPE, PageRequest
from accounts.audit.fastly_events import FeedFilters, addresses_of, feed, feed_event
from accounts.audit.models import AuditEvent
from accounts.authentication import TokenRequest
from accounts.errors import Invalid, NotFound
from accounts.models import ApiToken
from accounts.queries import account_of
from accounts.roles import Permission

# Newest first unless asked otherwise; within an account, the number is the order of time.
ORDERS = {"": "-sequence", "-created_at": "-sequence", "created_at": "sequence"}

MAX_EVENT_ID = 2**63 - 1  # as the column holds it


class Events(APIView):
    """`GET /events`."""

    def get(self, request: TokenRequest) -> Response:
        """Answer a page of events."""
        account_id = readable_trail(request.auth)
        order = ORDERS.get(request.query_params.get("sort", ""))
        if order is None:
            raise Invalid("sort must be created_at or -created_at.", field="sort")
        paging = PageRequest.of(request)
        found = feed(account_id, filters_of(request, account_id))
        rows = list(found.order_by(order)[paging.span])
        body = paging.envelope(request, shown(rows), found.count())
        return Response(body, content_type=CONTENT_TYPE)


class OneEvent(APIView):
    """`GET /events/{id}`."""

    def get(self, request: TokenRequest, event_id: str) -> Response:
        """Answer one event."""
        account_id = readable_trail(request.auth)
        row = feed_event(account_id, number_of(event_id))
        if row is None:
            raise NotFound(f"Couldn't find Event '{event_id}'")
        (data,) = shown([row])
        return Response({"data": data}, status=HTTPStatus.OK, content_type=CONTENT_TYPE)


def number_of(event_id: str) -> int:
    """Return the number in the trail that an id stands for; 0, which none has, for no such id."""
    digits = (
        event_id.isascii()
        and event_id.isdigit()
        and len(event_id) == fastly_json.ID_DIGITS
    )
    number = int(event_id) if digits else 0
    return number if number <= MAX_EVENT_ID else 0


def readable_trail(actor: Actor) -> str:
    """Return the id of the actor's account. Raises Forbidden where they may not read its trail."""
    account = account_of(actor)
    policy.require(actor, Permission.AUDIT_READ, account)
    return account.pk


def shown(rows: list[AuditEvent]) -> list[fastly_json.Json]:
    """Show events with the addresses that are still held."""
    addresses = addresses_of(rows)
    return [fastly_json.event(row, addresses.get(row.sequence, "")) for row in rows]


def filters_of(request: TokenRequest, account_id: str) -> FeedFilters:
    """Read the filters. Raises Invalid for a time that is none."""
    asked = {
        name: request.query_params.get(f"filter[{name}]", "")
        for name in ("customer_id", "event_type", "service_id", "user_id", "token_id")
    }
    customer = asked.pop("customer_id")
    if customer not in {"", account_id}:
        raise NotFound(f"Couldn't find Customer '{customer}'")
    owned = ApiToken.objects.filter(account_id=account_id, user_id=asked["user_id"])
    tokens = tuple(owned.values_list("pk", flat=True)) if asked["user_id"] else ()
    return FeedFilters(
        **asked,
        user_tokens=tokens,
        at=_moment(request, "filter[created_at]"),
        after=_moment(request, "filter[created_at][gt]"),
        since=_moment(request, "filter[created_at][gte]"),
        before=_moment(request, "filter[created_at][lt]"),
        until=_moment(request, "filter[created_at][lte]"),
    )


def _moment(request: TokenRequest, name: str) -> datetime | None:
    sent = request.query_params.get(name, "")
    if not sent:
        return None
    try:
        moment = parse_datetime(sent)
    except ValueError:  # of the right form, but no such day or hour
        moment = None
    if moment is None or is_naive(moment):
        raise Invalid(f"{name} must be a time like 2026-11-04T10:00:00Z.", field=name)
    return moment
