"""Write down which periods have moved, in the transaction that moves them. Bookkeeping, so no door.

A mark is laid once for each slot of time, and stays until no report that found it laid can still
be under way; so the sweep needs no lock, and a report waits for nobody.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache

from products.metering.derived import MARK_INTERVAL
from products.metering.facts import ConnectionFact, DeliveryFact
from products.metering.models import MovedUsage, instant_of, microseconds_of
from products.metering.months import Month

Pair = tuple[str, str]  # a service and a month
_SLOT_US = MARK_INTERVAL // timedelta(microseconds=1)
_DAY_US = timedelta(days=1) // timedelta(microseconds=1)


def periods_touched_by(
    connections: Iterable[ConnectionFact], delivery: Iterable[DeliveryFact] = ()
) -> set[Pair]:
    """Return the periods that facts may move: those of the months they name and of all they span.

    A connection may have been open in a month that no report ever named.
    """
    # Days, so that thousands of connections are few different spans.
    spans = {
        (
            fact.service,
            fact.month,
            fact.started_us // _DAY_US,
            (fact.started_us + fact.duration_us) // _DAY_US,
        )
        for fact in connections
    }
    hours = {(fact.service, microseconds_of(fact.hour) // _DAY_US) for fact in delivery}
    pairs = {(service, month) for service, month, _, _ in spans}
    for service, _, first, last in spans:
        pairs |= {(service, month) for month in _months_of_days(first, last)}
    for service, day in hours:
        pairs |= {(service, month) for month in _months_of_days(day, day)}
    return pairs


def mark_dirty(
    pairs: Iterable[Pair], now: datetime, *, even_settled: bool = False
) -> None:
    """Lay a mark for each period that has none of this slot and kind."""
    wanted = set(pairs)
    if not wanted:
        return
    slot = instant_of(microseconds_of(now) // _SLOT_US * _SLOT_US)
    services = {service for service, _ in wanted}
    laid = MovedUsage.objects.filter(
        during=slot, service__in=services, even_settled=even_settled
    )
    MovedUsage.objects.bulk_create(
        MovedUsage(service=service, month=month, during=slot, even_settled=even_settled)
        for service, month in wanted - set(laid.values_list("service", "month"))
    )


@lru_cache(maxsize=4096)
def _months_of_days(first: int, last: int) -> tuple[str, ...]:
    """Return the months of days since 1970; a day more each way, for it is so far to any zone."""
    earliest, latest = (
        Month.at(instant_of(day * _DAY_US), "UTC") for day in (first - 1, last + 1)
    )
    return tuple(map(str, earliest.until(latest)))
