"""The link to the portal: which table the edge follows, and when it reports."""

import asyncio
from typing import Any

import pytest

from products.edge.contract import FORMAT, EdgeStatus, RouteTable
from products.edge.errors import PortalUnreachable
from products.edge.portal import PortalLink
from products.edge.settings import VERSION, Settings

SECONDS = 1.0
AWAY = PortalUnreachable("away")
OLD, NEW = RouteTable(FORMAT, 1, ()), RouteTable(FORMAT, 2, ())


def settings(folder, *, report_seconds=SECONDS):
    return Settings(
        name="edge-1",
        portal="http://portal.test",
        credential_file="",
        data_dir=str(folder),
        report_seconds=report_seconds,
    )


class Client:
    """A portal that responds with what a test gives it, or raises it."""

    def __init__(self, *responses):
        self.responses = list(responses)
        self.etags = []
        self.statuses = []
        self.renewal_is_due = False

    def routes(self, etag, status):
        self.etags.append(etag)
        self.statuses.append(status)
        response = self.responses.pop(0)
        if isinstance(response, Exception):
            raise response
        return response

    def usage(self, report):
        raise AssertionError("no test reports through it")


@pytest.fixture
def link(tmp_path):
    return lambda *responses: PortalLink(settings(tmp_path), Client(*responses))


async def test_a_new_table_is_returned_and_kept_for_the_next_start(link):
    first = link((OLD, "1"), None)

    assert await first.poll(EdgeStatus()) == OLD
    await first.save()
    assert await first.poll(EdgeStatus()) is None

    assert first._client.etags == ["", "1"]
    second = link(None)
    assert second.table == OLD
    await second.poll(EdgeStatus())
    assert second._client.etags == ["1"]


async def test_the_last_table_stays_while_the_portal_is_unreachable(link):
    one = link((OLD, "1"), AWAY, None)

    tables = [await one.poll(EdgeStatus()) for _ in range(3)]

    assert tables == [OLD, None, None]
    assert one.table == OLD
    assert one._client.etags == ["", "1", "1"]


async def test_a_table_that_is_rejected_is_requested_again(link):
    one = link((OLD, "1"), (OLD, "1"))

    one.reject(await one.poll(EdgeStatus()), "not followed")

    assert await one.poll(EdgeStatus()) == OLD
    assert one._client.etags == ["", ""]


async def test_a_rejected_table_that_was_followed_by_a_newer_one_is_forgotten(link):
    one = link((OLD, "1"), (NEW, "2"), None)
    old = await one.poll(EdgeStatus())
    await one.poll(EdgeStatus())

    one.reject(old, "not followed")
    await one.poll(EdgeStatus())

    assert one._client.etags == ["", "1", "2"]


async def test_a_table_that_cannot_be_read_back_is_requested_again(link, tmp_path):
    (tmp_path / "routes.json").write_bytes(b"{")

    one = link((OLD, "1"))

    assert one.table is None
    assert await one.poll(EdgeStatus()) == OLD


async def test_a_disk_that_does_not_take_the_table_changes_nothing_else(link, tmp_path):
    (tmp_path / "routes.json").mkdir()
    one = link((OLD, "1"), None)

    await one.poll(EdgeStatus())
    await one.save()

    assert (one.table, await one.poll(EdgeStatus())) == (OLD, None)


async def test_the_status_is_the_engines_and_the_reporters(link):
    one = link(None)

    await one.poll(EdgeStatus(engine="embedded", revision=7))

    (status,) = one._client.statuses
    assert (status.engine, status.revision, status.version) == ("embedded", 7, VERSION)
    assert status.at > 0
    assert status.unsent_bytes == 0


class Reporter:
    """Each run carries out one item of a plan: how many batches arrive, and what then fails."""

    def __init__(self, plan):
        self.answers = 0
        self.plan = plan

    def run(self, is_running, *, is_writable):
        arriving, failure = self.plan.pop(0)
        self.answers += arriving
        if failure is not None:
            raise failure


def pauses_of(folder, plan, *, seconds=SECONDS):
    link: Any = PortalLink(settings(folder, report_seconds=seconds), Client())
    link.reporter = Reporter(list(plan))

    async def scenario():
        return [await link.report(bool, is_writable=True) for _ in plan]

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    "plan, pauses",
    [
        pytest.param([(1, None), (0, None), (3, None)], [1, 1, 1], id="all arrives"),
        pytest.param([(0, AWAY)] * 6, [2, 4, 8, 15, 15, 15], id="nothing arrives"),
        pytest.param([(0, OSError("full"))] * 2, [2, 4], id="a full disk"),
        pytest.param([(0, KeyError("x")), (1, None)], [2, 1], id="a fault of its own"),
        pytest.param(
            [(0, AWAY), (0, AWAY), (2, AWAY), (1, AWAY), (0, AWAY)],
            [2, 4, 1, 1, 2],
            id="a part arrives",
        ),
    ],
)
def test_the_pause_grows_only_while_nothing_arrives(tmp_path, plan, pauses):
    assert pauses_of(tmp_path, plan) == pauses


def test_a_long_pause_is_not_shortened(tmp_path):
    assert pauses_of(tmp_path, [(0, AWAY), (1, None)], seconds=60.0) == [60, 60]
