"""The route table that edges ask for every second: active versions, and whether they may upgrade.

Only accounts whose `routes_revision` moved are derived again; an unchanged table costs a
comparison. Each process keeps its own table; the same routes have the same ETag in all of them.
"""

import hashlib
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import get_args

import msgspec

from accounts.models import Account
from products import protocol
from products.calendars import calendar_of
from products.compatibility.header_rules import reason_ignored
from products.compatibility.version_config import (
    WEBSOCKETS,
    BackendConfig,
    HeaderConfig,
    LogEndpointConfig,
)
from products.deploy.checks import DeployFacts
from products.deploy.decision import CheckResult, evaluate, read_facts
from products.edge.contract import (
    FORMAT,
    DrainMode,
    HeaderAction,
    HeaderRule,
    LogKind,
    LogMethod,
    Origin,
    Route,
    RouteLogEndpoint,
    RouteTable,
)
from products.enablement.models import DRAIN_TIME, Enablement, ServiceProduct
from products.enablement.queries import (
    current_by_account,
    last_closed_by_account,
    last_switched_off,
)
from products.months import Month
from products.services.kinds.logging import log_tls
from products.services.models import Version

logger = logging.getLogger(__name__)

DELIVERED_LOG_KINDS = frozenset(get_args(LogKind))
# Services read together: bounds the memory and the parameters of a query.
BATCH_SIZE = 1_000


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """The table as it is sent."""

    routes: tuple[Route, ...]
    etag: str
    body: bytes


class RouteTableCache:
    """The route table of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._epoch = ""
        self._revision = -1
        self._valid_until: datetime | None = None
        self._revisions: dict[str, int] = {}
        self._routes: dict[str, tuple[Route, ...]] = {}
        self._table: PublishedTable | None = None

    def table(self, *, epoch: str, revision: int, now: datetime) -> PublishedTable:
        """Return the table at the sum of all accounts' `routes_revision`.

        A restored database can have the revisions of the one before with other routes. So all
        accounts are derived again in another ingest epoch, and after the end of a month, which
        every route names.
        """
        with self._lock:
            is_valid = self._valid_until is not None and now < self._valid_until
            if epoch != self._epoch or not is_valid:
                self._revisions = {}
            elif self._table is not None and revision == self._revision:
                return self._table
            self._table = self._derive(revision, now)
            self._epoch, self._revision = epoch, revision
            return self._table

    def _derive(self, revision: int, now: datetime) -> PublishedTable:
        revisions = dict(Account.objects.values_list("pk", "routes_revision"))
        changed = [
            key for key, value in revisions.items() if self._revisions.get(key) != value
        ]
        derived = routes_of(changed, now)
        self._routes |= {key: derived.get(key, ()) for key in changed}
        self._revisions = revisions
        routes = tuple(
            route for key in sorted(revisions) for route in self._routes[key]
        )
        self._valid_until = min(
            (route.month_ends_at for route in routes),
            default=Month.at(now, "UTC").ends_at("UTC"),
        )
        if self._table is not None and self._table.routes == routes:
            return self._table
        body = RouteTable(format=FORMAT, revision=revision, routes=routes).to_bytes()
        # Without the revision, which may differ between processes that derived the same routes at
        # different times. Edges ask one process after the other.
        content = RouteTable(format=FORMAT, revision=0, routes=routes).to_bytes()
        etag = f'W/"{hashlib.sha256(content).hexdigest()}"'
        return PublishedTable(routes, etag, body)


ROUTE_TABLE = RouteTableCache()


def routes_of(account_ids: list[str], now: datetime) -> dict[str, tuple[Route, ...]]:
    """Return the routes of some accounts' active versions, ordered by service.

    At most eight queries for every thousand services.
    """
    active = list(
        Version.objects.filter(
            active=True, service__deleted_at=None, service__account_id__in=account_ids
        )
        .order_by("service_id")
        .values_list("pk", flat=True)
    )
    routes: dict[str, list[Route]] = {}
    for start in range(0, len(active), BATCH_SIZE):
        versions = list(
            Version.objects.filter(pk__in=active[start : start + BATCH_SIZE])
            .select_related("service__account")
            .order_by("service_id")
        )
        facts = read_facts(versions)
        statuses = route_statuses(versions, facts)
        for version in versions:
            account = version.service.account
            routes.setdefault(account.pk, []).append(
                _route(version, facts[version.pk], statuses[version.service_id], now)
            )
    return {key: tuple(value) for key, value in routes.items()}


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """Whether a service may upgrade connections now, and what happens to open ones if not."""

    refusal: str = ""  # the sentence that clients read (R12); empty if allowed
    drain_mode: DrainMode = "keep"
    drain_until: datetime | None = None


def route_statuses(
    versions: Sequence[Version], facts: Mapping[int, DeployFacts]
) -> dict[str, RouteStatus]:
    """Decide for active versions, by service; three queries for any number.

    The route table asks about an upgrade, so that every version counts as using WebSockets. The
    edge checks certificates (R9) by itself when it connects.
    """
    failed: dict[str, CheckResult] = {}
    for version in versions:
        decision = evaluate(replace(facts[version.pk], uses_websockets=True))
        if decision.failed:
            failed[version.service_id] = decision.failed[0]
    closed = last_closed_by_account(
        {
            version.service.account_id
            for version in versions
            if _failed_by(failed, version) == "product_enabled"
        },
        WEBSOCKETS,
    )
    blocked = current_by_account(
        {
            version.service.account_id
            for version in versions
            if _failed_by(failed, version) == "not_blocked"
        },
        WEBSOCKETS,
    )
    switched_off = last_switched_off(
        [
            version.service_id
            for version in versions
            if _failed_by(failed, version) == "service_switch"
        ],
        WEBSOCKETS,
    )
    return {
        version.service_id: _status(
            failed.get(version.service_id),
            closed.get(version.service.account_id)
            or blocked.get(version.service.account_id),
            switched_off.get(version.service_id),
        )
        for version in versions
    }


def _failed_by(failed: Mapping[str, CheckResult], version: Version) -> str:
    check = failed.get(version.service_id)
    return check.code if check else ""


def _status(
    failed: CheckResult | None,
    enablement: Enablement | None,  # that was closed, or is blocked
    switched_off: ServiceProduct | None,
) -> RouteStatus:
    if failed is None:
        return RouteStatus()
    mode, until = "keep", None
    if failed.code == "account_active":
        mode = "cut"
    elif failed.code == "product_enabled":
        mode = (enablement.drain_mode if enablement else "") or "cut"
        until = enablement.drain_until if enablement else None
    elif failed.code == "not_blocked":  # after a trial open connections drain
        mode = (enablement.drain_mode if enablement else "") or "keep"
        until = enablement.drain_until if enablement else None
    elif failed.code == "service_switch":
        ended_at = switched_off.ends_at if switched_off else None
        mode = "drain" if ended_at else "cut"
        until = ended_at + DRAIN_TIME if ended_at else None
    return RouteStatus(
        failed.public or failed.reason, msgspec.convert(mode, DrainMode), until
    )


def _route(
    version: Version, facts: DeployFacts, status: RouteStatus, now: datetime
) -> Route:
    account, config = version.service.account, facts.config
    calendar = calendar_of(account)
    month = calendar.month_at(now)
    return Route(
        service=version.service_id,
        account=account.pk,
        hosts=_hosts(version, facts),
        websockets=not status.refusal,
        refusal=status.refusal,
        origin=_origin(config.connection_backend),
        header_rules=header_rules(config.headers),
        log_endpoints=tuple(
            _log_endpoint(each)
            for each in config.log_endpoints
            if each.kind in DELIVERED_LOG_KINDS
        ),
        month=str(month),
        month_ends_at=calendar.ends_at(month),
        drain_mode=status.drain_mode,
        drain_until=status.drain_until,
    )


def _hosts(version: Version, facts: DeployFacts) -> tuple[str, ...]:
    """Return the domains that a verified claim of the account covers.

    The checks let no other domain become active. A host that another account may own is never
    served, even so.
    """
    if facts.uncovered_domains:
        logger.error(
            "Domains of an active version are not claimed by its account.",
            extra={
                "service": version.service_id,
                "domains": list(facts.uncovered_domains),
            },
        )
    names = {domain.name for domain in facts.config.domains}
    return tuple(sorted(names.difference(facts.uncovered_domains)))


def _log_endpoint(config: LogEndpointConfig) -> RouteLogEndpoint:
    given = config.settings
    tls = log_tls(given)
    has_own_tls = config.uses_tls or any(msgspec.structs.astuple(tls))
    return RouteLogEndpoint(
        msgspec.convert(config.kind, LogKind),
        config.name,
        config.address,
        config.fields,
        tls if has_own_tls else None,
        given.get("token", ""),
        msgspec.convert(given.get("method", "POST"), LogMethod),
        given.get("content_type", ""),
        given.get("header_name", ""),
        given.get("header_value", ""),
    )


def _origin(backend: BackendConfig | None) -> Origin | None:
    if backend is None:
        return None
    return Origin(
        name=backend.name,
        address=backend.address,
        port=backend.port,
        use_tls=backend.use_ssl,
        override_host=backend.override_host,
    )


def header_rules(rules: Sequence[HeaderConfig]) -> tuple[HeaderRule, ...]:
    """Return the rules that the edge applies (R11), by priority, then in the order of adding."""
    return tuple(
        HeaderRule(
            msgspec.convert(rule.action, HeaderAction),
            protocol.header_name(rule.dst),
            "" if rule.action == "delete" else protocol.header_value(rule.src),
        )
        for rule in sorted(rules, key=lambda rule: rule.priority)
        if not reason_ignored(rule)
    )
