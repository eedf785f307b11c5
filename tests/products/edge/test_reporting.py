"""When an edge reports: at its usual pace, and with longer pauses only while nothing arrives."""

import asyncio

from products.edge.portal_client import PortalUnreachable
from products.edge.reporting import ReportLoop


class PlanOverError(Exception):
    """The reporter has run as often as was planned."""


class Reporter:
    """Each run carries out one item of a plan: how many batches arrive, and what then fails."""

    answers = 0

    def __init__(self, plan):
        self.plan = list(plan)

    def run(self, is_live, *, is_writable):
        arriving, failure = self.plan.pop(0)
        self.answers += arriving
        if failure is not None:
            raise failure


def pauses_of(plan, *, seconds=1.0):
    pauses = []
    reporter = Reporter(plan)

    async def sleep(pause):
        pauses.append(pause)
        if not reporter.plan:
            raise PlanOverError

    reporting = ReportLoop(reporter, seconds, sleep=sleep)
    try:
        asyncio.run(reporting.forever(lambda boot: True, lambda: True))
    except PlanOverError:
        return pauses


AWAY = PortalUnreachable("away")


def test_while_all_arrives_the_pauses_are_the_usual_ones():
    assert pauses_of([(1, None), (0, None), (3, None)]) == [1, 1, 1]


def test_while_nothing_arrives_the_pauses_grow_to_a_quarter_of_a_minute():
    assert pauses_of([(0, AWAY)] * 6) == [2, 4, 8, 15, 15, 15]


def test_a_full_disk_is_waited_for_too():
    assert pauses_of([(0, OSError("full"))] * 2) == [2, 4]


def test_a_fault_of_our_own_ends_no_reports_to_come():
    assert pauses_of([(0, KeyError("gone")), (1, None)]) == [2, 1]


def test_where_a_part_arrives_the_rest_waits_no_longer_than_usual():
    plan = [(0, AWAY), (0, AWAY), (2, AWAY), (1, AWAY), (0, AWAY)]

    assert pauses_of(plan) == [2, 4, 1, 1, 2]


def test_a_slow_pace_is_not_made_quicker():
    assert pauses_of([(0, AWAY), (1, None)], seconds=60.0) == [60, 60]
