"""Time zones that people and accounts choose."""

import zoneinfo
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import Final

from django import forms

MAX_ZONE_LENGTH: Final = 64
# That can be asked for. Years near the ends of the calendar cannot be converted to UTC.
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2999


@cache
def zone_names() -> tuple[str, ...]:
    """Return the names that can be chosen: UTC, and those of places, such as Europe/Berlin."""
    places = (name for name in zoneinfo.available_timezones() if "/" in name)
    return ("UTC", *sorted(name for name in places if not name.startswith("Etc/")))


class TimeZoneForm(forms.Form):
    """A time zone; the field offers the names that can be chosen, and finds them while typing."""

    time_zone = forms.CharField(
        label="Time zone",
        max_length=MAX_ZONE_LENGTH,
        widget=forms.TextInput({"list": "time-zones", "autocomplete": "off"}),
    )
    names = staticmethod(zone_names)


def zone_of(*chosen: str) -> tzinfo:
    """Return the first time zone of some choices, "" for none; without one it is UTC.

    A zone that this machine no longer knows is UTC too.
    """
    name = next(filter(None, chosen), "UTC")
    try:
        return UTC if name == "UTC" else zoneinfo.ZoneInfo(name)
    except zoneinfo.ZoneInfoNotFoundError:
        return UTC


def zone_label(local: datetime) -> str:
    """Return the name of a time's zone in daily use: CET, CEST, UTC, or UTC-03 without one."""
    name = local.tzname() or ""
    if not name.startswith(("+", "-")):
        return name
    return f"UTC{name[:3]}:{name[3:]}" if name[3:] else f"UTC{name}"
