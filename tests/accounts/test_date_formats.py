"""Dates and times as people read them: in their format, their zone, and with its name."""

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from accounts.date_formats import (
    DateFormat,
    day_of_year_text,
    day_text,
    minute_text,
    read_as,
    second_text,
    weekday_text,
)
from tests.architecture.source import ROOT

AT = datetime(2026, 3, 8, 14, 5, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("America/Sao_Paulo", "18 March 2026, 11:05:20 UTC-03"),
        ("Asia/Kathmandu", "18 March 2026, 19:50:20 UTC+05:45"),
        ("Europe/London", "18 March 2026, 14:05:20 GMT"),
    ],
)
def test_a_zone_without_a_name_in_daily_use_has_its_offset(zone, text):
    at = datetime(2026, 3, 18, 14, 5, 20, tzinfo=UTC)

    assert second_text(at, ZoneInfo(zone)) == text


@pytest.mark.parametrize(
    ("chosen", "texts"),
    [
        (
            "",
            [
                "8 March 2026, 15:05:20 CET",
                "8 March 2026, 15:05 CET",
                "8 Mar 2026",
                "8 Mar",
                "Sunday, 8 March 2026",
            ],
        ),
        (
            DateFormat.ISO,
            [
                "2026-03-08 15:05:20 CET",
                "2026-03-08 15:05 CET",
                "2026-03-08",
                "03-08",
                "Sunday, 2026-03-08",
            ],
        ),
        (
            DateFormat.GERMAN,
            [
                "8.3.2026 15:05:20 CET",
                "8.3.2026 15:05 CET",
                "8.3.2026",
                "8.3.",
                "Sunday, 8.3.2026",
            ],
        ),
        (
            DateFormat.DAY_FIRST,
            [
                "08/03/2026 15:05:20 CET",
                "08/03/2026 15:05 CET",
                "08/03/2026",
                "08/03",
                "Sunday, 08/03/2026",
            ],
        ),
        (
            DateFormat.MONTH_FIRST,
            [
                "03/08/2026 15:05:20 CET",
                "03/08/2026 15:05 CET",
                "03/08/2026",
                "03/08",
                "Sunday, 03/08/2026",
            ],
        ),
    ],
)
def test_a_date_is_as_its_reader_chose(chosen, texts):
    with read_as(chosen, "Europe/Berlin"):
        found = [
            second_text(AT),
            minute_text(AT),
            day_text(AT),
            day_of_year_text(AT),
            weekday_text(AT),
        ]

    assert found == texts


def test_a_day_of_no_time_is_in_no_zone():
    with read_as("iso", "Asia/Tokyo"):
        assert day_text(date(2026, 3, 8)) == "2026-03-08"
        assert day_text(datetime(2026, 3, 8, 20, tzinfo=UTC)) == "2026-03-09"


def test_a_format_ends_with_its_block_and_blocks_nest():
    with read_as("iso"), read_as(""):
        inner = day_text(AT)

    assert inner == day_text(AT) == "8 Mar 2026"


def test_pages_write_no_date_in_another_way():
    """Invoices as PDF are the same for every reader."""
    pages = [
        path
        for layer in ("accounts", "products")
        for path in (ROOT / layer / "web").rglob("*.py")
        if path.name != "invoice_pdf.py"
    ]

    assert pages
    assert [
        path for path in pages if re.search("%[aAbBdDmyY]", path.read_text("utf-8"))
    ] == []


def test_a_person_sees_what_each_format_looks_like():
    assert [each.sample for each in DateFormat] == [
        "3 November 2026, 14:05",
        "2026-11-03 14:05",
        "3.11.2026 14:05",
        "03/11/2026 14:05",
        "11/03/2026 14:05",
    ]
