"""Usage reports over HTTP."""

import gzip
import json
import zlib
from typing import Any

import msgspec
import pytest
from django.test import Client

from accounts.tokens import digest
from products.edge.contract import UsageAnswer
from products.edge.errors import PortalErrorResponse
from products.metering.models import ConnectionUsage, DeliveryUsage, Edge
from tests.factories import NOW
from tests.factories.keys import key_of
from tests.products.metering.reports import delivery, record, report_of

PATH = "/api/edge/v1/usage"
SECRET = "an edge's credential"
MIB = 1024 * 1024


@pytest.fixture
def edge(db) -> Edge:
    return Edge.objects.create(name="edge-1", digest=digest(SECRET), created_at=NOW)


def post(body: bytes, secret: str = SECRET, **headers: str):
    return Client().post(
        PATH,
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"} | headers,
    )


def post_report(*records, **fields):
    return post(report_of(*records, **fields).to_bytes())


def test_a_report_is_stored_and_the_response_is_exact(edge):
    answer = post_report(record(), delivery())

    parsed = UsageAnswer.from_bytes(answer.content)
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        200,
        "application/json",
    )
    assert (parsed.accepted, parsed.unchanged, parsed.conflicts) == (2, 0, ())
    assert ConnectionUsage.objects.get().service == "service-1"
    assert DeliveryUsage.objects.get().requests == 3


def test_a_repeated_report_changes_nothing_and_a_contradiction_is_counted(edge):
    post_report(record(final=True))

    again = post_report(record(final=True)).json()
    disputed = post_report(record(duration_us=10**9), record(2)).json()

    epoch = again["ingest_epoch"]
    assert again == {
        "accepted": 0,
        "unchanged": 1,
        "conflicts": [],
        "ingest_epoch": epoch,
    }
    assert disputed == {
        "accepted": 1,
        "unchanged": 0,
        "conflicts": [
            {"id": record().id, "reason": "The report is higher than the final one."}
        ],
        "ingest_epoch": epoch,
    }


def test_a_gzipped_report_is_accepted(edge):
    body = gzip.compress(report_of(record()).to_bytes())

    answer = post(body, **{"Content-Encoding": "gzip"})

    assert answer.json()["accepted"] == 1


def a_report(**changes) -> dict:
    whole: dict[str, Any] = msgspec.to_builtins(report_of(record()))
    return whole | changes


def without(name: str) -> dict:
    return {key: value for key, value in a_report().items() if key != name}


def with_record(**changes) -> dict:
    fine = msgspec.to_builtins(report_of(record()))["connections"][0]
    return a_report(connections=[fine, fine | {"id": record(2).id} | changes])


@pytest.mark.parametrize(
    "document",
    [
        [],
        None,
        "report",
        {},
        without("edge"),
        without("instance"),
        without("sent_at"),
        a_report(unknown=1),
        a_report(sent_at="2026-11-22 at noon"),
        a_report(connections={}),
        a_report(connections=[[]]),
        a_report(delivery=[{}]),
        with_record(duration_us=-1),
        with_record(duration_us=1.0),
        with_record(duration_us="1"),
        with_record(duration_us=True),
        with_record(duration_us=2**64),
        with_record(final=1),
        with_record(month="2026-00"),
        with_record(started_at=None),
        with_record(id=7),
        with_record(id="a\0b"),
        with_record(id="\ud800"),
        with_record(id=record(edge="edge-2").id),
        with_record(extra=1),
    ],
)
def test_a_body_of_another_form_changes_nothing(edge, document):
    answer = post(json.dumps(document).encode())

    assert answer.status_code == 400
    assert answer.json()["msg"] == "Bad request"
    assert not ConnectionUsage.objects.exists()


def test_a_report_of_another_edge_is_forbidden(edge):
    answer = post_report(record(), edge="edge-2")

    assert (answer.status_code, answer.json()) == (
        403,
        {
            "msg": "You are not authorized to perform this action",
            "detail": "The report is not of the edge of this credential.",
        },
    )
    assert not ConnectionUsage.objects.exists()


def refused(answer) -> PortalErrorResponse:
    """Return the response as an edge parses it."""
    return PortalErrorResponse(answer.status_code, answer.content)


@pytest.mark.parametrize(
    "document",
    [
        with_record(final=1),
        with_record(month="2026-00"),
        with_record(id="a\0b"),
        a_report(delivery=[{}]),
    ],
)
def test_the_response_names_the_invalid_record(edge, document):
    assert refused(post(json.dumps(document).encode())).names_a_record


@pytest.mark.parametrize(
    "document",
    [[], {}, without("instance"), a_report(unknown=1), a_report(sent_at="at noon")],
)
def test_the_response_names_no_record_if_the_report_itself_is_invalid(edge, document):
    assert not refused(post(json.dumps(document).encode())).names_a_record


def test_a_response_of_another_component_names_no_record(edge, settings):
    settings.ALLOWED_HOSTS = ["portal.test"]
    body = json.dumps(with_record(final=1)).encode()

    answer = post(body, Host="another.test")

    assert answer.status_code == 400
    assert not refused(answer).names_a_record


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"edge": NaN}',
        b"[" * 100_000,
        b"9" * 100_000,
    ],
    ids=["empty", "cut", "not utf-8", "nan", "deep", "long number"],
)
def test_a_body_that_is_not_json_is_refused(edge, body):
    assert post(body).status_code == 400


WHOLE = gzip.compress(b"{}")


@pytest.mark.parametrize(
    "body,encoding,status",
    [
        (b"plain", "gzip", 400),
        (WHOLE[:-1], "gzip", 400),
        (WHOLE[:12], "gzip", 400),
        (WHOLE + WHOLE, "gzip", 400),
        (WHOLE + b"more", "gzip", 400),
        (b"", "gzip", 400),
        (zlib.compress(b"{}"), "deflate", 400),
        (WHOLE, "gzip, gzip", 400),
        (gzip.compress(b" " * (4 * MIB + 1)), "gzip", 413),
        (gzip.compress(b" " * 200 * MIB, compresslevel=1), "gzip", 413),
    ],
    ids=[
        "not gzip", "last byte cut", "cut", "two members", "tail", "empty", "deflate", "twice",
        "a byte too large", "bomb",
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_decompressed_within_the_limit_is_refused(
    edge, body, encoding, status
):
    answer = post(body, **{"Content-Encoding": encoding})

    assert answer.status_code == status


def test_a_body_above_the_limit_of_the_portal_is_refused(edge):
    assert post(b" " * (4 * MIB + 1)).status_code == 413


def test_a_report_has_at_most_five_thousand_records(edge):
    many = [record(number) for number in range(4_999)]

    fits = post_report(*many, delivery())
    above = post_report(*many, record(5_000), delivery())

    assert (fits.status_code, fits.json()["accepted"]) == (200, 5_000)
    assert above.status_code == 413
    assert ConnectionUsage.objects.count() == 4_999


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", f"Basic {SECRET}"])
def test_a_report_without_a_credential_is_refused(edge, header):
    body = report_of(record()).to_bytes()

    answer = post(body, Authorization=header)

    assert answer.status_code == 401
    assert not ConnectionUsage.objects.exists()


def test_an_api_token_and_a_revoked_credential_are_refused(edge, sam):
    body = report_of(record()).to_bytes()
    as_bearer = post(body, secret=key_of(sam))
    Edge.objects.update(revoked_at=NOW)

    assert (as_bearer.status_code, post(body).status_code) == (401, 401)
    assert not ConnectionUsage.objects.exists()


def test_usage_can_only_be_posted(edge):
    answer = Client().get(PATH, headers={"Authorization": f"Bearer {SECRET}"})

    assert answer.status_code == 405
