"""Whether a version's domains lead here, as far as the platform itself knows."""

from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from products.api import fields
from products.api.lookups import part_at, version_at
from products.deploy.models import ActiveDomain
from products.services import queries
from products.services.models import Part, Version


class CheckDomain(APIView):
    """`GET …/domain/{name}/check`."""

    def get(
        self, request: TokenRequest, service_id: str, number: int, name: str
    ) -> Response:
        """Answer for one domain."""
        version = version_at(request.auth, service_id, number)
        row = part_at(version, "domain", name)
        return Response(checked(version, [row])[0])


class CheckDomains(APIView):
    """`GET …/domain/check_all`."""

    def get(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Answer for all of the version's domains."""
        version = version_at(request.auth, service_id, number)
        return Response(checked(version, list(queries.parts_of(version, "domain"))))


def checked(version: Version, rows: list[Part]) -> list[list[object]]:
    """Return a triple a domain: the domain, its CNAME, and whether the service answers for it.

    The portal asks no name server, so the CNAME is null, as Fastly has it for a name without one.
    """
    names = [row.name for row in rows]
    active = ActiveDomain.objects.filter(service_id=version.service_id, name__in=names)
    answering = set(active.values_list("name", flat=True))
    return [
        [fields.shown("domain", row, version), None, row.name in answering]
        for row in rows
    ]
