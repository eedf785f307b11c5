"""Lists of any length on a page: searched, filtered, ordered, and paged by keyset."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final, Generic, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

PAGE: Final = 50
MAX_SEARCH_LENGTH: Final = 255
NAMES_SHOWN: Final = 10  # in a sentence
NAMES_LENGTH: Final = 200  # characters of names in a sentence, but for the first

RowT = TypeVar("RowT", bound=Model)


class DateInput(forms.DateInput):
    """A date, with the browser's date picker."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class ListForm(forms.Form):
    """The search field of a list; a subclass adds filters. A value that can't be used counts as none."""

    q = forms.CharField(
        label="Search",
        required=False,
        max_length=MAX_SEARCH_LENGTH,
        widget=forms.TextInput({"type": "search", "autocomplete": "off"}),
    )

    def chosen(self, name: str) -> str:
        """Return the value of a field; "" if it is not set or can't be used."""
        self.is_valid()
        return str(self.cleaned_data.get(name) or "")

    @property
    def is_used(self) -> bool:
        """Tell whether the list is narrowed."""
        return any(self.chosen(name) for name in self.fields if name != "sort")


@dataclass(frozen=True, slots=True)
class ListPage(Generic[RowT]):
    """Some rows of a list, how many it has, and the addresses of the pages beside this one."""

    rows: list[RowT]
    total: int
    previous_url: str
    next_url: str


def page_of(
    request: HttpRequest,
    rows: "QuerySet[RowT]",
    *,
    order: Sequence[str],
    key: str = "pk",
    size: int = PAGE,
    prefix: str = "",
) -> ListPage[RowT]:
    """Return the page of a list that a request asks for: two queries, three unless it is the first.

    `order` must be total, so it ends with `key`, a field that is unique among the rows. The page is
    named by the key of the row before or after it; if that has gone, the first page is returned.
    `prefix` tells the lists of one page apart.
    """
    ordered = rows.order_by(*order)
    total = ordered.count()
    before = request.GET.get(f"{prefix}before", "")
    cursor = before or request.GET.get(f"{prefix}after", "")
    position = _position(ordered, order, key, cursor)
    backwards = bool(before) and position is not None
    if position is not None:
        ordered = ordered.filter(_beyond(order, position, backwards=backwards))
    found = list((ordered.reverse() if backwards else ordered)[: size + 1])
    has_more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    has_previous = has_more if backwards else position is not None
    has_next = backwards or has_more
    first, last = (getattr(found[at], key) if found else "" for at in (0, -1))
    return ListPage(
        rows=found,
        total=total,
        previous_url=_page_url(request, f"{prefix}before", first, has_previous),
        next_url=_page_url(request, f"{prefix}after", last, has_next),
    )


def _page_url(request: HttpRequest, name: str, cursor: object, exists: bool) -> str:  # noqa: FBT001 - read as a sentence
    """Return the address of this page with another cursor; "" unless there is such a page."""
    if not exists:
        return ""
    prefix = name.removesuffix("before").removesuffix("after")
    query = request.GET.copy()
    for old in ("before", "after"):
        query.pop(f"{prefix}{old}", None)
    if cursor:
        query[name] = str(cursor)
    return f"{request.path}?{query.urlencode()}"


def some_of(
    names: Sequence[str], limit: int = NAMES_SHOWN, *, total: int | None = None
) -> list[str]:
    """Return the first names for a sentence, fewer if they are long, and how many more there are.

    `total` is how many there are if `names` has only the first of them.
    """
    lengths = accumulate(len(name) for name in names[:limit])
    shown = max(1, sum(length <= NAMES_LENGTH for length in lengths))
    more = (len(names) if total is None else total) - shown
    return [*names[:shown], f"{more:,} more"] if more > 0 else list(names)


def names_in_words(
    names: Sequence[str],
    limit: int = NAMES_SHOWN,
    *,
    word: str = "and",
    total: int | None = None,
) -> str:
    """Return names as a sentence lists them: "Ada, Grace and Lin"; of many, "Ada and 90 more"."""
    *first, last = some_of(names, limit, total=total) or [""]
    return f"{', '.join(first)} {word} {last}" if first else last


def _position(
    rows: "QuerySet[Any]", order: Sequence[str], key: str, cursor: str
) -> tuple[Any, ...] | None:
    if not cursor:
        return None
    meta = rows.model._meta  # noqa: SLF001 - Django's own name
    try:
        value = (meta.pk if key == "pk" else meta.get_field(key)).to_python(cursor)
    except ValidationError:
        return None
    fields = [field.removeprefix("-") for field in order]
    position: tuple[Any, ...] | None = (
        rows.filter(**{key: value}).values_list(*fields).first()
    )
    return position


def _beyond(order: Sequence[str], position: Sequence[Any], *, backwards: bool) -> Q:
    """Return the condition for the rows after a position, or before it."""
    beyond, same = Q(), Q()
    for field, value in zip(order, position, strict=True):
        name = field.removeprefix("-")
        is_smaller = field.startswith("-") != backwards
        beyond |= same & Q((f"{name}__lt" if is_smaller else f"{name}__gt", value))
        same &= Q((name, value))
    return beyond
