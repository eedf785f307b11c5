"""Minutes and bytes of services between bounds such as midnights, and what rounding up adds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from django.db.models import (
    Case,
    F,
    IntegerField,
    Sum,
    Value,
    When,
)
from django.db.models.expressions import Combinable, Expression
from django.db.models.functions import Greatest, Least

from products.instants import instant_of, microseconds_of
from products.metering.minutes import MINUTE_US, minutes
from products.metering.models import ConnectionUsage, DeliveryUsage
from products.metering.queries.usage import integer, last_rows, number, whole_minutes
from products.months import Month

Bounds: TypeAlias = Sequence[datetime]
# Of the newest connections; one of a whole number of minutes shows no rounding.
_EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class RoundingExample:
    """A connection that has ended, and the minutes it counts as."""

    service: str
    started_at: datetime
    duration: timedelta
    minutes: int


def minutes_up_to(services: list[str], bounds: Bounds) -> dict[str, tuple[int, ...]]:
    """Return the minutes from the first bound up to each bound, by service: one query.

    The parts of a connection add up to the minutes of the whole, for any bounds.
    """
    names = [f"at_{index}" for index in range(len(bounds))]
    rows = (
        last_rows(services, bounds[0], bounds[-1])
        .values("service")
        .annotate(
            **{
                name: Sum(integer(whole_minutes(_open_until(at))))
                for name, at in zip(names, bounds, strict=True)
            }
        )
        .values_list("service", *names)
    )
    return {
        service: tuple(int(total) - int(totals[0]) for total in totals)
        for service, *totals in rows
    }


def bytes_between_bounds(
    services: list[str], month: Month, bounds: Bounds
) -> dict[str, tuple[int, ...]]:
    """Return the bytes between each bound and the next, by service: two queries.

    Edges count the bytes of a connection per month, so they count where its last reading is;
    those of ordinary HTTP count in their hour. Together they are the bytes of the month.
    """
    found: dict[str, list[int]] = {}
    ended = integer(F("started_us") + F("duration_us"))
    connections = (
        ConnectionUsage.objects.filter(service__in=services, month=str(month))
        .annotate(ended_us=ended)
        .annotate(part=_part("ended_us__lt", bounds, in_microseconds=True))
    )
    hours = DeliveryUsage.objects.filter(
        service__in=services, hour__gte=bounds[0], hour__lt=bounds[-1]
    ).annotate(part=_part("hour__lt", bounds))
    for rows in (connections, hours):
        grouped = (
            rows.order_by()
            .values("service", "part")
            .annotate(Sum("bytes_from_client"), Sum("bytes_to_client"))
            .values_list(
                "service", "part", "bytes_from_client__sum", "bytes_to_client__sum"
            )
        )
        for service, part, sent, received in grouped:
            parts = found.setdefault(service, [0] * (len(bounds) - 1))
            parts[part] += int(sent) + int(received)
    return {service: tuple(parts) for service, parts in found.items()}


def seconds_open(services: list[str], bounds: Bounds) -> int:
    """Return for how many seconds connections were open in all, not rounded up."""
    start, end = bounds[0], bounds[-1]
    until_start, until_end = _open_until(start), _open_until(end)
    total = last_rows(services, start, end).aggregate(
        total=Sum(integer(until_end) - integer(until_start))
    )["total"]
    return int(total or 0) // 1_000_000


def rounding_example(
    services: list[str], starts_at: datetime, ends_at: datetime
) -> RoundingExample | None:
    """Return a connection of a period whose minutes were rounded up; None if none was."""
    rows = last_rows(services, starts_at, ends_at).filter(final=True, duration_us__gt=0)
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


def _part(before: str, bounds: Bounds, *, in_microseconds: bool = False) -> Combinable:
    """Return SQL for the number of the part that a row is in; the last one if it is later."""
    ends = bounds[1:-1]
    return Case(
        *(
            When(
                **{before: microseconds_of(at) if in_microseconds else at},
                then=Value(index),
            )
            for index, at in enumerate(ends)
        ),
        default=Value(len(ends)),
        output_field=IntegerField(),
    )
