"""Checks whether a service receives the requests for a version's domains."""

from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from products.api import fields
from products.api.lookups import part_at, version_at
from products.domains.models import ActiveDomain
from products.services import queries
from products.services.models import Part, Version


class CheckDomain(APIView):
    """`GET …/domain/{name}/check`."""

    def get(
        self, request: TokenRequest, service_id: str, number: int, name: str
    ) -> Response:
        """Return the result for one domain."""
        version = version_at(request.auth, service_id, number)
        row = part_at(version, "domain", name)
        return Response(check_results(request, version, [row])[0])


class CheckDomains(APIView):
    """`GET …/domain/check_all`."""

    def get(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Return the results for all domains of the version."""
        version = version_at(request.auth, service_id, number)
        return Response(
            check_results(request, version, queries.parts_of(version, "domain"))
        )


def check_results(
    request: TokenRequest, version: Version, rows: list[Part]
) -> list[list[object]]:
    """Return a triple per domain: the domain, its CNAME, and whether the service receives its requests.

    The portal does not ask a name server. So the CNAME is null, as at Fastly for a name without
    one.
    """
    names = [row.name for row in rows]
    active = ActiveDomain.objects.filter(service_id=version.service_id, name__in=names)
    received = set(active.values_list("name", flat=True))
    reader = fields.reader_of(request.auth, version.service)
    return [
        [fields.to_json(row, version, reader), None, row.name in received]
        for row in rows
    ]
