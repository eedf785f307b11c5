"""What is live and entitled, as the route table that edges ask for every second.

The committed trail is the outbox: a table is made anew only for accounts whose trail has moved
since, and an unchanged one costs a comparison. Each process keeps its own copy; all of them make
the same bytes.
"""

import hashlib
import json
import threading
from dataclasses import dataclass, field
from datetime import datetime

from accounts.audit.models import ChainHead
from accounts.models import Account
from products.deploy.route_status import RouteStatus, route_statuses
from products.edge.contract import Route, RouteTable
from products.months import Month
from products.services.describe import with_parts
from products.services.models import Version
from products.services.route import route_parts


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """The table as it goes over the wire; a change that touches no route makes no new one."""

    routes: tuple[Route, ...]
    etag: str
    body: bytes


@dataclass(slots=True)
class _RouteTableCache:
    """What this process has made last, by account, and up to when time alone leaves it right."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    height: int = -1
    good_until: datetime | None = None
    heads: dict[str, int] = field(default_factory=dict)
    routes: dict[str, tuple[Route, ...]] = field(default_factory=dict)
    published: PublishedTable | None = None


_shelf = _RouteTableCache()
_BATCH_SIZE = (
    1_000  # services read together: bounds the memory, and a query's parameters
)


def published(*, at_height: int, now: datetime) -> PublishedTable:
    """Return the route table at a height of the trails, made anew only where it must be."""
    with _shelf.lock:
        known, until = _shelf.published, _shelf.good_until
        timely = until is not None and now < until
        if known is not None and _shelf.height == at_height and timely:
            return known
        if not timely:
            _shelf.heads.clear()  # a month has ended somewhere: every route names its month
        return _publish(at_height, now)


def _publish(at_height: int, now: datetime) -> PublishedTable:
    heads = dict(ChainHead.objects.values_list("account_id", "sequence"))
    moved = [
        key for key, sequence in heads.items() if _shelf.heads.get(key) != sequence
    ]
    made = routes_of(moved, now)
    _shelf.routes |= {key: made.get(key, ()) for key in moved}
    _shelf.heads = heads
    routes = tuple(
        route for key in sorted(_shelf.routes) for route in _shelf.routes[key]
    )
    _shelf.height = at_height
    _shelf.good_until = min(
        (datetime.fromisoformat(route.month_ends_at) for route in routes),
        default=Month.at(now, "UTC").ends_at("UTC"),
    )
    if _shelf.published is None or _shelf.published.routes != routes:
        table = RouteTable(generation=at_height, routes=routes).to_json()
        body = json.dumps(table, separators=(",", ":")).encode()
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        _shelf.published = PublishedTable(routes, etag, body)
    return _shelf.published


def routes_of(account_ids: list[str], now: datetime) -> dict[str, tuple[Route, ...]]:
    """Return the routes of some accounts' live versions, ordered by service.

    A dozen queries for every thousand services, whosever they are.
    """
    live = list(
        Version.objects.filter(
            active=True, service__deleted_at=None, service__account_id__in=account_ids
        )
        .order_by("service_id")
        .values_list("pk", flat=True)
    )
    routes: dict[str, list[Route]] = {}
    for start in range(0, len(live), _BATCH_SIZE):
        versions = list(
            with_parts(Version.objects.filter(pk__in=live[start : start + _BATCH_SIZE]))
            .select_related("service__account")
            .order_by("service_id")
        )
        carriages = route_statuses(versions)
        for version in versions:
            account = version.service.account
            routes.setdefault(account.pk, []).append(
                _route(version, account, carriages[version.service_id], now)
            )
    return {key: tuple(value) for key, value in routes.items()}


def _route(
    version: Version, account: Account, carriage: RouteStatus, now: datetime
) -> Route:
    parts = route_parts(version)
    month = Month.at(now, account.billing_zone)
    ends_at = month.ends_at(account.billing_zone)
    return Route(
        service=version.service_id,
        account=account.pk,
        hosts=parts.hosts,
        websockets=carriage.allowed,
        refusal=carriage.refusal,
        origin=parts.origin,
        header_rules=parts.header_rules,
        log_endpoints=parts.log_endpoints,
        month=str(month),
        month_ends_at=ends_at.isoformat().replace("+00:00", "Z"),
        open_connections=carriage.open_connections,
        drain_until=(
            carriage.drain_until.isoformat().replace("+00:00", "Z")
            if carriage.drain_until
            else ""
        ),
    )
