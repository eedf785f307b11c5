"""Fault 17: half an hour of load. No error, and neither memory nor open files grow."""

import os
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.crash.portal import Portal
from tests.stories.stack import within

SECONDS = float(os.environ.get("SOAK_SECONDS", "1800"))
REQUESTS_PER_SECOND = 50
CLIENTS = 10
SOCKETS = 200
SAMPLES = 60
MAX_GROWTH = 1.05  # of the memory, from the second quarter to the last
MAX_MORE_FILES = 30  # connections that threads and clients keep open
PATHS = (
    "/api/service/{echo}",
    "/api/service/{echo}/version/1/backend",
    "/api/enabled-products/v1/websockets/services/{echo}",
    "/api/events?page[size]=20",
    "/api/tokens",
)


class Sample(NamedTuple):
    """Memory and open files of a process and its children."""

    kilobytes: int
    files: int


class Client(threading.Thread):
    """Reads at a steady rate, and keeps statuses and durations."""

    def __init__(self, portal: Portal, number: int, ended: threading.Event) -> None:
        """Start it."""
        super().__init__(name=f"soak {number}", daemon=True)
        self.statuses: Counter[int] = Counter()
        self.seconds: list[float] = []
        self._portal = portal
        self._chance = random.Random(number)
        self._ended = ended
        self.start()

    def run(self) -> None:
        """Ask until the end; a request that is late is not made up for."""
        echo = self._portal.stack.service("echo")
        while not self._ended.wait(CLIENTS / REQUESTS_PER_SECOND):
            path = self._chance.choice(PATHS).format(echo=echo)
            began = time.monotonic()
            status, _ = self._portal.stack.api("GET", path)
            self.seconds.append(time.monotonic() - began)
            self.statuses[status] += 1


def sample(process: int) -> Sample:
    """Measure a process and its children."""
    listed = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    members = [process, *map(int, listed)]
    return Sample(
        sum(_kilobytes(each) for each in members),
        sum(len(list(Path(f"/proc/{each}/fd").iterdir())) for each in members),
    )


def _kilobytes(process: int) -> int:
    """Return the memory that the process does not share."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    (line,) = [each for each in lines if each.startswith("Pss:")]
    return int(line.split()[1])


def growth(samples: Sequence[Sample]) -> tuple[float, float]:
    """Return by what factor memory grew, and by how many the open files."""
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    kilobytes = [
        statistics.median(each.kilobytes for each in part) for part in (early, late)
    ]
    files = [statistics.median(each.files for each in part) for part in (early, late)]
    return kilobytes[1] / kilobytes[0], files[1] - files[0]


@pytest.mark.nightly
def test_under_load_there_is_no_error_and_nothing_grows(
    portal, real_edge, swarm_at, note_figures
):
    edge = real_edge("--poll-seconds", "1", "--report-seconds", "5")
    swarm = swarm_at(edge, clients=SOCKETS, seed=1, lives=600.0, pause=4.0)
    within(120, "all sockets are open", lambda: swarm.open_now >= SOCKETS * 0.9)
    ended = threading.Event()
    clients = [Client(portal, number, ended) for number in range(CLIENTS)]
    taken: dict[str, list[Sample]] = {"web": [], "edge": []}

    for _ in range(SAMPLES):
        time.sleep(SECONDS / SAMPLES)
        taken["web"].append(sample(portal.process.pid))
        taken["edge"].append(sample(edge.process_id))
    ended.set()
    for each in clients:
        each.join(60)
    swarm.stop()

    statuses = sum((each.statuses for each in clients), Counter())
    seconds = sorted(each for client in clients for each in client.seconds)
    p95 = seconds[len(seconds) * 95 // 100]
    grown = {name: growth(samples) for name, samples in taken.items()}
    note_figures(
        f"{len(seconds)} requests in {SECONDS:g} s, p95 {p95 * 1000:.0f} ms (goal: 150); "
        f"{len(swarm.opened)} sockets; growth of memory and files: "
        + ", ".join(
            f"{name} x {memory:.3f}, {files:+g}"
            for name, (memory, files) in grown.items()
        )
    )
    assert set(statuses) == {200}
    assert all(each.ended_at and each.status == 101 for each in swarm.opened)
    for memory, files in grown.values():
        assert memory <= MAX_GROWTH
        assert files <= MAX_MORE_FILES
