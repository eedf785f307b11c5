"""Usage of services between bounds such as midnights, and what rounding up adds.

With few usage records it is summed up from those of now. With many it is read from the periods,
which the sweep derives from the records every ten minutes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import accumulate, pairwise
from operator import add, sub
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from django.db import connection
from django.db.models import (
    Count,
    F,
    Func,
    IntegerField,
    Max,
    Q,
    QuerySet,
    Sum,
    Value,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Greatest

from accounts.prepared import ComposedQuery
from products.calendars import Calendar
from products.instants import instant_of, microseconds_of
from products.metering.minutes import MINUTE_US, minutes
from products.metering.models import ConnectionUsage, UsagePeriod
from products.metering.queries.usage import (
    MAX_COUNTED_NOW,
    ConnectionTotals,
    delivery_rows,
    earliest_month,
    integer,
    last_rows,
    last_rows_from,
    month_state,
    number,
    snapshot,
    whole_minutes,
)
from products.months import Month

Bounds: TypeAlias = Sequence[datetime]
Counters: TypeAlias = Mapping[str, Any]  # `UsagePeriod.at_bounds`
_Totals: TypeAlias = dict[str, list[int]]
# Of the newest connections; one of a whole number of minutes shows no rounding.
_EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class RoundingExample:
    """A connection that has ended, and the minutes it counts as."""

    service: str
    started_at: datetime
    duration: timedelta
    minutes: int


@dataclass(frozen=True, slots=True)
class UsageAtBounds:
    """Usage of a month by service. Usage reported after `counted_at` may be missing; None if none is."""

    minutes: Mapping[str, Sequence[int]]  # up to each bound
    bytes: Mapping[str, Sequence[int]]  # between each bound and the next
    connections: Mapping[str, int]
    seconds_open: int  # of all services, not rounded up
    counted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MinutesAtBounds:
    """The minutes of services together up to each bound; `counted_at` as in `UsageAtBounds`."""

    totals: Sequence[int]
    counted_at: datetime | None


@dataclass(frozen=True, slots=True)
class MonthUsage:
    """Usage of a month up to each of some bounds, by service; `counted_at` as in `UsageAtBounds`.

    It is read once, from periods or from usage records, and answers for any of the bounds.
    """

    by_service: Mapping[str, Counters]
    counted_at: datetime | None = None

    def of(self, services: Iterable[str]) -> "MonthUsage":
        """Return the usage of some of the services."""
        wanted = self.by_service.keys() & set(services)
        return MonthUsage(
            {key: self.by_service[key] for key in wanted}, self.counted_at
        )

    @property
    def is_by_edge(self) -> bool:
        """Tell whether it is also by edge: what was read from periods is."""
        return all("edges" in kept for kept in self.by_service.values())

    def knows(self, bounds: Bounds) -> bool:
        """Tell whether the usage up to each bound is kept."""
        wanted = set(map(microseconds_of, bounds))
        return all(wanted.issubset(kept["bounds"]) for kept in self.by_service.values())

    def minutes(self, starts_at: datetime, ends_at: datetime) -> dict[str, int]:
        """Return the minutes between two bounds by service."""
        return self._between(("minutes", ends_at), ("minutes", starts_at))

    def connections(self, starts_at: datetime, ends_at: datetime) -> dict[str, int]:
        """Return by service the connections that were open at any time between two bounds."""
        return self._between(("started", ends_at), ("ended", starts_at))

    def by_edge(
        self, starts_at: datetime, ends_at: datetime
    ) -> dict[tuple[str, str], ConnectionTotals]:
        """Return minutes and connections between two bounds by service and edge, without bytes."""
        found = {
            (service, edge): ConnectionTotals(
                _at(each, kept["bounds"], "minutes", ends_at)
                - _at(each, kept["bounds"], "minutes", starts_at),
                _at(each, kept["bounds"], "started", ends_at)
                - _at(each, kept["bounds"], "ended", starts_at),
            )
            for service, kept in self.by_service.items()
            for edge, each in kept["edges"].items()
        }
        return {key: each for key, each in found.items() if each.connections}

    def connection_bytes(self) -> dict[str, int]:
        """Return the bytes that connections moved in the month by service."""
        return {key: kept["bytes"][-1] for key, kept in self.by_service.items()}

    def delivery_bytes(self, starts_at: datetime, ends_at: datetime) -> dict[str, int]:
        """Return the bytes of ordinary HTTP between two bounds by service."""
        return self._between(("delivery_bytes", ends_at), ("delivery_bytes", starts_at))

    def at(self, bounds: Bounds) -> UsageAtBounds:
        """Return the usage at bounds, the first and last of which are those of the month."""
        open_us = self._between(("open_us", bounds[-1]), ("open_us", bounds[0]))
        instants = [*map(microseconds_of, bounds)]
        return UsageAtBounds(
            minutes=self._minutes_up_to(instants),
            bytes={
                key: _bytes_between(kept, instants)
                for key, kept in self.by_service.items()
            },
            connections=self.connections(bounds[0], bounds[-1]),
            seconds_open=sum(open_us.values()) // 1_000_000,
            counted_at=self.counted_at,
        )

    def minutes_at(self, bounds: Bounds) -> MinutesAtBounds:
        """Return the minutes of all services from the first bound up to each."""
        instants = [*map(microseconds_of, bounds)]
        found = totals_of(self._minutes_up_to(instants), len(bounds))
        return MinutesAtBounds(found, self.counted_at)

    def _minutes_up_to(self, instants: Sequence[int]) -> dict[str, Sequence[int]]:
        return {
            key: _increases(_totals_at(kept, "minutes", instants))
            for key, kept in self.by_service.items()
        }

    def _between(
        self, more: tuple[str, datetime], less: tuple[str, datetime]
    ) -> dict[str, int]:
        found = {
            key: _total_at(kept, *more) - _total_at(kept, *less)
            for key, kept in self.by_service.items()
        }
        return {key: each for key, each in found.items() if each}


def _total_at(kept: Counters, name: str, bound: datetime) -> int:
    return _at(kept, kept["bounds"], name, bound)


def _totals_at(kept: Counters, name: str, instants: Sequence[int]) -> list[int]:
    totals = dict(zip(kept["bounds"], kept[name], strict=True))
    return [totals[instant] for instant in instants]


def _increases(totals: Sequence[int]) -> list[int]:
    """Return totals since the first of them."""
    return [total - totals[0] for total in totals]


def _bytes_between(kept: Counters, instants: Sequence[int]) -> list[int]:
    """Return the bytes between each bound and the next.

    The bytes of connections are those of the month, whatever the bounds at its start and end.
    """
    moved = [0, *_totals_at(kept, "bytes", instants[1:-1]), kept["bytes"][-1]]
    delivered = _totals_at(kept, "delivery_bytes", instants)
    totals = map(add, moved, delivered)
    return [high - low for low, high in pairwise(totals)]


def _at(counters: Counters, bounds: Sequence[int], name: str, bound: datetime) -> int:
    total: int = counters[name][bounds.index(microseconds_of(bound))]
    return total


def kept_usage(
    services: Sequence[str], month: Month, bounds: Bounds
) -> MonthUsage | None:
    """Return what the periods of a month keep, if its usage is to be read from them (`MonthState`).

    None also if no period is derived yet, or if they do not keep the usage up to each of the
    bounds.
    """
    state = month_state(services, month)
    if not (state.has_many_records or state.is_closed):
        return None
    rows = list(UsagePeriod.objects.filter(service__in=services, month=str(month)))
    if rows and all(row.as_of is None for row in rows):
        return None
    derived = {row.service: row.at_bounds for row in rows if row.at_bounds is not None}
    kept = MonthUsage(derived, _counted_at(rows))
    return kept if kept.knows(bounds) else None


def _counted_at(periods: Sequence[UsagePeriod]) -> datetime | None:
    """Return when the periods were derived of which usage may be missing; None without any."""
    times = [row.as_of for row in periods if row.as_of is not None]
    stale = [row.as_of for row in periods if row.as_of is not None and row.is_stale]
    if len(times) < len(periods) and times:
        # A period that is not derived yet was created by a report after the last sweep.
        stale.append(max(times))
    return min(stale, default=None)


@snapshot()
def usage_at(services: list[str], month: Month, bounds: Bounds) -> UsageAtBounds:
    """Return the usage of a month at bounds, the first and last of which are those of the month."""
    return usage_up_to(services, month, bounds).at(bounds)


def usage_up_to(services: list[str], month: Month, bounds: Bounds) -> MonthUsage:
    """Return the usage of a month up to bounds, the first and last of which are those of the month.

    Run it in a snapshot: several queries, whose number does not depend on services or bounds.
    """
    kept = kept_usage(services, month, bounds)
    return _counted_usage(services, month, bounds) if kept is None else kept


def _counted_usage(services: list[str], month: Month, bounds: Bounds) -> MonthUsage:
    times = _times_at(services, bounds, by="service")
    moved = _connection_bytes(services, month, bounds)
    delivered = _delivery_bytes(services, bounds)
    instants = [*map(microseconds_of, bounds)]
    no_times = _times_of([], instants)
    no_bytes = [0] * (len(bounds) - 1)
    found = {
        key: {
            "bounds": instants,
            **times.get(key, no_times),
            "bytes": _up_to_each(moved.get(key, no_bytes)),
            "delivery_bytes": _up_to_each(delivered.get(key, no_bytes)),
        }
        for key in {*times, *moved, *delivered}
    }
    return MonthUsage(found, None)


@snapshot()
def minutes_at(
    services: list[str],
    bounds: Bounds,
    calendar: Calendar,
    known: Mapping[Month, MonthUsage] = MappingProxyType({}),
) -> MinutesAtBounds:
    """Return the minutes from the first bound up to each, also over several months.

    Those of a month with many records are read from its periods; those of a `known` month are
    not read again.
    """
    first = calendar.month_at(bounds[0])
    last = calendar.month_at(bounds[-1] - timedelta(microseconds=1))
    totals = [0] * len(bounds)
    counted: list[datetime] = []
    for month in first.until(last):
        start, end = calendar.starts_at(month), calendar.ends_at(month)
        within = [min(max(bound, start), end) for bound in bounds]
        used = known.get(month)
        kept = (
            used.of(services)
            if used is not None and used.knows(within)
            else kept_usage(services, month, within)
        )
        if kept is None:
            times = {
                key: each["minutes"]
                for key, each in _times_at(services, within, by="service").items()
            }
            found = totals_of(times, len(within))
        else:
            found = [*kept.minutes_at(within).totals]
            counted += [kept.counted_at] if kept.counted_at else []
        totals = [a + b for a, b in zip(totals, found, strict=True)]
    return MinutesAtBounds(totals, min(counted, default=None))


def counters_at(service: str, month: Month, bounds: Bounds) -> Counters:
    """Return the usage of a service in a month as its period keeps it: totals up to each bound.

    The bounds may start before the month and end after it, if its zone was changed after they
    were asked for.
    `edges` has the minutes and connections of each edge in the same way.
    A connection has `ended` before a bound if it was not open after it.
    """
    instants = [*map(microseconds_of, bounds)]
    edges = _times_at([service], bounds, by="edge")
    nothing = _times_of([], instants)
    together = {
        name: [
            sum(each)
            for each in zip(
                none, *(found[name] for found in edges.values()), strict=True
            )
        ]
        for name, none in nothing.items()
    }
    for found in edges.values():
        del found["open_us"]  # of all edges together only
    no_bytes = [0] * (len(bounds) - 1)
    moved = _connection_bytes([service], month, bounds).get(service, no_bytes)
    delivered = _delivery_bytes([service], bounds).get(service, no_bytes)
    return {
        "bounds": instants,
        **together,
        "bytes": _up_to_each(moved),
        "delivery_bytes": _up_to_each(delivered),
        "edges": edges,
    }


def _up_to_each(parts: Iterable[int]) -> list[int]:
    return list(accumulate(parts, initial=0))


def _times_at(services: list[str], bounds: Bounds, *, by: str) -> dict[str, _Totals]:
    """Return minutes and connections up to each bound, by service or edge: one query.

    Connections with the same bounds before their start and the same before their end are one group.
    """
    instants = [*map(microseconds_of, bounds)]
    cuts = _within_minutes(instants)
    seconds = [instants[index] % MINUTE_US for index in cuts]
    rows = _TIMES[by].rows(services, earliest_month(bounds[0]), instants, seconds)
    names = (by, *_TIME_NAMES, *map(_more, cuts))
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found = dict(zip(names, row, strict=False))  # the seconds were filled up
        groups.setdefault(row[0], []).append(found)
    return {key: _times_of(group, instants) for key, group in sorted(groups.items())}


def _times(
    by: str,
    services: list[str],
    earliest: str,
    instants: Sequence[int],
    seconds: Sequence[int],
) -> "QuerySet[Any, Any]":
    """Compose the query of minutes and connections by the bounds around them.

    It has a column for each of the seconds within a minute at which there are bounds.
    """
    rows: QuerySet[Any, Any] = last_rows_from(
        services, earliest, instants[0], instants[-1]
    ).alias(second_us=F("started_us") % number(MINUTE_US))
    rows = rows.annotate(
        first=_part(F("started_us"), instants),
        last=_part(
            Greatest(F("started_us"), integer(F("started_us") + F("duration_us") - 1)),
            instants,
        ),
    )
    # Not in order: PostgreSQL would sort all connections by text, which takes longer than the rest.
    sums = {
        "count": Count("pk"),
        "minutes": Sum(whole_minutes(F("duration_us"))),
        "open_us": Sum("duration_us"),
        "start_minutes": Sum(F("started_us") / number(MINUTE_US)),
        "start_us": Sum(integer(F("started_us") - number(instants[0]))),
    } | {
        _more(index): Count("pk", filter=Q(second_us__lt=second))
        for index, second in enumerate(seconds)
    }
    names = (by, "first", "last", *sums)
    rows = rows.values(*names[:3]).annotate(**sums)
    return rows.values_list(*names)


_TIME_NAMES: Final = (
    "first",
    "last",
    "count",
    "minutes",
    "open_us",
    "start_minutes",
    "start_us",
)
_TIMES: Final = {by: ComposedQuery(partial(_times, by)) for by in ("service", "edge")}


def _within_minutes(instants: Sequence[int]) -> list[int]:
    """Return the numbers of the bounds that are not at the start of a minute."""
    return [index for index, at in enumerate(instants) if at % MINUTE_US]


def _times_of(groups: Iterable[Mapping[str, Any]], instants: Sequence[int]) -> _Totals:
    """Return what groups of connections have up to each bound, less what they have at the first.

    `instants` are the bounds in microseconds since 1970.

    A connection that started in minute m (since 1970), at second s of it, and is open at second r
    of minute n has n - m minutes then, and one more if s < r.
    """
    within_minutes = _within_minutes(instants)
    names = ("started", "ended", "minutes", "open_us", "start_minutes", "start_us")
    changes = {name: [0] * (len(instants) + 1) for name in names}
    more = [0] * len(instants)
    for group in groups:
        # The bounds in the query are filled up with the last one.
        first, last = (min(group[name], len(instants)) for name in ("first", "last"))
        changes["started"][first] += group["count"]
        changes["ended"][last] += group["count"]
        for name in ("minutes", "open_us"):  # of whole connections
            changes[name][last] += int(group[name])
        for name in ("start_minutes", "start_us"):  # of those that are open
            changes[name][first] += int(group[name])
            changes[name][last] -= int(group[name])
        for index in within_minutes:
            if first <= index < last:
                more[index] += group[_more(index)]
    at = {name: list(accumulate(each[:-1])) for name, each in changes.items()}
    are_open = [*map(sub, at["started"], at["ended"])]
    minutes = [
        whole + count * (instant // MINUTE_US) - start + extra
        for whole, count, instant, start, extra in zip(
            at["minutes"], are_open, instants, at["start_minutes"], more, strict=True
        )
    ]
    open_us = [
        whole + count * (instant - instants[0]) - start
        for whole, count, instant, start in zip(
            at["open_us"], are_open, instants, at["start_us"], strict=True
        )
    ]
    return {
        "minutes": _increases(minutes),
        "open_us": _increases(open_us),
        "started": at["started"],
        "ended": at["ended"],
    }


def _more(index: int) -> str:
    return f"more_{index}"


def _connection_bytes(
    services: list[str], month: Month, bounds: Bounds
) -> dict[str, list[int]]:
    instants = [*map(microseconds_of, bounds)]
    return _by_part(_MOVED.rows(services, str(month), instants), len(bounds) - 1)


def _delivery_bytes(services: list[str], bounds: Bounds) -> dict[str, list[int]]:
    return _by_part(_DELIVERED.rows(services, bounds), len(bounds) - 1)


def _by_part(rows: Iterable[tuple[Any, ...]], length: int) -> dict[str, list[int]]:
    """Return the bytes of each part by service; what is outside counts in the first or last part."""
    found: dict[str, list[int]] = {}
    for service, part, total in rows:
        parts = found.setdefault(service, [0] * length)
        parts[min(max(part - 1, 0), length - 1)] += int(total)
    return found


def _moved(
    services: list[str], month: str, instants: Sequence[int]
) -> "QuerySet[Any, Any]":
    """Compose the query of the bytes of connections by the part in which each ended."""
    rows = ConnectionUsage.objects.filter(service__in=services, month=month)
    ended = integer(F("started_us") + F("duration_us"))
    return _sums_by_part(rows.annotate(part=_part(ended, instants)))


def _delivered(services: list[str], bounds: Bounds) -> "QuerySet[Any, Any]":
    """Compose the query of the bytes of ordinary HTTP by part."""
    rows = delivery_rows(services, bounds[0], bounds[-1])
    return _sums_by_part(rows.annotate(part=_part(F("hour"), bounds)))


def _sums_by_part(rows: "QuerySet[Any, Any]") -> "QuerySet[Any, Any]":
    moved = Sum(F("bytes_from_client") + F("bytes_to_client"))
    rows = rows.order_by().values("service", "part").annotate(moved=moved)
    return rows.values_list("service", "part", "moved")


_MOVED: Final = ComposedQuery(_moved)
_DELIVERED: Final = ComposedQuery(_delivered)


def rounding_example(
    services: list[str], month: Month, starts_at: datetime, ends_at: datetime
) -> RoundingExample | None:
    """Return a connection of a month, from its start to its end, whose minutes were rounded up.

    None if there is none. With many connections, only those saved last are looked at.
    """
    rows = last_rows(services, starts_at, ends_at).filter(final=True, duration_us__gt=0)
    if month_state(services, month).has_many_connections:
        newest_pk = ConnectionUsage.objects.aggregate(Max("pk"))["pk__max"] or 0
        rows = rows.filter(pk__gt=newest_pk - MAX_COUNTED_NOW)
    newest = rows.filter(started_us__gte=microseconds_of(starts_at)).order_by(
        "-started_us"
    )
    for service, started, duration in newest.values_list(
        "service", "started_us", "duration_us"
    )[:_EXAMPLES]:
        if duration % MINUTE_US:
            return RoundingExample(
                service,
                instant_of(started),
                timedelta(microseconds=duration),
                minutes(duration),
            )
    return None


def totals_of(parts: Mapping[str, Sequence[int]], length: int) -> list[int]:
    """Return the sums over all services of what a function above returned; zeros without any."""
    return [sum(part[index] for part in parts.values()) for index in range(length)]


def _part(value: Combinable, bounds: Sequence[int] | Sequence[datetime]) -> Combinable:
    """Return SQL for how many of the bounds are not after a value."""
    if connection.vendor == "postgresql":
        return Func(
            value,
            Func(
                *map(Value, bounds),
                function="ARRAY",
                template="%(function)s[%(expressions)s]",
            ),
            function="width_bucket",
            output_field=IntegerField(),
        )
    return _CountOfBounds(value, bounds=tuple(bounds))


class _CountOfBounds(Func):
    """A CASE with a WHEN per bound. Django's own would compile the value for each bound, often."""

    output_field = IntegerField()

    def as_sqlite(self, compiler, connection, **_context):  # type: ignore[no-untyped-def] # Django's
        sql, parameters = compiler.compile(self.source_expressions[0])
        bounds = self.extra["bounds"]
        if isinstance(bounds[0], datetime):
            bounds = map(connection.ops.adapt_datetimefield_value, bounds)
        whens, values = [], []
        for index, bound in enumerate(bounds):
            whens.append(f"WHEN {sql} < %s THEN {index}")
            values += [*parameters, bound]
        return f"CASE {' '.join(whens)} ELSE {len(whens)} END", tuple(values)
