"""Compares what clients saw with what the portal recorded, one connection at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.crash.portal import Row
from tests.crash.swarm import ANSWER, APART, MESSAGE, SHORTEST, Attempt, Swarm

# On a busy machine a tick is late, and the last reading may not be written yet.
LATE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Kill:
    """What was killed, when, and when everything served again, on the monotonic clock."""

    what: str
    at: float
    over_at: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of a run."""

    attempts: int
    opened: int
    unseen: int  # recorded, although no client saw the 101: it was lost on the way
    cut: int  # opened, and closed by a kill
    worst_loss_seconds: float

    def __str__(self) -> str:
        return (
            f"{self.opened} connections in {self.attempts} attempts, {self.cut} of them cut, "
            f"{self.unseen} recorded that no client saw; at most {self.worst_loss_seconds:.2f} s lost"
        )


def check_outcome(
    swarm: Swarm, rows: Sequence[Row], kills: Sequence[Kill], tick_seconds: float
) -> Outcome:
    """Compare every connection with its row; fail at the first that differs.

    No connection is unknown or counted twice. A row never has more than what passed, and never less
    than what the client had seen one tick before a kill. Without a kill it is exact.
    """
    by_number = {_number_of(row): row for row in rows}
    assert len(by_number) == len(rows), "a connection is counted twice"
    tries = {attempt.number: attempt for attempt in swarm.attempts}
    opened = {attempt.number for attempt in swarm.opened}
    assert opened <= by_number.keys(), "a client saw a 101 that is not recorded"
    assert by_number.keys() <= tries.keys()
    assert {attempt.status for attempt in swarm.attempts} <= {0, 101}
    assert all(_kills_near(*times, kills) for times in swarm.refused), (
        "an edge without a kill did not listen"
    )
    losses = [0.0]
    for number, attempt in tries.items():
        row = by_number.get(number)
        if row is not None:
            _check_above(attempt, row)
        kills_near = _kills_near(attempt.last_seen_at, attempt.ended_at, kills)
        assert attempt.left_at or kills_near, f"no kill can have closed {attempt}"
        if row is not None and attempt.opened_at:
            losses.append(_loss(attempt, row, kills_near))
    lost = max(losses)
    assert lost <= tick_seconds + LATE_SECONDS, f"{lost} s of a connection are lost"
    return Outcome(
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
    """Fail if more is recorded than what passed."""
    assert row.final, (attempt, row)
    assert row.bytes_from_client <= attempt.request + attempt.sent, (attempt, row)
    # The origin sends back only what it received.
    echoed = row.bytes_to_client - ANSWER
    assert echoed <= row.bytes_from_client - attempt.request, (attempt, row)
    assert row.duration_us / 1e6 <= attempt.ended_at - attempt.began_at, (attempt, row)


def _kills_near(began_at: float, ended_at: float, kills: Sequence[Kill]) -> list[Kill]:
    """Return the kills that can have closed a connection, or lost its last reading.

    If the process is killed while its client sleeps, the client sees an orderly close.
    """
    return [
        kill
        for kill in kills
        if kill.at <= ended_at + LATE_SECONDS
        and began_at <= kill.over_at + LATE_SECONDS
    ]


def _loss(attempt: Attempt, row: Row, kills_near: Sequence[Kill]) -> float:
    """Return the seconds at a connection's end that are not recorded.

    Without a kill nearby there are none, and the row equals what the client saw.
    """
    if not kills_near:
        assert row.bytes_from_client == attempt.request + attempt.sent, (attempt, row)
        assert row.bytes_to_client == attempt.received, (attempt, row)
        duration = attempt.left_at - attempt.opened_at
        assert duration <= row.duration_us / 1e6, (attempt, row)
        return 0.0
    until = min(attempt.left_at or attempt.ended_at, kills_near[-1].at)
    uncounted = [at for at, total in attempt.seen if total > row.bytes_to_client]
    counted_until = min(uncounted, default=until)
    duration = until - attempt.opened_at
    return max(0.0, until - counted_until, duration - row.duration_us / 1e6)
