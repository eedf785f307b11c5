"""Usage records that the portal rejects: one bad record holds up no other."""

import contextlib
import json
import sqlite3

import pytest

from products.edge.errors import PortalErrorResponse, PortalUnreachable
from tests.products.edge.usage.test_reporter import (
    Client,
    reporter_for,
    running,
    store_of,
    unsent_bytes,
    write_history,
    written,
)
from tests.products.edge.usage.test_store import reading

POISON = "edge-1.INSTANCE.13"


def refusing(report):
    """Refuse one record, in the portal's own words."""
    ids = [one.id for one in report.connections]
    if POISON not in ids:
        return None
    return bad_request(f"connections[{ids.index(POISON)}].month: not a month")


def bad_request(detail):
    body = {"msg": "Bad request", "detail": detail}
    return PortalErrorResponse(400, json.dumps(body).encode())


def quarantined(root):
    kept = json.loads((root.parent / "reports.json").read_bytes())
    return [(instance, row[0], row[4]) for instance, row in kept["quarantined"]]


def test_a_record_the_portal_rejects_is_quarantined_and_the_rest_arrives(root):
    expected = write_history(root)
    client = Client(fails=refusing)
    reporter = reporter_for(root, client)

    reporter.run(running)

    assert client.totals == {k: v for k, v in expected.items() if k[0] != POISON}
    assert quarantined(root) == [("INSTANCE", 13, 7_000_000)]
    assert reporter.status()["quarantined_records"] == 1


@pytest.mark.parametrize(
    "refusal",
    [
        PortalErrorResponse(400, b""),
        PortalErrorResponse(400, b"<h1>Bad Request</h1>"),
        PortalErrorResponse(400, b'{"msg":"Bad request"}'),
        PortalErrorResponse(400, b'{"detail":["connections[0]"]}'),
        PortalErrorResponse(413, b'{"detail":"connections[0]: no"}'),
        bad_request("report.edge: not the edge of this credential"),
        bad_request("report: unknown connections[0]"),
        PortalErrorResponse(413, b""),
    ],
    ids=str,
)
def test_any_other_error_quarantines_nothing(root, refusal):
    expected = write_history(root)
    client = Client(fails=lambda report: refusal)
    reporter = reporter_for(root, client)

    with pytest.raises(PortalErrorResponse):
        reporter.run(running)
    waited = unsent_bytes(reporter)
    client.fails = lambda report: None
    reporter.run(running)

    assert waited > 0
    assert client.totals == expected
    assert quarantined(root) == []


def test_an_answer_that_comes_with_an_empty_report_too_quarantines_nothing(root):
    write_history(root)
    client = Client(
        fails=lambda report: refusing(report) or PortalErrorResponse(403, b"")
    )
    reporter = reporter_for(root, client)

    with pytest.raises(PortalErrorResponse):
        reporter.run(running)

    assert unsent_bytes(reporter) > 0
    assert quarantined(root) == []


def test_what_is_quarantined_is_sent_again_at_the_next_start(root):
    expected = write_history(root)
    client = Client(fails=refusing)
    before = reporter_for(root, client)
    before.run(running)
    client.fails = lambda report: None  # a later portal reads it

    before.run(running)
    not_yet = before.status()
    after = reporter_for(root, client, now=1e9)
    after.run(running)

    assert client.totals == expected
    assert (not_yet["quarantined_records"], not_yet["complete_to"]) == (1, 0)
    status = after.status()
    assert (status["quarantined_records"], status["complete_to"]) == (0, 1e9)
    assert quarantined(root) == []


def test_what_is_still_rejected_at_the_next_start_stays(root):
    write_history(root)
    client = Client(fails=refusing)
    reporter_for(root, client).run(running)

    again = reporter_for(root, client)
    again.run(running)

    assert quarantined(root) == [("INSTANCE", 13, 7_000_000)]
    assert again.status()["quarantined_records"] == 1


def test_a_start_without_the_portal_releases_nothing(root):
    write_history(root)
    client = Client(fails=refusing)
    reporter_for(root, client).run(running)
    client.fails = lambda report: PortalUnreachable("away")
    again = reporter_for(root, client)

    with pytest.raises(PortalUnreachable):
        again.run(running)

    assert quarantined(root) == [("INSTANCE", 13, 7_000_000)]
    assert again.status()["quarantined_records"] == 1


def test_a_row_that_is_no_reading_is_quarantined_and_the_rest_arrives(root):
    store = store_of(root)
    store.write([reading(1), reading(2), reading(3)])
    with contextlib.closing(sqlite3.connect(root / "INSTANCE" / "usage.db")) as editor:
        editor.execute("UPDATE connection SET duration_us = -5 WHERE number = 2")
        editor.commit()
    client = Client()
    reporter = reporter_for(root, client)

    reporter.run(running)
    again = reporter_for(root, client)
    again.run(running)
    store.close()

    assert sorted(one for one, _ in client.totals) == [
        "edge-1.INSTANCE.1",
        "edge-1.INSTANCE.3",
    ]
    assert [one.status()["quarantined_records"] for one in (reporter, again)] == [1, 1]


def test_a_reading_whose_number_has_96_bits_is_offered_whole(root):
    written(root, reading(2**96 - 1))
    poison = f"edge-1.INSTANCE.{2**96 - 1}"
    client = Client(
        fails=lambda report: (
            bad_request("connections[0].month: not a month")
            if report.connections
            else None
        )
    )
    reporter_for(root, client).run(running)
    client.fails = lambda report: None

    reporter_for(root, client).run(running)

    assert [one for one, _ in client.totals] == [poison]
    assert quarantined(root) == []


def test_a_record_is_quarantined_once(root):
    written(root, reading(13))
    client = Client(fails=refusing)
    reporter_for(root, client).run(running)
    client.epoch = "two"

    again = reporter_for(root, client)
    again.run(running)
    again.run(running)

    assert len(quarantined(root)) == 1


def test_a_file_that_cannot_be_read_holds_up_nothing_and_is_not_replaced(root):
    """What it has is used as soon as it can be read."""
    expected = write_history(root)
    client = Client(fails=refusing)
    reporter_for(root, client).run(running)
    path, aside = root.parent / "reports.json", root.parent / "aside"
    path.rename(aside)
    path.mkdir()
    client.totals.clear()
    client.fails = lambda report: None
    again = reporter_for(root, client)

    again.run(running)
    arrived = dict(client.totals)
    complete_to = again.status()["complete_to"]
    path.rmdir()
    aside.rename(path)
    again.run(running)

    assert (arrived, complete_to) == (expected, 0)
    assert quarantined(root) == [("INSTANCE", 13, 7_000_000)]
    assert again.status()["quarantined_records"] == 1
