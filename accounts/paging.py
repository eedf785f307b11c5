"""Pages of Fastly's classic lists: `page`, `per_page`, `sort`, `direction`, and a Link header."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from rest_framework import serializers
from rest_framework.request import Request

MAX_PER_PAGE: Final = 1_000
# What to do instead of sending a cursor that no response of the list had.
UNKNOWN_CURSOR: Final = (
    "Use the cursor from a response, or leave it out to start at the beginning."
)


class PageReader(serializers.Serializer[Any]):
    """The page of a list that Fastly's clients read as a whole, unless they ask for less."""

    page = serializers.IntegerField(min_value=1, max_value=1_000_000, default=1)
    per_page = serializers.IntegerField(
        min_value=1, max_value=MAX_PER_PAGE, default=MAX_PER_PAGE
    )


def page_in(request: Request) -> dict[str, Any]:
    """Return the requested page. Raises ValidationError, which names every invalid field."""
    reader = PageReader(data=request.query_params.dict())
    reader.is_valid(raise_exception=True)
    return dict(reader.validated_data)


def span(asked: Mapping[str, Any]) -> slice:
    """Return the slice of the whole list that is on the requested page."""
    start = (asked["page"] - 1) * asked["per_page"]
    return slice(start, start + asked["per_page"])


def links(request: Request, asked: Mapping[str, Any], count: int) -> dict[str, str]:
    """Return the Link header. Fastly's clients read the page numbers from its URLs."""
    number, last = asked["page"], max(-(-count // asked["per_page"]), 1)
    near = {
        "first": 1 if number > 1 else None,
        "prev": min(number - 1, last) if number > 1 else None,
        "next": number + 1 if number < last else None,
        "last": last if number < last else None,
    }
    found = [
        f'<{request.build_absolute_uri(request.path)}?{urlencode(dict(asked) | {"page": page})}>; rel="{name}"'
        for name, page in near.items()
        if page is not None
    ]
    return {"Link": ", ".join(found)} if found else {}
