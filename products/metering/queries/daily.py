"""Usage of services between bounds such as midnights, and what rounding up adds.

With few connections it is summed up from the usage records of now. With many it is read from the
periods, which the sweep derives from the records every ten minutes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, groupby, pairwise
from operator import add, itemgetter
from typing import Any, Final, TypeAlias

from django.db.models import (
    Case,
    Count,
    F,
    IntegerField,
    Max,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.db.models.expressions import Combinable, Expression
from django.db.models.functions import Greatest, Least

from products.calendars import Calendar
from products.instants import instant_of, microseconds_of
from products.metering.minutes import MINUTE_US, minutes
from products.metering.models import ConnectionUsage, DeliveryUsage, UsagePeriod
from products.metering.queries.usage import (
    MAX_COUNTED_NOW,
    ConnectionTotals,
    integer,
    last_rows,
    minutes_within,
    month_state,
    number,
    snapshot,
    whole_minutes,
)
from products.months import Month

Bounds: TypeAlias = Sequence[datetime]
Counters: TypeAlias = Mapping[str, Any]  # `UsagePeriod.at_bounds`
_Totals: TypeAlias = Mapping[str, Sequence[int]]
_Until: TypeAlias = Callable[[datetime], Combinable]
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
class KeptUsage:
    """Usage of a month as the periods of its services keep it; `counted_at` as in `UsageAtBounds`."""

    by_service: Mapping[str, Counters]
    counted_at: datetime | None

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
        return UsageAtBounds(
            minutes={
                key: _increases(_totals_at(kept, "minutes", bounds))
                for key, kept in self.by_service.items()
            },
            bytes={
                key: _bytes_between(kept, bounds)
                for key, kept in self.by_service.items()
            },
            connections=self.connections(bounds[0], bounds[-1]),
            seconds_open=sum(open_us.values()) // 1_000_000,
            counted_at=self.counted_at,
        )

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


def _totals_at(kept: Counters, name: str, bounds: Bounds) -> list[int]:
    return [_total_at(kept, name, bound) for bound in bounds]


def _increases(totals: Sequence[int]) -> list[int]:
    """Return totals since the first of them."""
    return [total - totals[0] for total in totals]


def _bytes_between(kept: Counters, bounds: Bounds) -> list[int]:
    """Return the bytes between each bound and the next.

    The bytes of connections are those of the month, whatever the bounds at its start and end.
    """
    moved = [0, *_totals_at(kept, "bytes", bounds[1:-1]), kept["bytes"][-1]]
    delivered = _totals_at(kept, "delivery_bytes", bounds)
    totals = map(add, moved, delivered)
    return [high - low for low, high in pairwise(totals)]


def _at(counters: Counters, bounds: Sequence[int], name: str, bound: datetime) -> int:
    total: int = counters[name][bounds.index(microseconds_of(bound))]
    return total


def kept_usage(
    services: Sequence[str], month: Month, bounds: Bounds
) -> KeptUsage | None:
    """Return what the periods of a month keep, if its usage is to be read from them (`MonthState`).

    None also if no period is derived yet, or if they do not keep the usage up to each of the bounds.
    """
    state = month_state(services, month)
    if not (state.has_many or state.is_closed):
        return None
    rows = list(UsagePeriod.objects.filter(service__in=services, month=str(month)))
    if rows and all(row.as_of is None for row in rows):
        return None
    derived = {row.service: row.at_bounds for row in rows if row.at_bounds is not None}
    kept = KeptUsage(derived, _counted_at(rows))
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
    kept = kept_usage(services, month, bounds)
    if kept is not None:
        return kept.at(bounds)
    start, end = bounds[0], bounds[-1]
    open_rows = last_rows(services, start, end)
    counts = open_rows.values("service").annotate(
        count=Count("pk"), open_us=Sum(_open_within(start, end))
    )
    found = list(counts.values_list("service", "count", "open_us"))
    return UsageAtBounds(
        minutes=minutes_up_to(services, bounds),
        bytes=bytes_between_bounds(services, month, bounds),
        connections={service: count for service, count, _ in found},
        seconds_open=sum(int(open_us) for _, _, open_us in found) // 1_000_000,
    )


@snapshot()
def minutes_at(
    services: list[str], bounds: Bounds, calendar: Calendar
) -> MinutesAtBounds:
    """Return the minutes from the first bound up to each, also over several months.

    Those of a month with many connections are read from its periods.
    """
    first = calendar.month_at(bounds[0])
    last = calendar.month_at(bounds[-1] - timedelta(microseconds=1))
    totals = [0] * len(bounds)
    counted: list[datetime] = []
    for month in first.until(last):
        start, end = calendar.starts_at(month), calendar.ends_at(month)
        within = [min(max(bound, start), end) for bound in bounds]
        kept = kept_usage(services, month, within)
        if kept is None:
            found = totals_of(minutes_up_to(services, within), len(bounds))
        else:
            found = [sum(kept.minutes(within[0], at).values()) for at in within]
            counted += [kept.counted_at] if kept.counted_at else []
        totals = [a + b for a, b in zip(totals, found, strict=True)]
    return MinutesAtBounds(totals, min(counted, default=None))


def counters_at(service: str, month: Month, bounds: Bounds) -> Counters:
    """Return the usage of a service in a month as its period keeps it: totals up to each bound.

    The bounds may start before the month and end after it, if its zone was changed after they
    were asked for.
    `edges` has the minutes and connections of each edge in the same way.
    A connection has `ended` before a bound if it was not open after it. Most connections are open
    between two bounds only, so only the minutes of the others are computed for each bound.
    """
    rows = (
        last_rows([service], bounds[0], bounds[-1])
        .annotate(
            last_us=Greatest(
                F("started_us"), integer(F("started_us") + F("duration_us") - 1)
            )
        )
        .annotate(
            first=_part("started_us__lt", bounds, in_microseconds=True),
            last=_part("last_us__lt", bounds, in_microseconds=True),
        )
    )
    counts = list(
        rows.values("edge", "first", "last")
        .annotate(
            count=Count("pk"),
            minutes=Sum(minutes_within(bounds[0], bounds[-1])),
            open_us=Sum(_open_within(bounds[0], bounds[-1])),
        )
        .order_by("edge")
    )
    longer: Mapping[str, _Totals] = {}
    if any(row["first"] != row["last"] for row in counts):
        longer = _up_to(rows.filter(last__gt=F("first")), bounds, _UP_TO, by="edge")
    none = (0,) * len(bounds)
    nothing = dict.fromkeys(_UP_TO, none)
    edges = {
        edge: _counters_of(list(group), longer.get(edge, nothing))
        for edge, group in groupby(counts, key=itemgetter("edge"))
    }
    together = {
        name: [
            sum(each)
            for each in zip(*(found[name] for found in edges.values()), strict=True)
        ]
        or list(none)
        for name in ("minutes", "open_us", "started", "ended")
    }
    for found in edges.values():
        del found["open_us"]  # of all edges together only
    return {
        "bounds": [microseconds_of(bound) for bound in bounds],
        **together,
        "bytes": _up_to_each(
            _connection_bytes([service], month, bounds), service, none
        ),
        "delivery_bytes": _up_to_each(
            _delivery_bytes([service], bounds), service, none
        ),
        "edges": edges,
    }


def _up_to_each(
    found: Mapping[str, Sequence[int]], service: str, none: Sequence[int]
) -> list[int]:
    return list(accumulate(found.get(service, none[1:]), initial=0))


def _counters_of(
    counts: Sequence[Mapping[str, Any]], across: _Totals
) -> dict[str, list[int]]:
    """Return the counters of one edge; `across` has the totals of what was open at a bound."""
    length = len(across["minutes"])
    started, ended = [0] * (length + 1), [0] * (length + 1)
    within = {name: [0] * (length + 1) for name in across}
    for row in counts:
        started[row["first"]] += row["count"]
        ended[row["last"]] += row["count"]
        if row["first"] == row["last"]:
            for name, totals in within.items():
                totals[row["last"]] += int(row[name])
    return {
        **{
            name: [
                a + b for a, b in zip(accumulate(totals), across[name], strict=False)
            ]
            for name, totals in within.items()
        },
        "started": list(accumulate(started[:-1])),
        "ended": list(accumulate(ended[:-1])),
    }


def minutes_up_to(services: list[str], bounds: Bounds) -> dict[str, Sequence[int]]:
    """Return the minutes from the first bound up to each bound, by service: one query.

    The parts of a connection add up to the minutes of the whole, for any bounds.
    """
    rows = last_rows(services, bounds[0], bounds[-1])
    found = _up_to(rows, bounds, {"minutes": _minutes_until}, by="service")
    return {service: totals["minutes"] for service, totals in found.items()}


def _up_to(
    rows: "QuerySet[ConnectionUsage]",
    bounds: Bounds,
    wanted: Mapping[str, _Until],
    *,
    by: str,
) -> dict[str, _Totals]:
    """Return sums of what each connection has at each bound, less those at the first: one query."""
    sums = {
        f"{name}_{index}": Sum(until(at))
        for name, until in wanted.items()
        for index, at in enumerate(bounds)
    }
    found: dict[str, _Totals] = {}
    for key, *values in rows.values(by).annotate(**sums).values_list(by, *sums):
        starts = range(0, len(values), len(bounds))
        parts = [values[start : start + len(bounds)] for start in starts]
        found[key] = {
            name: tuple(int(total) - int(totals[0]) for total in totals)
            for name, totals in zip(wanted, parts, strict=True)
        }
    return found


def bytes_between_bounds(
    services: list[str], month: Month, bounds: Bounds
) -> dict[str, tuple[int, ...]]:
    """Return the bytes between each bound and the next, by service: two queries.

    Edges count the bytes of a connection per month, so they count where its last reading is;
    those of ordinary HTTP count in their hour. Together they are the bytes of the month.
    """
    moved = _connection_bytes(services, month, bounds)
    delivered = _delivery_bytes(services, bounds)
    none = (0,) * (len(bounds) - 1)
    return {
        key: tuple(map(add, moved.get(key, none), delivered.get(key, none)))
        for key in {*moved, *delivered}
    }


def _connection_bytes(
    services: list[str], month: Month, bounds: Bounds
) -> dict[str, list[int]]:
    ended = integer(F("started_us") + F("duration_us"))
    part = _part("ended_us__lt", bounds[1:-1], in_microseconds=True)
    rows = ConnectionUsage.objects.filter(service__in=services, month=str(month))
    return _bytes_by_part(rows.annotate(ended_us=ended).annotate(part=part), bounds)


def _delivery_bytes(services: list[str], bounds: Bounds) -> dict[str, list[int]]:
    rows = DeliveryUsage.objects.filter(
        service__in=services, hour__gte=bounds[0], hour__lt=bounds[-1]
    )
    return _bytes_by_part(rows.annotate(part=_part("hour__lt", bounds[1:-1])), bounds)


def _bytes_by_part(rows: "QuerySet[Any]", bounds: Bounds) -> dict[str, list[int]]:
    sums = rows.order_by().values("service", "part")
    sums = sums.annotate(Sum("bytes_from_client"), Sum("bytes_to_client"))
    names = ("bytes_from_client__sum", "bytes_to_client__sum")
    found: dict[str, list[int]] = {}
    for service, part, sent, received in sums.values_list("service", "part", *names):
        parts = found.setdefault(service, [0] * (len(bounds) - 1))
        parts[part] += int(sent) + int(received)
    return found


def rounding_example(
    services: list[str], month: Month, starts_at: datetime, ends_at: datetime
) -> RoundingExample | None:
    """Return a connection of a month, from its start to its end, whose minutes were rounded up.

    None if there is none. With many connections, only those saved last are looked at.
    """
    rows = last_rows(services, starts_at, ends_at).filter(final=True, duration_us__gt=0)
    if month_state(services, month).has_many:
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


def _open_until(at: datetime) -> Expression:
    """Return SQL for how long a connection was open until an instant, in microseconds."""
    since = integer(number(microseconds_of(at)) - F("started_us"))
    return Least(F("duration_us"), Greatest(number(0), since))


def _minutes_until(at: datetime) -> Combinable:
    """Return SQL for the whole minutes of a connection until an instant."""
    return integer(whole_minutes(_open_until(at)))


def _open_within(starts_at: datetime, ends_at: datetime) -> Expression:
    """Return SQL for how long a connection was open within a period, in microseconds."""
    return integer(_open_until(ends_at) - _open_until(starts_at))


def _part(before: str, bounds: Bounds, *, in_microseconds: bool = False) -> Combinable:
    """Return SQL for how many of the bounds are not after a value."""
    return Case(
        *(
            When(
                **{before: microseconds_of(at) if in_microseconds else at},
                then=Value(index),
            )
            for index, at in enumerate(bounds)
        ),
        default=Value(len(bounds)),
        output_field=IntegerField(),
    )


# What a period has up to each bound of the time that its connections were open.
_UP_TO: Final = {"minutes": _minutes_until, "open_us": _open_until}
