"""Reports of browsers about violations of the Content-Security-Policy."""

import json

import pytest
from django.test import Client

from portal import csp_reports

PAGE = "https://portal.test/join/a-secret-key/"
REPORT = {
    "document-uri": PAGE,
    "effective-directive": "script-src-elem",
    "blocked-uri": "https://evil.test/steal.js?token=a-secret-key",
}


@pytest.fixture(autouse=True)
def _nothing_was_logged(monkeypatch):
    monkeypatch.setattr(csp_reports, "_logged", set())


@pytest.fixture
def send(caplog):
    """Return a function that sends a report, and returns the status and the lines logged so far."""

    def post(body):
        text = body if isinstance(body, str) else json.dumps({"csp-report": body})
        response = Client(enforce_csrf_checks=True).post(
            "/csp-reports", text, content_type="application/csp-report"
        )
        lines = [each for each in caplog.records if each.name == csp_reports.__name__]
        return response.status_code, lines

    return post


def test_a_report_is_one_line_without_path_and_key(send):
    status, (line,) = send(REPORT)

    assert status == 204
    assert (line.directive, line.blocked) == ("script-src-elem", "evil.test")
    assert line.page == "/join/<str:key>/"
    assert "a-secret-key" not in str(vars(line))


def test_a_report_is_logged_once_and_another_kind_again(send):
    for _ in range(3):
        send(REPORT)
    _, lines = send(REPORT | {"blocked-uri": "inline"})

    assert [line.blocked for line in lines] == ["evil.test", "inline"]


def test_a_flood_of_kinds_logs_a_limited_number_of_lines(send):
    sent = [
        send(REPORT | {"blocked-uri": f"https://h{number}.test/"})
        for number in range(csp_reports.MAX_KINDS + 20)
    ]

    assert len(sent[-1][1]) == csp_reports.MAX_KINDS


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{",
        "[" * 8000,
        '{"csp-report": null}',
        {"blocked-uri": "inline"},
        REPORT | {"document-uri": "https://portal.test/no/such/page"},
        REPORT | {"blocked-uri": "http://[broken"},
        REPORT | {"blocked-uri": "x" * 9000},
    ],
)
def test_what_is_no_report_is_answered_and_not_logged(send, body):
    assert send(body) == (204, [])


def test_each_page_names_the_place_for_reports(db):
    policy = Client().get("/accounts/login/")["Content-Security-Policy"]

    assert "report-uri /csp-reports" in policy
