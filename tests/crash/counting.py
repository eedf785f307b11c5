"""Compares the portal's rows with the edge's usage store at the end of a run."""

from tests.crash.edges import RealEdge
from tests.crash.portal import Portal, Row
from tests.stories.stack import within

COUNTED_SECONDS = 90.0


def all_are_final(portal: Portal, edge: RealEdge, opened: int) -> None:
    """Wait until the portal has so many connections of an edge, all of them final."""
    rows: list[Row] = []

    def final() -> bool:
        rows[:] = portal.rows(edge.name)
        return len(rows) >= opened and all(row.final for row in rows)

    def how_far() -> str:
        open_still = sum(not row.final for row in rows)
        return (
            f"all {opened} connections are final: {len(rows)} there, {open_still} open"
        )

    within(COUNTED_SECONDS, how_far, final)


def final_rows(portal: Portal, edge: RealEdge, opened: int) -> list[Row]:
    """Wait until all opened connections are final, stop the edge, and return the portal's rows.

    Fails if they differ from the usage store, or if one is in dispute.
    """
    all_are_final(portal, edge, opened)
    assert edge.stop() == 0
    rows = portal.rows(edge.name)
    differing = set(rows) ^ set(edge.stored())
    assert not differing, f"the portal and the usage store differ: {sorted(differing)}"
    assert portal.disputes(edge.name) == 0
    assert "Traceback" not in edge.log()
    return rows
