"""Queries whose SQL text is composed once; afterwards only the values in it change.

Django takes several times longer to compose such a query than PostgreSQL to answer it. This is for
the few queries of every API call, of every decision, and of the pages that are opened most.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import repeat
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
from django.db.models.query import get_related_populators
from psycopg.pq import TransactionStatus

Single = str | int | datetime
Value = Single | Sequence[str] | Sequence[int] | Sequence[datetime]
ModelT = TypeVar("ModelT", bound=Model)

# Lists are filled up to a power of two, so that few texts are composed. Longer lists are rare.
MAX_LIST_LENGTH: Final = 64
# Values that stand for the parameters while the text is composed.
_TEXT: Final = "\ufdd0 parameter {}"
_NUMBER: Final = 0x7ED0_0000
_TIME: Final = datetime(1902, 3, 4, 5, 6, 7, tzinfo=UTC)


class MissingParameter(LookupError):
    """The composed text does not have a value that was passed."""


class ComposedQuery:
    """A query with parameters: `compose` makes a `values_list` of them.

    Each parameter is a text, a number, a time, or a list of these. Texts and numbers go into the
    SQL as they are, times as those of a DateTimeField. The database plans the query for the values
    each time, so this is for sums over many rows. The rows are as the database gives them: sums can
    be Decimals. Django's conversion of hundreds of rows takes longer than the query.
    """

    _is_prepared = False

    def __init__(self, compose: Callable[..., "QuerySet[Any, Any]"]) -> None:
        self._compose = compose
        self._texts: dict[tuple[Any, ...], _Text] = {}

    def rows(self, *values: Value) -> list[tuple[Any, ...]]:
        """Return the rows for some values of the parameters. One query."""
        filled = [_filled(value) if _is_list(value) else value for value in values]
        text = self._text(filled)
        return text.rows(_parameters(filled)) if text else []

    def _text(self, values: Sequence[Any]) -> "_Text | None":
        """Return the text for values of this shape; None if an empty list matches nothing."""
        shape = (connection.vendor, *map(_shape, values))
        text = self._texts.get(shape)
        if text is None:
            is_rare = any(
                _is_list(value) and len(value) > MAX_LIST_LENGTH for value in values
            )
            try:
                text = _composed(
                    self._compose,
                    values,
                    converts=self._is_prepared,
                    keeps_plan=self._is_prepared and not is_rare,
                )
            except EmptyResultSet:
                return None
            if not is_rare:
                self._texts[shape] = text
        return text


class PreparedQuery(ComposedQuery):
    """A query of few rows, whose values are converted as Django does.

    PostgreSQL takes several times longer to plan it than to carry it out. So there the plan is kept
    too, in a prepared statement of the connection.
    """

    _is_prepared = True

    def first(self, *values: Value) -> tuple[Any, ...] | None:
        """Return the first row, or None. The query limits the rows itself."""
        return next(iter(self.rows(*values)), None)


class PreparedObjects(PreparedQuery, Generic[ModelT]):
    """A prepared query of objects: `compose` makes a queryset, also with related ones and annotations."""

    def __init__(self, compose: Callable[..., "QuerySet[ModelT, ModelT]"]) -> None:
        super().__init__(compose)

    def objects(self, *values: Value) -> list[ModelT]:
        """Return the objects for some values of the parameters. One query."""
        filled = [_filled(value) if _is_list(value) else value for value in values]
        text = self._text(filled)
        if text is None:
            return []
        return [text.loaded(row) for row in text.rows(_parameters(filled))]


@dataclass(frozen=True, slots=True)
class _Text:
    """The SQL, its parameters (the number of a value, or a constant), and the converters by column."""

    sql: str
    parameters: tuple[tuple[int | None, Any], ...]
    converters: tuple[tuple[int, tuple[Any, ...], Any], ...]
    keeps_plan: bool
    loaded: Callable[[tuple[Any, ...]], Any]

    def rows(self, values: list[Single]) -> list[tuple[Any, ...]]:
        filled = [
            constant if number is None else values[number]
            for number, constant in self.parameters
        ]
        try:
            found = self._rows(filled)
        except NotSupportedError as error:
            if not self._has_plan:
                raise
            _discard_plans(error)
            found = self._rows(filled)
        return [self._converted(row) for row in found] if self.converters else found

    @property
    def _has_plan(self) -> bool:
        return self.keeps_plan and connection.vendor == "postgresql"

    def _rows(self, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            if self._has_plan:
                # Django's own cursor writes the values into the text, so no plan could be kept.
                cursor.cursor = psycopg.Cursor(connection.connection)
            cursor.execute(self.sql, values)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
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
    converts: bool,
    keeps_plan: bool,
) -> _Text:
    """Compose the SQL with markers in place of the values."""
    markers: list[Single] = []

    def marker(value: Single) -> Single:
        markers.append(_marker(value, len(markers)))
        return markers[-1]

    marked = [
        [marker(each) for each in value] if _is_list(value) else marker(value)  # type: ignore[arg-type, union-attr]
        for value in values
    ]
    compiler = compose(*marked).query.get_compiler(DEFAULT_DB_ALIAS)
    sql, parameters = compiler.as_sql()
    numbers = {_written(value): number for number, value in enumerate(markers)}
    found = tuple(_numbered(each, numbers) for each in parameters)
    if {number for number, _ in found} - {None} != set(numbers.values()):
        raise MissingParameter(sql)
    selected = [each[0] for each in compiler.select]
    converters = compiler.get_converters(selected) if converts else {}
    return _Text(
        sql,
        found,
        tuple(
            (column, tuple(convert), expression)
            for column, (convert, expression) in converters.items()
        ),
        keeps_plan,
        _loader(compiler),
    )


def _loader(compiler: Any) -> Callable[[tuple[Any, ...]], Any]:
    """Return what makes an object of a row as Django's own ModelIterable does."""
    if compiler.klass_info is None:
        return tuple
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


def _marker(value: Single, number: int) -> Single:
    if isinstance(value, datetime):
        return _TIME + timedelta(microseconds=number)
    return _NUMBER + number if isinstance(value, int) else _TEXT.format(number)


def _numbered(parameter: Any, numbers: dict[Single, int]) -> tuple[int | None, Any]:
    is_marker = isinstance(parameter, Single) and parameter in numbers
    return (numbers[parameter], None) if is_marker else (None, parameter)


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
    found: list[Single] = []
    for value in values:
        found.extend(value) if _is_list(value) else found.append(value)
    return [_written(value) for value in found]


def _written(value: Single) -> Single:
    """Return a value as Django passes it to the database, which writes times in its own way."""
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value) or value
    return value


def columns_of(model: type[Model], path: str = "") -> list[str]:
    """Return the names of a model's columns for `values_list`, reached by a path such as `account__`."""
    return [f"{path}{field.attname}" for field in model._meta.concrete_fields]  # noqa: SLF001 - Django's own name


def loaded(model: type[ModelT], values: Sequence[Any]) -> ModelT:
    """Return a row of `columns_of` as an object, as a queryset would."""
    names = [field.attname for field in model._meta.concrete_fields]  # noqa: SLF001 - Django's own name
    row: ModelT = model.from_db(DEFAULT_DB_ALIAS, names, values)
    return row
