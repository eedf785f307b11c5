"""Bytes and durations in words, for people; plain Python."""

from datetime import timedelta
from typing import Final

_KILO: Final = 1000
# Decimal, as traffic is priced: a GB is 10⁹ bytes.
_BYTE_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB", "PB")
_PERIODS: Final = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def bytes_in_words(count: int) -> str:
    """Return a number of bytes with three digits or more: 0 bytes, 999 bytes, 1.23 MB, 12,345 PB."""
    size, unit = float(count), 0
    while round(size, 0) >= _KILO and unit < len(_BYTE_UNITS) - 1:
        size /= _KILO
        unit += 1
    if not unit:
        return f"{count} byte{'' if count == 1 else 's'}"
    decimals = max(0, 3 - len(str(int(size))))
    return f"{size:,.{decimals}f} {_BYTE_UNITS[unit]}"


def duration_in_words(value: timedelta | float) -> str:
    """Return a duration, given as one or in seconds, in its two largest units: 3 min 51 s."""
    left = int(value.total_seconds() if isinstance(value, timedelta) else value)
    parts = []
    for unit, length in _PERIODS:
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count:,} {unit}")
    return " ".join(parts[:2]) or "0 s"
