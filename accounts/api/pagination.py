"""Pages of a JSON:API list: the requested page, and the links and counts of the response."""

from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

from rest_framework.request import Request

from accounts.errors import Invalid

CONTENT_TYPE = "application/vnd.api+json"
DEFAULT_SIZE = 20
MAX_PAGE_SIZE = 100
MAX_PAGE_NUMBER = 1_000_000  # a larger offset might not fit the database's integers


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The page requested by `page[number]` and `page[size]`."""

    number: int
    size: int

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return the requested page; raises Invalid for an invalid number."""
        return cls(
            number=whole_number(
                request, "page[number]", default=1, maximum=MAX_PAGE_NUMBER
            ),
            size=whole_number(
                request, "page[size]", default=DEFAULT_SIZE, maximum=MAX_PAGE_SIZE
            ),
        )

    @property
    def span(self) -> slice:
        """Return the slice of the whole list that is on this page."""
        return slice((self.number - 1) * self.size, self.number * self.size)

    def envelope(
        self, request: Request, data: list[dict[str, Any]], count: int
    ) -> dict[str, Any]:
        """Return the response body: the page, links to its neighbours, and the counts."""
        last = max(-(-count // self.size), 1)
        near = {
            "first": 1,
            "prev": min(self.number - 1, last) if self.number > 1 else None,
            "next": self.number + 1 if self.number < last else None,
            "last": last,
        }
        return {
            "data": data,
            "links": {
                name: self._url(request, page) for name, page in near.items() if page
            },
            "meta": {
                "current_page": self.number,
                "per_page": self.size,
                "record_count": count,
                "total_pages": last,
            },
        }

    def _url(self, request: Request, page: int) -> str:
        asked = request.query_params.dict()
        query = urlencode(asked | {"page[number]": page, "page[size]": self.size})
        return request.build_absolute_uri(f"{request.path}?{query}")


def whole_number(
    request: Request, name: str, *, default: int, maximum: int, minimum: int = 1
) -> int:
    """Return a number of the query; raises Invalid if it is not a whole one within the bounds."""
    sent = request.query_params.get(name, str(default))
    digits = sent.lstrip("0")
    if not (sent.isascii() and sent.isdigit() and len(digits) <= len(str(maximum))):
        raise Invalid(f"{name} must be a whole number.", field=name)
    if not minimum <= int(sent) <= maximum:
        raise Invalid(f"{name} must be from {minimum} to {maximum}.", field=name)
    return int(sent)
