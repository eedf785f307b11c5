"""Filters and tags for amounts, times and states."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.template import Context, Template, TemplateSyntaxError
from django.test import RequestFactory
from django.utils import timezone

from products.web import template_tags

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 18, 14, 5, 20, tzinfo=UTC)


NBSP = "\N{NO-BREAK SPACE}"


def render(text: str, **context: object) -> str:
    html = Template("{% load tollgate %}" + text).render(
        Context({"now": NOW, **context})
    )
    return html.replace(NBSP, " ")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (999, "999"),
        (17_005_751, "17,005,751"),
        (-1_200, "-1,200"),
        (None, "unknown"),
    ],
)
def test_a_count_has_separators_and_unknown_is_not_zero(value, words):
    assert template_tags.thousands(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Decimal("0.6"), "0.60"),
        (Decimal("1234.5"), "1,234.50"),
        (Decimal("0.0028755"), "0.0028755"),
        (Decimal("1E+3"), "1,000.00"),
        (15, "15.00"),
        (None, "unknown"),
    ],
)
def test_an_amount_has_at_least_two_decimals_and_loses_none(value, words):
    assert template_tags.amount(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0 s"),
        (231, "3 min 51 s"),
        (timedelta(hours=25, minutes=3, seconds=9), "1 d 1 h"),
        (3600, "1 h"),
        (None, "unknown"),
    ],
)
def test_a_duration_is_shown_in_its_two_largest_units_on_one_line(value, words):
    assert template_tags.duration(value) == words.replace(" ", "\N{NO-BREAK SPACE}")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], ""),
        (["Ada"], "Ada"),
        (["Ada", "Grace"], "Ada and Grace"),
        (["A", "B", "C"], "A, B and C"),
    ],
)
def test_names_are_listed_as_in_a_sentence(names, words):
    assert template_tags.join_words(names) == words


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Linux",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18 like Mac OS X) Version/18 Safari/604.1",
            "Safari on iPhone",
        ),
        ("curl/8.5.0", "curl"),
        ("go-fastly/9.0", "go-fastly/9.0"),
        ("", "unknown"),
    ],
)
def test_a_browser_has_its_usual_name(agent, words):
    assert template_tags.browser(agent) == words


def test_a_list_can_offer_a_choice():
    assert template_tags.join_words(["Ada", "Grace"], "or") == "Ada or Grace"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (date(2025, 11, 3), "3 Nov 2025"),
        (datetime(2025, 11, 3, 0, 30, tzinfo=BERLIN), "2 Nov 2025"),
        (None, "unknown"),
    ],
)
def test_a_day_is_in_utc_without_a_time_zone(value, words):
    assert template_tags.plain_day(value).replace(NBSP, " ") == words


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=12), "12 s ago"),
        (timedelta(seconds=3599), "59 min ago"),
        (timedelta(hours=5, minutes=59), "5 h ago"),
        (timedelta(days=1), "1 day ago"),
        (timedelta(days=30), "30 days ago"),
        (timedelta(days=31), "15 Feb 2026"),
        (timedelta(minutes=-90), "in 1 h"),
        (timedelta(days=-12), "in 12 days"),
    ],
)
def test_a_time_is_relative_to_the_page(before, words):
    assert template_tags.ago(NOW - before, NOW).replace(NBSP, " ") == words


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("From 0.12 USD per GB, up to 100 GB", ["0.12_USD", "100_GB"]),
        ("0.60 USD for the first 10 million", ["0.60_USD", "10_million"]),
        ("version 1 USES, 12 services", []),
    ],
)
def test_an_amount_stays_on_a_line_with_its_unit(text, places):
    shown = template_tags.unbroken(text).replace(NBSP, "_")

    assert re.findall(r"\S*_\S*?(?=,|\s|$)", shown) == places


def test_a_line_ends_within_a_time_only_after_its_date():
    at = datetime(2026, 11, 3, 9, 5, tzinfo=UTC)
    html = Template("{% load tollgate %}{% minute_time at %}").render(
        Context({"at": at})
    )

    assert html.endswith(f">3{NBSP}November{NBSP}2026, 09:05{NBSP}UTC</time>")


def test_a_table_has_a_head():
    html = render("{% table_head 'Name' role %}", role="<b>")

    assert html == (
        '<thead><tr><th scope="col">Name</th>'
        '<th scope="col">&lt;b&gt;</th></tr></thead>'
    )


def test_a_relative_time_takes_the_focus_and_has_the_exact_time_in_its_title():
    html = render("{% relative_time at %}", at=NOW - timedelta(hours=5))

    assert html == (
        '<time datetime="2026-03-18T09:05:20Z" title="18 March 2026, 09:05:20 UTC" tabindex="0">5 h ago</time>'
    )


def test_a_relative_time_has_the_readers_time_and_utc_in_its_title():
    with timezone.override(BERLIN):
        html = render("{% relative_time at %}", at=NOW - timedelta(hours=5))

    assert 'datetime="2026-03-18T09:05:20Z"' in html
    assert 'title="18 March 2026, 10:05:20 CET; 18 March 2026, 09:05:20 UTC"' in html


def test_a_missing_time_reads_never():
    assert (
        render("{% relative_time at %}, {% full_time at 'not yet' %}", at=None)
        == "never, not yet"
    )


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "29 March 2026, 01:59:00 CET"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "29 March 2026, 03:00:00 CEST"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "25 October 2026, 02:30:00 CEST"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "25 October 2026, 02:30:00 CET"),
    ],
)
def test_a_full_time_follows_daylight_saving_and_names_its_zone(at, shown):
    with timezone.override(BERLIN):
        html = render("{% full_time at %}", at=at)

    assert html == (
        f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}"'
        f' title="{at.day} {at:%B %Y, %H:%M:%S} UTC">{shown}</time>'
    )


def test_times_are_in_the_current_zone_and_those_of_bills_in_utc():
    at = datetime(2026, 3, 31, 23, 5, 20, tzinfo=UTC)
    text = "{% clock at %}|{% minute_time at %}|{{ at|plain_day }}|{% utc_datetime at %}|{{ at|utc_day }}"

    with timezone.override(BERLIN):
        shown = re.sub("<[^>]*>", "", render(text, at=at))

    assert shown == (
        "01:05:20|1 April 2026, 01:05 CEST|1 Apr 2026"
        "|31 March 2026, 23:05:20 UTC|31 Mar 2026"
    )


def test_a_state_has_a_word_and_a_shape_and_is_escaped():
    assert (
        render("{% state 'on' word %}", word="<b>")
        == '<span class="state on">&lt;b&gt;</span>'
    )


def test_an_unknown_shape_is_refused():
    with pytest.raises(TemplateSyntaxError, match="Unknown shape 'green'"):
        render("{% state 'green' 'Enabled' %}")


def test_crumbs_lead_from_the_account_to_the_page():
    text = "{% crumbs 'Products' '/products/' page %}"

    html = " ".join(render(text, account={"name": "Acme"}, page="Enable <x>").split())

    assert html == (
        '<nav class="crumbs" aria-label="Breadcrumb"> <ol> <li> <a href="/" title="Acme">Acme</a> </li>'
        ' <li> <a href="/products/" title="Products">Products</a> </li>'
        ' <li aria-current="page"> <span title="Enable &lt;x&gt;">Enable &lt;x&gt;</span> </li> </ol> </nav>'
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "unknown"),
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_000, "1.000 kB"),
        (212_904_000_000, "212.904 GB"),
        (4_812_337_000_000, "4.812 TB"),
    ],
)
def test_traffic_is_shown_in_decimal_units(value, shown):
    assert template_tags.traffic(value) == shown.replace(" ", NBSP)


@pytest.mark.parametrize(
    ("value", "shown"), [("34.871226", "34.871226"), ("4812.30", "4,812.3"), ("1", "1")]
)
def test_units_are_shown_in_full(value, shown):
    assert template_tags.units(Decimal(value)) == shown


def test_a_command_breaks_only_between_parts_of_the_address_and_can_be_copied():
    request = RequestFactory().get("/", headers={"host": "localhost"})

    page = render(
        '{% api_command "/api/v1/decision?service=S&version=2" %}', request=request
    )

    command = "curl -H &quot;Fastly-Key: $FASTLY_KEY&quot; &quot;http://localhost/api/v1/decision?service=S&amp;version=2&quot;"
    assert f'data-copy="{command}"' in page
    shown = page.split("<code>")[1].split("</code>")[0]
    assert shown.replace("<wbr>", "") == command
    assert (
        "localhost/<wbr>api/<wbr>v1/<wbr>decision?<wbr>service=<wbr>S&amp;<wbr>version=<wbr>2"
        in shown
    )


@pytest.mark.parametrize(
    ("ends_at", "words"),
    [
        (datetime(2027, 1, 1, tzinfo=UTC), "the end of 31 Dec 2026, UTC"),
        (datetime(2027, 1, 1, 1, tzinfo=BERLIN), "the end of 31 Dec 2026, UTC"),
        (None, "never"),
        (datetime(2027, 1, 1, 14, 15, tzinfo=UTC), "1 January 2027, 14:15:00 UTC"),
    ],
)
def test_what_ends_at_midnight_is_valid_through_the_day_before(ends_at, words):
    assert template_tags.last_moment(ends_at).replace(NBSP, " ") == words


@pytest.mark.parametrize(
    ("ends_at", "words"),
    [
        (datetime(2026, 3, 29, 22, tzinfo=UTC), "the end of 29 Mar 2026, CEST"),
        (datetime(2026, 3, 28, 23, tzinfo=UTC), "the end of 28 Mar 2026, CET"),
        (datetime(2026, 3, 29, tzinfo=UTC), "29 March 2026, 01:00:00 CET"),
    ],
)
def test_the_last_day_is_one_of_the_readers(ends_at, words):
    with timezone.override(BERLIN):
        assert template_tags.last_moment(ends_at).replace(NBSP, " ") == words
