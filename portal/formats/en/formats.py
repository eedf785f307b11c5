"""Dates and times as `28 Nov 2026, 04:00 UTC`; the portal's time zone is UTC."""

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = r"j M Y, H:i T"
