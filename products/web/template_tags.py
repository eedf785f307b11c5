"""Filters and tags for money, counts, times and states: `{% load tollgate %}`."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from accounts.audit.models import AuditEvent
from accounts.date_formats import (
    clock_text,
    day_text,
    minute_text,
    read_as,
    second_text,
    weekday_text,
)
from accounts.lists import names_in_words
from accounts.time_zones import zone_label
from accounts.user_agents import browser_of
from products.catalogue.money import amount_in_words
from products.months import month_name
from products.units import bytes_in_words, duration_in_words
from products.web.differences import ShownField, changes_in_words

register = template.Library()
register.filter(month_name)

SHAPES = frozenset(
    {"on", "off", "trial", "package", "ask", "pass", "fail", "warns", "stops", "note"}
)
UNKNOWN = "unknown"
NBSP = "\N{NO-BREAK SPACE}"  # between a number and its unit
# Between an amount and its currency or unit: 0.12 USD, 10 million, 100 GB.
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:[A-Z]{3}|million|[kMGT]B)\b)")
MINUTE, HOUR, DAY = 60, 3600, 86_400
JUST_NOW = 10  # seconds that read as just now
MAX_RELATIVE_DAYS = 31  # beyond, a date says more than a number of days


@register.filter
def thousands(value: int | None) -> str:
    """Return a count with separators: 17,005,751. None reads "unknown", which is not zero."""
    return UNKNOWN if value is None else f"{value:,}"


@register.filter
def amount(value: Decimal | int | None) -> str:
    """Return an amount in words. None reads "unknown"."""
    return UNKNOWN if value is None else amount_in_words(value)


@register.filter
def unbroken(text: object) -> str:
    """Return a text in which no line ends between an amount and its currency or unit."""
    return _BEFORE_UNIT.sub(NBSP, str(text))


@register.filter
def units(value: Decimal) -> str:
    """Return a quantity in full with separators, without zeros at the end: 34.871226, 4,812.337."""
    places = max(0, -int(value.normalize().as_tuple().exponent))
    return f"{value:,.{places}f}"


@register.filter
def traffic(value: int | None) -> str:
    """Return bytes in decimal units with three decimals: 212.904 GB."""
    if value is None:
        return UNKNOWN
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if value >= size:
            return f"{Decimal(value) / size:,.3f}{NBSP}{unit}"
    return f"{value}{NBSP}bytes" if value != 1 else f"1{NBSP}byte"


@register.filter
def duration(value: timedelta | float | None) -> str:
    """Return a duration, given as one or in seconds, in its two largest units: 3 min 51 s."""
    return UNKNOWN if value is None else _on_one_line(duration_in_words(value))


@register.filter
def byte_count(value: int | None) -> str:
    """Return a number of bytes in words: 1.23 MB."""
    return UNKNOWN if value is None else _on_one_line(bytes_in_words(value))


def _on_one_line(words: str) -> str:
    """Return words between which a line ends after a comma only, such as a time after its date."""
    return words.replace(" ", NBSP).replace(f",{NBSP}", ", ")


@register.filter
def join_lines(values: Iterable[object]) -> str:
    """Return values one per line, without a line break at the end."""
    return "\n".join(map(str, values))


@register.filter
def join_words(values: Iterable[object], word: str = "and") -> str:
    """Return values as a sentence lists them: Ada, Grace and Lin. `word` can be "or".

    Of many, the first ten: Ada, Grace, … and 90 more.
    """
    return names_in_words([str(value) for value in values], word=word)


@register.filter
def plain_day(value: date | datetime | None) -> str:
    """Return a day as the reader has them, of a time the one in their time zone: 3 Nov 2025."""
    return UNKNOWN if value is None else _on_one_line(day_text(value))


@register.filter
def weekday(value: date) -> str:
    """Return a day with its weekday, as the reader has them: Wednesday, 18 March 2026."""
    return _on_one_line(weekday_text(value))


@register.filter
def utc_day(value: date | None) -> str:
    """Return a day, of a time the one in UTC, as bills have it for every reader: 3 Nov 2025."""
    with read_as(""):
        return plain_day(value)


@register.filter
def browser(user_agent: str | None) -> str:
    """Return the browser and system that a User-Agent names: Firefox on Linux."""
    return browser_of(user_agent)


def ago(at: datetime, now: datetime) -> str:
    """Return the distance of a time from `now` in words, or its date if that is a month or more."""
    seconds = (now - at).total_seconds()
    distance = abs(seconds)
    if distance < MINUTE:
        return (
            "just now"
            if distance < JUST_NOW
            else _past_or_future(f"{int(distance)}{NBSP}s", seconds)
        )
    for limit, length, unit in ((HOUR, MINUTE, "min"), (DAY, HOUR, "h")):
        if distance < limit:
            return _past_or_future(f"{int(distance // length)}{NBSP}{unit}", seconds)
    days = int(distance // DAY)
    if days < MAX_RELATIVE_DAYS:
        return _past_or_future(
            f"{days}{NBSP}day" if days == 1 else f"{days}{NBSP}days", seconds
        )
    return plain_day(at)


def _past_or_future(words: str, seconds: float) -> str:
    return f"{words} ago" if seconds > 0 else f"in {words}"


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _time(at: datetime, words: str) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        _stamp(at),
        second_text(at, UTC),
        _on_one_line(words),
    )


def _in_both_zones(at: datetime) -> str:
    """Return a time in the reader's time zone, followed by UTC if that is another one."""
    local, utc = second_text(at), second_text(at, UTC)
    return local if local == utc else f"{local}; {utc}"


@register.simple_tag(takes_context=True)
def relative_time(
    context: template.Context, at: datetime | None, never: str = "never"
) -> str:
    """Render a time relative to the page's `now`; None reads "never".

    The exact time, also in UTC, is its title, and follows it while it has the focus.
    """
    if at is None:
        return never
    return format_html(
        '<time datetime="{}" title="{}" tabindex="0">{}</time>',
        _stamp(at),
        _in_both_zones(at),
        ago(at, context["now"]),
    )


@register.simple_tag
def full_time(at: datetime | None, never: str = "never") -> str:
    """Render a time to the second in the reader's time zone; its title is UTC."""
    return never if at is None else _time(at, second_text(at))


@register.simple_tag
def minute_time(at: datetime) -> str:
    """Render a time to the minute in the reader's time zone; its title is UTC."""
    return _time(at, minute_text(at))


@register.simple_tag
def utc_datetime(at: datetime) -> str:
    """Render a time to the second in UTC, as bills have it for every reader."""
    with read_as(""):
        return _time(at, second_text(at))


@register.filter
def last_moment(ends_at: datetime | None) -> str:
    """Return until when something is valid: its last day if that is whole, else the time.

    An end at midnight belongs to the day before, which is what people choose in a form.
    """
    if ends_at is None:
        return "never"
    local = timezone.localtime(ends_at)
    if local.time() != time.min:
        return _on_one_line(second_text(ends_at))
    last = local.date() - timedelta(days=1)
    return f"the end of {plain_day(last)}, {zone_label(local)}"


@register.simple_tag
def clock(at: datetime) -> str:
    """Render the time of day, for lists that are grouped by day: 14:05:20; its title is UTC."""
    return _time(at, clock_text(at))


@register.simple_tag
def part_changes(event: AuditEvent) -> Iterable[ShownField] | None:
    """Return the changed fields of an entry about a part of a version; None for other entries."""
    return changes_in_words(event)


@register.simple_tag
def state(kind: str, word: object) -> SafeString:
    """Render a state with its shape and colour. Raises TemplateSyntaxError for an unknown shape."""
    if kind not in SHAPES:
        raise template.TemplateSyntaxError(f"Unknown shape {kind!r}.")
    return format_html('<span class="state {}">{}</span>', kind, word)


@register.simple_tag
def table_head(*columns: str) -> SafeString:
    """Render the head of a table with these columns."""
    cells = format_html_join("", '<th scope="col">{}</th>', zip(columns, strict=True))
    return format_html("<thead><tr>{}</tr></thead>", cells)


@register.inclusion_tag("_parts/breadcrumb.html", takes_context=True)
def crumbs(context: template.Context, *steps: object) -> dict[str, Any]:
    """Render the breadcrumb from label, url, label, url …, label; the account comes first."""
    pairs = [
        {"label": label, "url": url}
        for label, url in zip(steps[::2], (*steps[1::2], ""), strict=True)
    ]
    return {"account": context.get("account"), "crumbs": pairs}


@register.inclusion_tag("_parts/api_command.html", takes_context=True)
def api_command(context: template.Context, path: str) -> dict[str, Any]:
    """Render the curl command that gets a path of the API with an API token."""
    url = context["request"].build_absolute_uri(path)
    command = f'curl -H "Fastly-Key: $FASTLY_KEY" "{url}"'
    return {"command": command, "pieces": re.split(r"(?<=[/?&=])(?=\w)", command)}


@register.filter
def labelled(cells: Iterable[SafeString], headers: Iterable[dict[str, Any]]) -> Any:
    """Yield the cells of a row in an admin's list; all but the first name their column."""
    for cell, header in zip(cells, headers, strict=True):
        start = format_html('<td data-label="{}"', capfirst(header["text"]))
        is_first = not cell.startswith("<td")
        yield cell if is_first else start + SafeString(cell.removeprefix("<td"))
