"""Statistics in Fastly's format: `/stats`, real-time, and platform metrics.

Only what edges report is here: requests, new connections, connection time, and bytes from and to
clients. Counters of a cache, of headers alone and of bytes to origins are left out. Edges have no
region, so all figures are in the region `global`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from accounts.errors import Invalid
from accounts.paging import UNKNOWN_CURSOR
from accounts.policy import require
from accounts.queries import account_of
from accounts.readable import choices_in_words
from accounts.roles import Permission
from accounts.time_zones import FIRST_YEAR, LAST_YEAR
from products.api.lookups import service_at
from products.api.services import valid
from products.api.stats_period import EPOCH, StatsPeriod, read_time
from products.calendars import calendar_of
from products.instants import SECOND_US
from products.metering.models import Edge
from products.metering.queries import Usage, usage_of
from products.metering.queries.stats import HOUR, activity_between
from products.months import Month
from products.services.models import Service

Json = dict[str, Any]
GLOBAL = "global"
HTTP_FIELDS = ("requests", "bandwidth")
CONNECTION_FIELDS = (
    "upgrade",
    "websocket_conn_time_ms",
    "websocket_req_body_bytes",
    "websocket_resp_body_bytes",
)
FIELDS = HTTP_FIELDS + CONNECTION_FIELDS
MAX_ROWS = 100_000
DATACENTER = "datacenter"
GROUPS = (DATACENTER, "region")
GRANULARITIES = {"minutely": "minute", "hourly": "hour", "daily": "day"}
GIGABYTE = 10**9
BILLED_REQUESTS = 10_000
# Real-time: the newest seconds are left out, because edges report every few seconds.
REPORT_DELAY_SECONDS = 10
REALTIME_SECONDS = 120
Counts = Mapping[str, int]
NOTHING: Counts = {}


class StatsView(APIView):
    """A path of the historical statistics."""

    def services_of(self, request: TokenRequest) -> list[str]:
        """Return the ids of the services that the actor may see; with `services`, only these.

        Raises Invalid for others: a misspelt ID would look like a service without activity.
        """
        account = account_of(request.auth)
        require(request.auth, Permission.STATS_READ, account)
        visible = Service.objects.visible_to(request.auth).order_by("name", "pk")
        ids = list(visible.values_list("pk", flat=True))
        asked = set(filter(None, request.query_params.get("services", "").split(",")))
        if unknown := sorted(asked.difference(ids)):
            raise Invalid(
                f"You see no services with these IDs: {', '.join(unknown)}.",
                field="services",
            )
        return [each for each in ids if each in asked] if asked else ids

    def service_of(self, request: TokenRequest, service_id: str) -> list[str]:
        """Return the id of one service that the actor may see, as a list."""
        service = service_at(request.auth, service_id)
        require(request.auth, Permission.STATS_READ, service)
        return [service.pk]

    def answer(self, data: object, period: StatsPeriod) -> Response:
        """Return data in Fastly's envelope."""
        meta = {
            "from": _meta_time(period.starts_at),
            "to": _meta_time(period.ends_at),
            "by": period.by,
            "region": "all",
        }
        return Response({"status": "success", "msg": None, "meta": meta, "data": data})


class StatsByService(StatsView):
    """`GET /stats`, `GET /stats/field/{field}`."""

    def get(self, request: TokenRequest, field: str = "") -> Response:
        """Return the rows of each visible service."""
        fields = _fields(field)
        period, services = _period(request), self.services_of(request)
        rows = rows_by_service(services, period, _datacenter(request))
        data = {key: _only(each, fields) for key, each in rows.items()}
        return self.answer(data, period)


class StatsAggregate(StatsView):
    """`GET /stats/aggregate`."""

    def get(self, request: TokenRequest) -> Response:
        """Return the sums over all visible services."""
        period, services = _period(request), self.services_of(request)
        sums: dict[int, Counter[str]] = {}
        activity = _activity(services, period, _datacenter(request))
        for (_, start), counts in activity.items():
            sums.setdefault(start, Counter()).update(counts)
        rows = [
            _row(sums.get(start, NOTHING), period) | {"start_time": start}
            for start in period.starts
        ]
        return self.answer(rows, period)


class StatsOfService(StatsView):
    """`GET /stats/service/S`, `GET /stats/service/S/field/{field}`."""

    def get(self, request: TokenRequest, service_id: str, field: str = "") -> Response:
        """Return the rows of one service."""
        fields = _fields(field)
        period, services = _period(request), self.service_of(request, service_id)
        rows = rows_by_service(services, period, _datacenter(request))
        return self.answer(_only(rows[service_id], fields), period)


class StatsRegions(StatsView):
    """`GET /stats/regions`, which needs no period."""

    def get(self, request: TokenRequest) -> Response:
        """Return the only region."""
        return self.answer([GLOBAL], StatsPeriod.of({}, timezone.now()))


class StatsUsage(StatsView):
    """`GET /stats/usage`."""

    def get(self, request: TokenRequest) -> Response:
        """Return the sums of a period."""
        period, services = _period(request), self.services_of(request)
        totals = totals_by_service(services, period, _datacenter(request))
        return self.answer({GLOBAL: _sum(totals.values())}, period)


class StatsUsageByService(StatsView):
    """`GET /stats/usage_by_service`."""

    def get(self, request: TokenRequest) -> Response:
        """Return the sums of a period, by service."""
        period, services = _period(request), self.services_of(request)
        totals = totals_by_service(services, period, _datacenter(request))
        return self.answer({GLOBAL: totals}, period)


class MonthReader(serializers.Serializer[Any]):
    """A month, and whether usage is in the units of a bill."""

    year = serializers.IntegerField(min_value=FIRST_YEAR, max_value=LAST_YEAR)
    month = serializers.IntegerField(min_value=1, max_value=12)
    billable_units = serializers.BooleanField(default=False)


class StatsUsageByMonth(StatsView):
    """`GET /stats/usage_by_month?year=2026&month=11&billable_units=true`."""

    def get(self, request: TokenRequest) -> Response:
        """Return the usage of a month of the account's billing zone."""
        account = account_of(request.auth)
        services = self.services_of(request)
        calendar = calendar_of(account)
        current = calendar.month_at(timezone.now())
        month, billable = _month_in(request, current)
        usage = usage_of(account.pk, month, services=services)
        names = dict(Service.objects.filter(pk__in=services).values_list("pk", "name"))
        each = {key: _month_totals(usage, key) for key in names}
        data = {
            "customer_id": account.pk,
            "services": {
                key: {"name": names[key], GLOBAL: _in_units(counts, billable=billable)}
                for key, counts in each.items()
                if any(counts.values())
            },
            "total": {GLOBAL: _in_units(_sum(each.values()), billable=billable)},
        }
        period = StatsPeriod(
            calendar.starts_at(month), calendar.ends_at(month), "month"
        )
        return self.answer(data, period)


class StatsSummary(StatsView):
    """`GET /service/S/stats/summary?year&month` or `?start_time&end_time`, the oldest form."""

    def get(self, request: TokenRequest, service_id: str) -> Response:
        """Return the sums of a month (UTC), or of a period."""
        services, query = self.service_of(request, service_id), request.query_params
        now = timezone.now()
        start = read_time(query.get("start_time", ""), now, "start_time")
        end = read_time(query.get("end_time", ""), now, "end_time")
        if (start or end) and (query.get("year") or query.get("month")):
            raise Invalid(
                "Use year and month, or start_time and end_time.", field="start_time"
            )
        if end and not start:
            raise Invalid("end_time needs start_time.", field="start_time")
        if start is None:
            month, _ = _month_in(request, Month.at(now, "UTC"))
            start, end = month.starts_at("UTC"), month.ends_at("UTC")
        sent = {"from": start.isoformat(), "to": (end or now).isoformat(), "by": "hour"}
        period = StatsPeriod.of(sent, now)
        total: Counter[str] = Counter()
        for counts in _activity(services, period).values():
            total.update(counts)
        return Response({"stats": {GLOBAL: _row(total, period)}})


class Realtime(StatsView):
    """`GET /v1/channel/S/ts/h`, `…/ts/h/limit/N` and `…/ts/{second}`."""

    def get(
        self, request: TokenRequest, service_id: str, second: int = 0, limit: int = 0
    ) -> Response:
        """Return each second of activity after a time, at most of the last two minutes."""
        services = self.service_of(request, service_id)
        newest = int(timezone.now().timestamp()) - REPORT_DELAY_SECONDS
        oldest = newest - min(limit or REALTIME_SECONDS, REALTIME_SECONDS)
        start = min(max(oldest, second), newest)
        seconds: dict[int, dict[str, Counts]] = {}
        if start < newest:
            found = activity_between(
                services,
                datetime.fromtimestamp(start, UTC),
                datetime.fromtimestamp(newest, UTC),
                slot=timedelta(seconds=1),
            )
            for (_, edge, at), counts in found.items():
                seconds.setdefault(at // SECOND_US, {})[edge] = _connections(counts)
        return Response(
            {
                "Data": [
                    {
                        "recorded": at,
                        "aggregated": _sum(edges.values()),
                        "datacenter": edges,
                    }
                    for at, edges in sorted(seconds.items())
                ],
                "Timestamp": newest,
                "AggregateDelay": REPORT_DELAY_SECONDS,
            }
        )


class MetricsPage(serializers.Serializer[Any]):
    """What the rows of platform metrics are by, besides time, and how many to list after a cursor.

    Source of the limits: fastly-py 15.0.0, `metrics_platform_api`.
    """

    group_by = serializers.CharField(default="", allow_blank=True)
    limit = serializers.IntegerField(default=1_000, min_value=1, max_value=10_000)
    cursor = serializers.CharField(default="", allow_blank=True, max_length=300)

    def validate_group_by(self, names: str) -> frozenset[str]:
        """Return the names in a text with commas."""
        found = frozenset(each for each in names.split(",") if each)
        if found - set(GROUPS):
            raise serializers.ValidationError(f"Use {' or '.join(GROUPS)}.")
        return found

    def validate_cursor(self, text: str) -> tuple[int, str] | None:
        """Return the start and the edge of the last row before."""
        start, mark, edge = text.partition(":")
        if not text:
            return None
        if not mark or not EPOCH.fullmatch(start):
            raise serializers.ValidationError(UNKNOWN_CURSOR)
        return int(start), edge


class PlatformMetrics(StatsView):
    """`GET /metrics/v2/platform/aggregate/{granularity}` and `…/entities/{id}/{granularity}`."""

    SETS: ClassVar = {"websockets": CONNECTION_FIELDS}

    def get(
        self, request: TokenRequest, granularity: str, service_id: str = ""
    ) -> Response:
        """Return a page of the slots that have activity, oldest first."""
        by = GRANULARITIES.get(granularity)
        if by is None:
            raise Invalid(f"granularity: Choose {choices_in_words(GRANULARITIES)}.")
        fields = self._fields_of(request)
        _refuse_regions(request)
        page = valid(MetricsPage(data=request.query_params.dict()))
        query = request.query_params.dict() | {"by": by}
        period = StatsPeriod.of(query, timezone.now())
        services = (
            self.service_of(request, service_id)
            if service_id
            else self.services_of(request)
        )
        groups, after = page["group_by"], page["cursor"]
        by_edge = DATACENTER in groups
        sums = _sums_by_start(services, period, _datacenter(request), by_edge=by_edge)
        keys = sorted(key for key in sums if after is None or key > after)
        shown = keys[: page["limit"]]
        rows = [
            {"timestamp": datetime.fromtimestamp(start, UTC)}
            | ({DATACENTER: edge} if by_edge else {})
            | ({"region": GLOBAL} if "region" in groups else {})
            | {
                name: value
                for name, value in _row(sums[start, edge], period).items()
                if name in fields and value
            }
            for start, edge in shown
        ]
        meta = {
            "from": period.starts_at,
            "to": period.ends_at,
            "granularity": granularity,
            "next_cursor": "{}:{}".format(*shown[-1]) if len(keys) > len(shown) else "",
            "limit": page["limit"],
        }
        grouped = {"group_by": ",".join(sorted(groups))} if groups else {}
        return Response({"meta": meta | grouped, "data": rows})

    def _fields_of(self, request: TokenRequest) -> tuple[str, ...]:
        """Return the fields of `metric` and `metric_set`; without these, all. Raises Invalid."""
        query = request.query_params
        metrics = [each for each in query.get("metric", "").split(",") if each]
        sets = [each for each in query.get("metric_set", "").split(",") if each]
        unknown = [each for each in metrics if each not in FIELDS]
        unknown += [each for each in sets if each not in self.SETS]
        if unknown:
            raise Invalid(
                f"Not measured here: {', '.join(unknown)}. Choose the metric "
                f"{choices_in_words(FIELDS)}, or the metric_set {choices_in_words(self.SETS)}."
            )
        chosen = tuple(metrics) + tuple(n for each in sets for n in self.SETS[each])
        return chosen or FIELDS


def rows_by_service(
    services: list[str], period: StatsPeriod, datacenter: str = ""
) -> dict[str, list[Json]]:
    """Return a row for each slot of each service, also without activity. Raises Invalid."""
    if len(services) * len(period.starts) > MAX_ROWS:
        raise Invalid(
            f"This is more than {MAX_ROWS:,} values. Choose a shorter period, another `by`, or "
            "fewer `services`.",
            field="from",
        )
    activity = _activity(services, period, datacenter)
    return {
        service: [
            {"service_id": service, "start_time": start}
            | _row(activity.get((service, start), NOTHING), period)
            for start in period.starts
        ]
        for service in services
    }


def totals_by_service(
    services: list[str], period: StatsPeriod, datacenter: str = ""
) -> dict[str, Json]:
    """Return requests and bandwidth of a period by service; those without activity are left out."""
    sums: dict[str, Counter[str]] = {}
    # Of slots shorter than an hour, ordinary HTTP is not known.
    by = "hour" if period.slot < HOUR else period.by
    slots = StatsPeriod(period.starts_at, period.ends_at, by)
    for (service, _), counts in _activity(services, slots, datacenter).items():
        sums.setdefault(service, Counter()).update(counts)
    return {
        service: {
            "bandwidth": counts["bytes_to_client"] + counts["http_bytes_to_client"],
            "requests": counts["requests"],
            "compute_requests": 0,
        }
        for service, counts in sums.items()
    }


def _sums_by_start(
    services: list[str], period: StatsPeriod, datacenter: str, *, by_edge: bool
) -> dict[tuple[int, str], Counter[str]]:
    """Return the activity of all services by start of the slot, and by edge if that is asked for."""
    sums: dict[tuple[int, str], Counter[str]] = {}
    found = activity_between(
        services, period.starts_at, period.ends_at, slot=period.slot
    )
    for (_, edge, start), counts in found.items():
        if datacenter in {"", edge}:
            key = start // SECOND_US, edge if by_edge else ""
            sums.setdefault(key, Counter()).update(counts)
    return sums


def _activity(
    services: list[str], period: StatsPeriod, datacenter: str = ""
) -> dict[tuple[str, int], Counter[str]]:
    """Return the activity by service and start of the slot in seconds, of one edge or all."""
    sums: dict[tuple[str, int], Counter[str]] = {}
    found = activity_between(
        services, period.starts_at, period.ends_at, slot=period.slot
    )
    for (service, edge, start), counts in found.items():
        if datacenter in {"", edge}:
            key = service, start // SECOND_US
            sums.setdefault(key, Counter()).update(counts)
    return sums


def _row(counts: Counts, period: StatsPeriod) -> Json:
    """Return the fields of a slot. Ordinary HTTP is known per hour, so shorter slots lack it."""
    sizes = counts.get("bytes_to_client", 0) + counts.get("http_bytes_to_client", 0)
    http = {"requests": counts.get("requests", 0), "bandwidth": sizes}
    return (http if period.slot >= HOUR else {}) | _connections(counts)


def _connections(counts: Counts) -> dict[str, int]:
    values = (
        counts.get("connections", 0),
        counts.get("duration_us", 0) // 1000,
        counts.get("bytes_from_client", 0),
        counts.get("bytes_to_client", 0),
    )
    return dict(zip(CONNECTION_FIELDS, values, strict=True))


def _month_totals(usage: Usage, service: str) -> Json:
    connections, http = usage.services.get(service), usage.delivery.get(service)
    return {
        "bandwidth": (connections.bytes_to_client if connections else 0)
        + (http.bytes_to_client if http else 0),
        "requests": http.requests if http else 0,
        "compute_requests": 0,
    }


def _in_units(counts: Counts, *, billable: bool) -> Json:
    """Return counts; as billable units, gigabytes and ten thousands of requests."""
    if not billable:
        return dict(counts)
    return {
        name: value / (GIGABYTE if name == "bandwidth" else BILLED_REQUESTS)
        for name, value in counts.items()
    }


def _sum(rows: Iterable[Counts]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for row in rows:
        total.update(row)
    return dict(total) or {"bandwidth": 0, "requests": 0, "compute_requests": 0}


def _only(rows: list[Json], fields: tuple[str, ...]) -> list[Json]:
    kept = {"service_id", "start_time", *fields}
    return [{name: row[name] for name in row if name in kept} for row in rows]


def _fields(field: str) -> tuple[str, ...]:
    """Return the requested field, or all. Raises Invalid for one that is not measured."""
    if field and field not in FIELDS:
        raise Invalid(
            f"'{field}' is not measured here. Use one of {', '.join(FIELDS)}.",
            field="field",
        )
    return (field,) if field else FIELDS


def _period(request: TokenRequest) -> StatsPeriod:
    _refuse_regions(request)
    return StatsPeriod.of(request.query_params.dict(), timezone.now())


def _refuse_regions(request: TokenRequest) -> None:
    region = request.query_params.get("region", "")
    if region not in {"", "all", GLOBAL}:
        raise Invalid(
            "Edges have no region here. Leave out region, or use global.",
            field="region",
        )


def _datacenter(request: TokenRequest) -> str:
    """Return the edge of a request, "" for all. Raises Invalid: others would look unused."""
    edge: str = request.query_params.get(DATACENTER, "")
    if edge and not Edge.objects.filter(name=edge).exists():
        raise Invalid(
            f"No edge is called {edge}. Leave out datacenter to get all edges.",
            field=DATACENTER,
        )
    return edge


def _month_in(request: TokenRequest, current: Month) -> tuple[Month, bool]:
    """Return the month of a request, and whether its usage is in billable units."""
    sent = {name: text for name, text in request.query_params.items() if text}
    asked = valid(
        MonthReader(data={"year": current.year, "month": current.month} | sent)
    )
    return Month(asked["year"], asked["month"]), asked["billable_units"]


def _meta_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
