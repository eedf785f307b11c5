"""Parts of Fastly's versions that are not supported: their lists are empty, and creating one is refused.

Terraform's provider reads every list after each change, and accepts an empty one.
"""

from typing import ClassVar, NoReturn

from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from accounts.errors import Invalid, NotFound
from products.api.lookups import FASTLY_RECORD_PREFIX, version_at

UNSUPPORTED_KINDS = (
    "acl",
    "cache_settings",
    "condition",
    "dictionary",
    "director",
    "gzip",
    "healthcheck",
    "request_settings",
    "resource",
    "response_object",
    "wordpress",
)


class UnsupportedKind(APIView):
    """The list of a kind that is not supported."""

    kind: ClassVar[str] = ""

    def get(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Return an empty list."""
        version_at(request.auth, service_id, number)
        return Response([])

    def post(self, request: TokenRequest, service_id: str, number: int) -> NoReturn:
        """Refuse: a part that was accepted would have no effect."""
        version_at(request.auth, service_id, number)
        raise Invalid(f"'{self.kind}' is not supported.")


class UnsupportedLogKind(APIView):
    """The log endpoints of a kind that is not supported; the path names the kind."""

    def get(
        self, request: TokenRequest, service_id: str, number: int, kind: str
    ) -> Response:
        """Return an empty list."""
        version_at(request.auth, service_id, number)
        return Response([])

    def post(
        self, request: TokenRequest, service_id: str, number: int, kind: str
    ) -> NoReturn:
        """Refuse: the edge sends no lines to this kind."""
        version_at(request.auth, service_id, number)
        raise Invalid(
            f"Log endpoints of the kind '{kind}' are not supported. Use https or syslog."
        )


class UnsupportedPart(APIView):
    """A part of a kind that is not supported."""

    kind: ClassVar[str] = ""

    def get(
        self, request: TokenRequest, service_id: str, number: int, name: str
    ) -> NoReturn:
        """Raise NotFound with Fastly's text."""
        version_at(request.auth, service_id, number)
        location = f"service => {service_id}, version => {number}"
        raise NotFound(
            f"Couldn't find {self.kind} '{{ {FASTLY_RECORD_PREFIX}, name => {name}, {location} }}'"
        )
