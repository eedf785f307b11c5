"""Parts of Fastly's versions that are not supported: their lists are empty, changes are refused.

Terraform's provider reads every list after each change, and takes an empty one as in order.
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
    """The list of a kind that is not kept."""

    kind: ClassVar[str] = ""

    def get(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Answer that there is none."""
        version_at(request.auth, service_id, number)
        return Response([])

    def post(self, request: TokenRequest, service_id: str, number: int) -> NoReturn:
        """Refuse to keep one: taking it and doing nothing would be a lie."""
        version_at(request.auth, service_id, number)
        raise Invalid(f"A version here cannot hold '{self.kind}'.")


class UnkeptLogs(APIView):
    """Log endpoints of a sort that is not kept; which one, the path says."""

    def get(
        self, request: TokenRequest, service_id: str, number: int, kind: str
    ) -> Response:
        """Answer that there is none."""
        version_at(request.auth, service_id, number)
        return Response([])

    def post(
        self, request: TokenRequest, service_id: str, number: int, kind: str
    ) -> NoReturn:
        """Refuse to keep one."""
        version_at(request.auth, service_id, number)
        raise Invalid(f"Lines are sent to 'https' and 'syslog' here, not to '{kind}'.")


class OneUnkept(APIView):
    """One of a kind that is not kept."""

    kind: ClassVar[str] = ""

    def get(
        self, request: TokenRequest, service_id: str, number: int, name: str
    ) -> NoReturn:
        """Answer that there is none of this name."""
        version_at(request.auth, service_id, number)
        where = f"service => {service_id}, version => {number}"
        raise NotFound(
            f"Couldn't find {self.kind} '{{ {FASTLY_RECORD_PREFIX}, name => {name}, {where} }}'"
        )
