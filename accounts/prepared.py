"""Queries whose SQL text is composed once; afterwards only the values in it change.

Django takes several times longer to compose such a query than PostgreSQL to answer it. PostgreSQL
takes several times longer to plan it than to carry it out, so there the plan is kept too, in a
prepared statement of the connection. This is for the few queries of every API call and of every
decision.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final, TypeVar

import psycopg
from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model, QuerySet

Value = str | int | Sequence[str] | Sequence[int]
ModelT = TypeVar("ModelT", bound=Model)

# Lists are filled up to a power of two, so that few texts are composed. Longer lists are rare.
MAX_LIST_LENGTH: Final = 64
# Values that stand for the parameters while the text is composed.
_TEXT: Final = "\ufdd0 parameter {}"
_NUMBER: Final = 0x7ED0_0000


class MissingParameter(LookupError):
    """The composed text does not have a value that was passed."""


class PreparedQuery:
    """A query with parameters: `compose` makes a `values_list` of them.

    Each parameter is a text, a number, or a list of texts or numbers, and goes into the SQL as it
    is. Times cannot be parameters: databases write them differently.
    """

    def __init__(self, compose: Callable[..., "QuerySet[Any, Any]"]) -> None:
        self._compose = compose
        self._texts: dict[tuple[Any, ...], _Text] = {}

    def rows(self, *values: Value) -> list[tuple[Any, ...]]:
        """Return the rows for some values of the parameters. One query."""
        if any(_is_list(value) and len(value) > MAX_LIST_LENGTH for value in values):  # type: ignore[arg-type]
            return list(self._compose(*values))
        filled: list[Any] = [
            _filled(value) if _is_list(value) else value for value in values
        ]
        shape = (connection.vendor, *map(_shape, filled))
        text = self._texts.get(shape)
        if text is None:
            try:
                text = self._texts[shape] = _composed(self._compose, filled)
            except EmptyResultSet:  # an empty list matches nothing
                return []
        return text.rows(_parameters(filled))

    def first(self, *values: Value) -> tuple[Any, ...] | None:
        """Return the first row, or None. The query limits the rows itself."""
        return next(iter(self.rows(*values)), None)


@dataclass(frozen=True, slots=True)
class _Text:
    """The SQL, its parameters (the number of a value, or a constant), and the converters by column."""

    sql: str
    parameters: tuple[tuple[int | None, Any], ...]
    converters: tuple[tuple[int, tuple[Any, ...], Any], ...]

    def rows(self, values: list[str | int]) -> list[tuple[Any, ...]]:
        filled = [
            constant if number is None else values[number]
            for number, constant in self.parameters
        ]
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                # Django's own cursor writes the values into the text, so no plan could be kept.
                cursor.cursor = psycopg.Cursor(connection.connection)
            cursor.execute(self.sql, filled)
            found: list[tuple[Any, ...]] = cursor.fetchall()
        return [self._converted(row) for row in found] if self.converters else found

    def _converted(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        columns = list(row)
        for number, converters, expression in self.converters:
            for convert in converters:
                columns[number] = convert(columns[number], expression, connection)
        return tuple(columns)


def _composed(
    compose: Callable[..., "QuerySet[Any, Any]"], values: Sequence[Value]
) -> _Text:
    """Compose the SQL with markers in place of the values."""
    markers: list[str | int] = []

    def marker(value: str | int) -> str | int:
        number = len(markers)
        markers.append(
            _NUMBER + number if isinstance(value, int) else _TEXT.format(number)
        )
        return markers[-1]

    marked = [
        [marker(each) for each in value] if _is_list(value) else marker(value)  # type: ignore[arg-type, union-attr]
        for value in values
    ]
    compiler = compose(*marked).query.get_compiler(DEFAULT_DB_ALIAS)
    sql, parameters = compiler.as_sql()
    numbers = {value: number for number, value in enumerate(markers)}
    found = tuple(_numbered(each, numbers) for each in parameters)
    if {number for number, _ in found} - {None} != set(numbers.values()):
        raise MissingParameter(sql)
    selected = [each[0] for each in compiler.select]
    converters = compiler.get_converters(selected)
    return _Text(
        sql,
        found,
        tuple(
            (column, tuple(convert), expression)
            for column, (convert, expression) in converters.items()
        ),
    )


def _numbered(parameter: Any, numbers: dict[str | int, int]) -> tuple[int | None, Any]:
    is_marker = isinstance(parameter, str | int) and parameter in numbers
    return (numbers[parameter], None) if is_marker else (None, parameter)


def _is_list(value: Value) -> bool:
    return not isinstance(value, str | int)


def _filled(values: Any) -> list[str | int]:
    """Return a list filled up to a power of two with its last value; an empty one stays empty."""
    found = list(values)
    if found:
        missing = (1 << (len(found) - 1).bit_length()) - len(found)
        found += repeat(found[-1], missing)
    return found


def _shape(value: Any) -> object:
    return (len(value),) if _is_list(value) else type(value)


def _parameters(values: Iterable[Any]) -> list[str | int]:
    found: list[str | int] = []
    for value in values:
        found.extend(value) if _is_list(value) else found.append(value)
    return found


def columns_of(model: type[Model], path: str = "") -> list[str]:
    """Return the names of a model's columns for `values_list`, reached by a path such as `account__`."""
    return [f"{path}{field.attname}" for field in model._meta.concrete_fields]  # noqa: SLF001 - Django's own name


def loaded(model: type[ModelT], values: Sequence[Any]) -> ModelT:
    """Return a row of `columns_of` as an object, as a queryset would."""
    names = [field.attname for field in model._meta.concrete_fields]  # noqa: SLF001 - Django's own name
    row: ModelT = model.from_db(DEFAULT_DB_ALIAS, names, values)
    return row
