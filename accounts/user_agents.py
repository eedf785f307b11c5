"""Names the browser and the system of a User-Agent."""

from typing import Final

UNKNOWN: Final = "unknown"
# Order matters: most browsers also claim to be those further down.
BROWSERS: Final = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
MAX_LENGTH: Final = 60


def browser_of(user_agent: str | None) -> str:
    """Return the browser and system that a User-Agent names: Firefox on Linux.

    Of another program it returns the start of its own name, and UNKNOWN if it has none.
    """
    text = user_agent or ""
    name = next((words for mark, words in BROWSERS if mark in text), "")
    system = next((words for mark, words in SYSTEMS if mark in text), "")
    if not name:
        return text[:MAX_LENGTH] or UNKNOWN
    return f"{name} on {system}" if system else name
