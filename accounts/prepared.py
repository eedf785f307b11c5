"""Queries whose SQL text is composed once; afterwards only the values in it change.

Django takes several times longer to compose such a query than PostgreSQL to answer it. This is for
the few queries of every API call, of every decision, and of the pages that are opened most.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, repeat
from typing import Any, Final, Generic, TypeVar

import psycopg
from django.core.exceptions import EmptyResultSet
from django.db import (
    DEFAULT_DB_ALIAS,
    NotSupportedError,
    OperationalError,
    connection,
)
from django.db.models import Model, QuerySet
from django.db.models.query import ModelIterable, get_related_populators
from django.db.transaction import TransactionManagementError
from psycopg.pq import TransactionStatus

Single = str | int | datetime
Value = Single | Sequence[str] | Sequence[int] | Sequence[datetime]
ModelT = TypeVar("ModelT", bound=Model)
RowT = TypeVar("RowT")

# Lists are filled up to a power of two, so that few texts are composed. Longer lists are rare.
MAX_LIST_LENGTH: Final = 64
# Markers stand for the parameters while the text is composed.
_NUMBER: Final = 1_500_000_000
_NUMBERS_BETWEEN: Final = 1_000_003
_TIME: Final = datetime(1902, 3, 4, 5, 6, 7, tzinfo=UTC)
_TIME_BETWEEN: Final = timedelta(days=400, hours=1, minutes=1, seconds=1)


class MissingParameter(LookupError):
    """The composed text does not have a value as it was passed."""


class ComposedQuery(Generic[RowT]):
    """A query with parameters: `compose` makes a `values_list` of them.

    Each parameter is a text, a number, a time, or a list of these. Texts and numbers go into the
    SQL as they are, times as those of a DateTimeField. The database plans the query for the values
    each time, so this is for sums over many rows. The rows are as the database gives them: sums can
    be Decimals. Django's conversion of hundreds of rows takes longer than the query.
    """

    _is_prepared = False

    def __init__(self, compose: Callable[..., "QuerySet[Any, RowT]"]) -> None:
        self._compose = compose
        self._texts: dict[tuple[Any, ...], _Text] = {}

    def rows(self, *values: Value) -> list[RowT]:
        """Return the rows for some values of the parameters. One query."""
        filled: list[Any] = [
            _filled(value) if _is_list(value) else value for value in values
        ]
        lengths = [len(value) for value in filled if _is_list(value)]
        if max(lengths, default=0) > MAX_LIST_LENGTH:  # Django composes it in each call
            return list(self._compose(*filled))
        shape = (connection.vendor, *map(_shape, filled))
        text = self._texts.get(shape)
        if text is None:
            try:
                text = _composed(self._compose, filled, is_prepared=self._is_prepared)
            except EmptyResultSet:
                if 0 not in lengths:  # the column cannot have a marker
                    raise
                return []
            self._texts[shape] = text
        return text.found(_parameters(filled))


class PreparedQuery(ComposedQuery[RowT]):
    """A query of few rows, whose values are converted as Django does.

    `compose` makes a `values_list`, or a queryset of objects, also with related ones and
    annotations: then the rows are these objects.

    PostgreSQL takes several times longer to plan it than to carry it out. So there the plan is kept
    too, in a prepared statement of the connection.
    """

    _is_prepared = True

    def first(self, *values: Value) -> RowT | None:
        """Return the first row, or None. The query limits the rows itself."""
        return next(iter(self.rows(*values)), None)


@dataclass(frozen=True, slots=True)
class _Text:
    """The SQL, its parameters (the number of a value, or a constant), and the converters by column."""

    sql: str
    parameters: tuple[tuple[int | None, Any], ...]
    converters: tuple[tuple[int, tuple[Any, ...], Any], ...]
    keeps_plan: bool
    load: Callable[[tuple[Any, ...]], Any] | None
    is_locking: bool  # with FOR UPDATE

    def found(self, values: Sequence[Single]) -> list[Any]:
        """Return the rows for the values of all parameters, or the objects that `load` makes of them."""
        filled = [
            constant if number is None else values[number]
            for number, constant in self.parameters
        ]
        if self.is_locking and connection.get_autocommit():
            raise TransactionManagementError("Lock rows in a transaction.")
        try:
            rows = self._rows(filled)
        except NotSupportedError as error:
            if not self.keeps_plan:
                raise
            _discard_plans(error)
            rows = self._rows(filled)
        if self.converters:
            rows = [self._converted(row) for row in rows]
        return [*map(self.load, rows)] if self.load else rows

    def _rows(self, values: Sequence[Any]) -> list[Any]:
        with connection.cursor() as cursor:
            if self.keeps_plan:
                # Django's own cursor writes the values into the text, so no plan could be kept.
                cursor.cursor = psycopg.Cursor(connection.connection)
            cursor.execute(self.sql, values)
            rows: list[Any] = cursor.fetchall()
        return rows

    def _converted(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        columns = list(row)
        for number, converters, expression in self.converters:
            for convert in converters:
                columns[number] = convert(columns[number], expression, connection)
        return tuple(columns)


def _discard_plans(error: Exception) -> None:
    """Discard the plans of the connection: a migration has changed the type of a column.

    Raises OperationalError in a transaction: it can be repeated, since a rollback discards them too.
    """
    if connection.connection.info.transaction_status == TransactionStatus.INERROR:
        raise OperationalError("A migration has changed a table.") from error
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")  # psycopg notices it


def _composed(
    compose: Callable[..., "QuerySet[Any, Any]"],
    values: Sequence[Value],
    *,
    is_prepared: bool,
) -> _Text:
    """Compose the SQL with markers in place of the values, and again with others.

    A parameter is a marker both times, a constant is the same. Anything else was computed from a
    value: it would be that of the markers in every call.
    """
    first, second = _marked(values, count()), _marked(values, count(-1, -1))
    markers = zip(_parameters(first), _parameters(second), strict=True)
    numbers = {pair: number for number, pair in enumerate(markers)}
    rows = compose(*first)
    compiler, other = (
        each.query.get_compiler(DEFAULT_DB_ALIAS) for each in (rows, compose(*second))
    )
    (sql, constants), (other_sql, others) = compiler.as_sql(), other.as_sql()
    if sql != other_sql:
        raise MissingParameter(sql)
    found = tuple(
        _numbered(pair, numbers) for pair in zip(constants, others, strict=True)
    )
    if {number for number, _ in found} - {None} != set(numbers.values()):
        raise MissingParameter(sql)
    selected = [each[0] for each in compiler.select]
    converters = compiler.get_converters(selected) if is_prepared else {}
    return _Text(
        sql,
        found,
        tuple(
            (column, tuple(convert), expression)
            for column, (convert, expression) in converters.items()
        ),
        keeps_plan=is_prepared and connection.vendor == "postgresql",
        load=_loader(compiler) if rows._iterable_class is ModelIterable else None,  # noqa: SLF001 - Django's own name
        is_locking=compiler.query.select_for_update
        and connection.features.has_select_for_update,
    )


def _loader(compiler: Any) -> Callable[[tuple[Any, ...]], Any]:
    """Return what makes an object of a row as Django's own ModelIterable does."""
    model, fields = compiler.klass_info["model"], compiler.klass_info["select_fields"]
    first, end = fields[0], fields[-1] + 1
    names = [column.target.attname for column, *_ in compiler.select[first:end]]
    populators = get_related_populators(  # type: ignore[call-arg] # the stubs are of Django 6
        compiler.klass_info, compiler.select, DEFAULT_DB_ALIAS
    )
    annotations = compiler.annotation_col_map or {}

    def load(row: tuple[Any, ...]) -> Any:
        found = model.from_db(DEFAULT_DB_ALIAS, names, row[first:end])
        for each in populators:
            each.populate(row, found)
        for name, number in annotations.items():
            setattr(found, name, row[number])
        return found

    return load


def _marked(values: Sequence[Value], numbers: Iterator[int]) -> list[Any]:
    """Return numbered markers in place of values."""
    return [
        [_marker(each, next(numbers)) for each in value]  # type: ignore[union-attr]
        if _is_list(value)
        else _marker(value, next(numbers))  # type: ignore[arg-type]
        for value in values
    ]


def _marker(value: Single, number: int) -> Single:
    """Return a text, number or time with little in common with that of another number.

    A text changes if it is cut or trimmed, or written in capital or small letters.
    """
    if isinstance(value, datetime):
        return _TIME + number * _TIME_BETWEEN
    if isinstance(value, int):
        return _NUMBER + number * _NUMBERS_BETWEEN
    return f"{number} Marker {number} "


def _numbered(
    pair: tuple[Any, Any], numbers: dict[tuple[Single, Single], int]
) -> tuple[int | None, Any]:
    """Return the number of the value for which both markers stand, or a constant."""
    if all(isinstance(each, Single) for each in pair) and pair in numbers:
        return numbers[pair], None
    if repr(pair[0]) != repr(pair[1]):
        raise MissingParameter(f"computed from a value: {pair[0]!r}")
    return None, pair[0]


def _is_list(value: Value) -> bool:
    return not isinstance(value, Single)


def _filled(values: Any) -> list[Single]:
    """Return a list filled up to a power of two with its last value; an empty or long one stays."""
    found = list(values)
    if 0 < len(found) <= MAX_LIST_LENGTH:
        missing = (1 << (len(found) - 1).bit_length()) - len(found)
        found += repeat(found[-1], missing)
    return found


def _shape(value: Any) -> object:
    return (len(value),) if _is_list(value) else type(value)


def _parameters(values: Iterable[Any]) -> list[Single]:
    """Return all values as the database takes them: times in its own way, numbers of one size.

    PostgreSQL has a plan for each combination of sizes, and psycopg would take the smallest ones.
    """
    found: list[Any] = []
    for value in values:
        found.extend(value) if _is_list(value) else found.append(value)
    operations = connection.ops
    for index, value in enumerate(found):
        if isinstance(value, datetime):
            found[index] = operations.adapt_datetimefield_value(value)
        elif isinstance(value, int):
            found[index] = operations.adapt_integerfield_value(value, "BigIntegerField")
    return found


def columns_of(model: type[Model], path: str = "") -> list[str]:
    """Return the names of a model's columns for `values_list`, reached by a path such as `account__`."""
    return [f"{path}{field.attname}" for field in model._meta.concrete_fields]  # noqa: SLF001 - Django's own name


def loaded(model: type[ModelT], values: Sequence[Any]) -> ModelT:
    """Return a row of `columns_of` as an object, as a queryset would."""
    names = [field.attname for field in model._meta.concrete_fields]  # noqa: SLF001 - Django's own name
    row: ModelT = model.from_db(DEFAULT_DB_ALIAS, names, values)
    return row
