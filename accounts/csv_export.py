"""CSV files: quoted as RFC 4180 says, and safe to open in a spreadsheet; pure."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

Cell: TypeAlias = object
# A text that starts with one of these is a formula to spreadsheets.
# Source: https://owasp.org/www-community/attacks/CSV_Injection, read 2026-11.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class _Line:
    """The file that a writer writes one line to; `write` returns it."""

    def write(self, text: str) -> str:
        """Return the line."""
        return text


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """Yield the lines of a CSV file; a text that a spreadsheet would compute gets an apostrophe."""
    writer = csv.writer(_Line())
    yield str(writer.writerow(header))
    for row in rows:
        yield str(writer.writerow([_safe(cell) for cell in row]))


def _safe(cell: Cell) -> Cell:
    is_formula = isinstance(cell, str) and cell.startswith(_FORMULA_STARTS)
    return f"'{cell}" if is_formula else cell
