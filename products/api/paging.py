"""Pages of Fastly's classic lists: `page`, `per_page`, `sort`, `direction`, and a Link header."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from accounts.authentication import TokenRequest


def span(asked: Mapping[str, Any]) -> slice:
    """Return the slice of the whole list that is on the requested page."""
    start = (asked["page"] - 1) * asked["per_page"]
    return slice(start, start + asked["per_page"])


def links(
    request: TokenRequest, asked: Mapping[str, Any], count: int
) -> dict[str, str]:
    """Return the Link header. Fastly's clients read the page numbers from its URLs."""
    number, last = asked["page"], max(-(-count // asked["per_page"]), 1)
    near = {
        "first": 1 if number > 1 else None,
        "prev": number - 1 if number > 1 else None,
        "next": number + 1 if number < last else None,
        "last": last if number < last else None,
    }
    found = [
        f'<{request.build_absolute_uri(request.path)}?{urlencode(dict(asked) | {"page": page})}>; rel="{name}"'
        for name, page in near.items()
        if page is not None
    ]
    return {"Link": ", ".join(found)} if found else {}
