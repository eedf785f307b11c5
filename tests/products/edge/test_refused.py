"""Reports that are refused: nothing is given up for it, and one bad record keeps back no other."""

import json

import pytest

from products.edge.journal import read_entry
from products.edge.portal_client import PortalErrorResponse, PortalUnreachable
from products.edge.spool import records
from tests.products.edge.test_reporter import (
    Receiver,
    live,
    reporter_for,
    write_history,
)

POISON = "edge-1.BOOT.13"


def refusing(report):
    """Refuse one record, in the portal's own words."""
    ids = [one.id for one in report.connections]
    if POISON not in ids:
        return None
    return bad_request(f"report.connections[{ids.index(POISON)}].month: not a month")


def bad_request(detail):
    body = {"msg": "Bad request", "detail": detail}
    return PortalErrorResponse(400, json.dumps(body).encode())


def set_aside(folder):
    path = folder / "BOOT" / "refused.records"
    entries = [read_entry(payload) for payload, _ in records(path.read_bytes())]
    return [(entry.number, entry.duration_us) for entry in entries]


def test_a_record_the_portal_cannot_read_is_set_aside_and_the_rest_arrives(tmp_path):
    expected = write_history(tmp_path)
    receiver = Receiver(fails=refusing)
    reporter = reporter_for(tmp_path, receiver)

    reporter.run(live)

    assert receiver.totals == {k: v for k, v in expected.items() if k[0] != POISON}
    assert set_aside(tmp_path) == [(13, 7_000_000)]  # of many readings the last
    assert reporter.status()["records_refused"] == 1


@pytest.mark.parametrize(
    "refusal",
    [
        PortalErrorResponse(400, b""),
        PortalErrorResponse(400, b"<h1>Bad Request</h1>"),
        PortalErrorResponse(400, b'{"msg":"Bad request"}'),
        PortalErrorResponse(400, b'{"detail":["report.connections[0]"]}'),
        PortalErrorResponse(413, b'{"detail":"report.connections[0]: no"}'),
        bad_request("report.edge: not the edge of this credential"),
        bad_request("report: unknown connections[0]"),
        PortalErrorResponse(413, b""),
    ],
    ids=str,
)
def test_a_refusal_of_any_other_kind_gives_nothing_up(tmp_path, refusal):
    expected = write_history(tmp_path)
    receiver = Receiver(fails=lambda report: refusal)
    reporter = reporter_for(tmp_path, receiver)

    with pytest.raises(PortalErrorResponse):
        reporter.run(live)
    waited = reporter.status()["spool_waiting_bytes"]
    receiver.fails = lambda report: None
    reporter.run(live)

    assert waited > 0
    assert receiver.totals == expected
    assert not (tmp_path / "BOOT" / "refused.records").exists()


def test_who_takes_no_empty_report_is_not_believed(tmp_path):
    write_history(tmp_path)
    receiver = Receiver(
        fails=lambda report: refusing(report) or PortalErrorResponse(403, b"")
    )
    reporter = reporter_for(tmp_path, receiver)

    with pytest.raises(PortalErrorResponse):
        reporter.run(live)

    assert reporter.status()["spool_waiting_bytes"] > 0
    assert not (tmp_path / "BOOT" / "refused.records").exists()


def test_what_was_set_aside_is_offered_again_at_the_next_start(tmp_path):
    expected = write_history(tmp_path)
    receiver = Receiver(fails=refusing)
    before = reporter_for(tmp_path, receiver)
    before.run(live)
    receiver.fails = lambda report: None  # a later portal reads it

    before.run(live)
    not_yet = before.status()
    after = reporter_for(tmp_path, receiver)
    after.run(live)

    assert receiver.totals == expected
    assert (not_yet["records_refused"], not_yet["complete_to"]) == (1, 0)
    status = after.status()
    assert (status["records_refused"], status["complete_to"]) == (0, 1e9)
    assert not (tmp_path / "BOOT" / "refused.records").exists()


def test_what_is_still_refused_at_the_next_start_stays(tmp_path):
    write_history(tmp_path)
    receiver = Receiver(fails=refusing)
    reporter_for(tmp_path, receiver).run(live)

    again = reporter_for(tmp_path, receiver)
    again.run(live)

    assert set_aside(tmp_path) == [(13, 7_000_000)]
    assert again.status()["records_refused"] == 1


def test_a_start_without_the_portal_forgets_nothing_that_was_set_aside(tmp_path):
    write_history(tmp_path)
    receiver = Receiver(fails=refusing)
    reporter_for(tmp_path, receiver).run(live)
    receiver.fails = lambda report: PortalUnreachable("away")
    again = reporter_for(tmp_path, receiver)

    with pytest.raises(PortalUnreachable):
        again.run(live)

    assert set_aside(tmp_path) == [(13, 7_000_000)]
    assert again.status()["records_refused"] == 1
