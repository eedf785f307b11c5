"""The usage store's cost: CPU time per accepted connection, tick and checkpoint.

Only this process's CPU time counts, so a busy machine changes the figures little. No
database of the portal is used.
"""

import functools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from products.edge.usage.meter import ROWS_PER_PAGE
from products.edge.usage.readings import ConnectionReading
from products.edge.usage.store import StoredUsage, UsageStore

GROUPS = (1, 4, 16)  # connections accepted in one turn of the event loop
ACCEPTS = 8_000
OPEN = 5_000
TICKS = 8
PARTS = 20  # a tick is spread over so many transactions
_SERVICE = "a" * 22


def run() -> Iterator[str]:
    """Measure, and describe the results."""
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as folder:
        store = UsageStore(Path(folder) / "usage" / "INSTANCE", max_bytes=1 << 32)
        yield from _accepts(store)
        yield from _ticks(store)
        yield from _reports(store)
        store.close()


def _reading(number: int, duration_us: int = 0) -> ConnectionReading:
    return ConnectionReading(
        number, _SERVICE, "2026-11", 1_795_000_000_000_000, duration_us, 500, 129, False
    )


def _accepts(store: UsageStore) -> Iterator[str]:
    number = 0
    for group in GROUPS:
        began = time.process_time()
        for _ in range(ACCEPTS // group):
            store.write([_reading(number + one) for one in range(group)])
            number += group
        spent = time.process_time() - began
        store.sync()
        yield f"accept, {group} per transaction: {spent / ACCEPTS * 1e6:.1f} µs each"


def _ticks(store: UsageStore) -> Iterator[str]:
    for parts in (1, PARTS):
        spent, blocked, synced = [], [], []
        for tick in range(1, TICKS + 1):
            durations = [
                _timed(functools.partial(_tick, store, part, parts, tick))
                for part in range(parts)
            ]
            spent.append(sum(cpu for cpu, _ in durations))
            blocked.append(max(elapsed for _, elapsed in durations))
            synced.append(_timed(store.sync)[1])
        yield (
            f"tick of {OPEN:,} connections in {parts} transactions:"
            f" {median(spent) / OPEN * 1e6:.1f} µs per connection,"
            f" the loop blocked for {median(blocked) * 1e3:.1f} ms at most;"
            f" a checkpoint takes {median(synced) * 1e3:.1f} ms in its thread"
        )


def _tick(store: UsageStore, part: int, parts: int, tick: int) -> None:
    numbers = (one for one in range(OPEN) if one // ROWS_PER_PAGE % parts == part)
    store.write([_reading(number, tick) for number in numbers])


def _reports(store: UsageStore) -> Iterator[str]:
    with StoredUsage(store.folder) as stored:
        cpu, _ = _timed(lambda: stored.unsent(0, OPEN))
        yield f"reading a batch: {cpu / OPEN * 1e6:.1f} µs per connection"
        count = stored.unsent_count(0)
        yield f"{stored.used_bytes() / count:.0f} bytes per connection on the disk"


def _timed(job: Callable[[], object]) -> tuple[float, float]:
    cpu, began = time.process_time(), time.perf_counter()
    job()
    return time.process_time() - cpu, time.perf_counter() - began
