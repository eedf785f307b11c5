"""Compares what clients saw with what the portal counts, one connection at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.crash.portal import Row
from tests.crash.swarm import ANSWER, APART, MESSAGE, SHORTEST, Attempt, Swarm

# A tick that a busy machine holds up, and a last reading that it has not written yet.
LATE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Kill:
    """What was killed, when, and when everything served again; of the monotonic clock."""

    what: str
    at: float
    over_at: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of a run."""

    attempts: int
    opened: int
    unseen: int  # counted, though no client saw the 101: it was cut off on its way
    cut: int  # of those opened, ended by a kill
    worst_loss_seconds: float

    def __str__(self) -> str:
        return (
            f"{self.opened} connections in {self.attempts} attempts, {self.cut} of them cut, "
            f"{self.unseen} counted that nobody saw; most lost {self.worst_loss_seconds:.2f} s"
        )


def judged(
    swarm: Swarm, rows: Sequence[Row], kills: Sequence[Kill], tick_seconds: float
) -> Figures:
    """Hold every connection against its row; fails at the first that does not fit.

    Nothing is unknown, nothing counted twice, never more than what passed, and never less than
    what the client had seen a tick before the kill. What ended in peace is exact.
    """
    by_number = {_number_of(row): row for row in rows}
    assert len(by_number) == len(rows), "a connection is counted twice"
    tries = {attempt.number: attempt for attempt in swarm.attempts}
    opened = {attempt.number for attempt in swarm.opened}
    assert opened <= by_number.keys(), "a client saw a 101 of which nobody knows"
    assert by_number.keys() <= tries.keys()
    assert {attempt.status for attempt in swarm.attempts} <= {0, 101}
    assert all(_kills_near(*times, kills) for times in swarm.refused), "nobody listened"
    losses = [0.0]
    for number, attempt in tries.items():
        row = by_number.get(number)
        if row is not None:
            _check_above(attempt, row)
        struck = _kills_near(attempt.last_word_at, attempt.ended_at, kills)
        assert attempt.left_at or struck, f"nothing was killed that can end {attempt}"
        if row is not None and attempt.opened_at:
            losses.append(_loss(attempt, row, struck))
    lost = max(losses)
    assert lost <= tick_seconds + LATE_SECONDS, f"{lost} s of a connection are lost"
    return Figures(
        attempts=len(tries),
        opened=len(opened),
        unseen=len(by_number.keys() - opened),
        cut=sum(not attempt.left_at for attempt in swarm.opened),
        worst_loss_seconds=lost,
    )


def _number_of(row: Row) -> int:
    number, rest = divmod((row.bytes_from_client - SHORTEST) % MESSAGE, APART)
    assert rest == 0, f"bytes that no client sent: {row}"
    return number


def _check_above(attempt: Attempt, row: Row) -> None:
    """Fail where more is counted than what passed."""
    assert row.final, (attempt, row)
    assert row.bytes_from_client <= attempt.request + attempt.sent, (attempt, row)
    # Nothing comes back that was not sent before.
    echoed = row.bytes_to_client - ANSWER
    assert echoed <= row.bytes_from_client - attempt.request, (attempt, row)
    assert row.duration_us / 1e6 <= attempt.ended_at - attempt.began_at, (attempt, row)


def _kills_near(began_at: float, ended_at: float, kills: Sequence[Kill]) -> list[Kill]:
    """Return the kills that can have ended something, or the counting of its end.

    A connection whose process is killed while its client sleeps looks to it like one that the
    other side has closed in order.
    """
    return [
        kill
        for kill in kills
        if kill.at <= ended_at + LATE_SECONDS
        and began_at <= kill.over_at + LATE_SECONDS
    ]


def _loss(attempt: Attempt, row: Row, struck: Sequence[Kill]) -> float:
    """Return the seconds at a connection's end of which nothing is counted.

    Where no kill came near there are none: the row says all that the client knows.
    """
    if not struck:
        assert row.bytes_from_client == attempt.request + attempt.sent, (attempt, row)
        assert row.bytes_to_client == attempt.received, (attempt, row)
        lasted = attempt.left_at - attempt.opened_at
        assert lasted <= row.duration_us / 1e6, (attempt, row)
        return 0.0
    until = min(attempt.left_at or attempt.ended_at, struck[-1].at)
    uncounted = [at for at, total in attempt.seen if total > row.bytes_to_client]
    counted_until = min(uncounted, default=until)
    lasted = until - attempt.opened_at
    return max(0.0, until - counted_until, lasted - row.duration_us / 1e6)
