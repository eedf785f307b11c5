"""`/enabled-products`: switch a product on or off for a service (R4); list where it is on.

No response has `_links.self`: fastly-py 15.0 raises on it, and no other client reads it. Refusals
have the form of Fastly's product API, with status 400 even if other paths would say 404.
"""

from http import HTTPStatus
from typing import Any

from django.utils import timezone
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from accounts.errors import Conflict, NotFound
from products.api.lookups import service_at
from products.catalogue.models import Product
from products.catalogue.queries import product
from products.enablement.commands import service as commands
from products.enablement.queries import services_with, switch_of
from products.services import queries
from products.services.models import Service

Json = dict[str, Any]


def to_json(slug: str, service_id: str) -> Json:
    """Return a product that is on for a service, in Fastly's format."""
    return {
        "product": {"id": slug, "object": "product"},
        "service": {"id": service_id, "object": "service"},
        "_links": {},
    }


class NotOnService(Conflict):
    """The product is not switched on for the service."""

    code = "not_on_service"


class UnknownProduct(Conflict):
    """The catalogue does not have the product."""

    code = "unknown_product"


class ServiceProductView(APIView):
    """`/enabled-products/v1/{product}/services/S`, and the same without `v1`."""

    error_form = "products"

    def get(self, request: TokenRequest, slug: str, service_id: str) -> Response:
        """Return the product if it is on, else 400."""
        service, row = self._named(request, slug, service_id)
        if switch_of(service, row.pk) is None:
            raise NotOnService("")
        return Response(to_json(row.pk, service.pk))

    def put(self, request: TokenRequest, slug: str, service_id: str) -> Response:
        """Switch the product on; a second call succeeds too."""
        service, row = self._named(request, slug, service_id)
        commands.enable_for_service(
            request.auth,
            service=service,
            product=row,
            configuration=configuration_of(slug, request.data),
            now=timezone.now(),
        )
        return Response(to_json(row.pk, service.pk))

    def delete(self, request: TokenRequest, slug: str, service_id: str) -> Response:
        """Switch the product off; succeeds if it was off."""
        service, row = self._named(request, slug, service_id)
        commands.disable_for_service(
            request.auth, service=service, product=row, now=timezone.now()
        )
        return Response(status=HTTPStatus.NO_CONTENT)

    def _named(
        self, request: TokenRequest, slug: str, service_id: str
    ) -> tuple[Service, Product]:
        return service_at(request.auth, service_id), product_at(slug)


def product_at(slug: str) -> Product:
    """Return a product of the catalogue. Raises UnknownProduct, which Fastly answers with 400."""
    try:
        return product(slug)
    except NotFound as error:
        raise UnknownProduct(f"The catalogue has no product '{slug}'.") from error


def configuration_of(slug: str, sent: Json) -> Json:
    """Return the configuration of a product on a service; only ngwaf has one."""
    if slug != "ngwaf":
        return {}
    names = ("workspace_id", "traffic_ramp")
    return {name: str(sent[name])[:255] for name in names if name in sent}


class ProductServices(APIView):
    """`GET /enabled-products/v1/{product}/services`."""

    error_form = "products"

    def get(self, request: TokenRequest, slug: str) -> Response:
        """Return the visible services that have the product on."""
        row = product_at(slug)
        account_id = request.auth.account_id
        on = set(services_with(account_id, row.pk).values_list("pk", flat=True))
        seen = queries.services_of(request.auth).values_list("pk", flat=True)
        return Response(
            {
                "product": {"id": row.pk, "object": "product"},
                "customer": {"id": account_id, "object": "customer"},
                "services": sorted(on & set(seen)),
                "_links": {},
            }
        )
