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
from accounts.policy import require
from accounts.queries import account_of
from accounts.roles import Permission
from products.api.lookups import CONFIGURE, service_at
from products.catalogue.models import Product
from products.catalogue.queries import product
from products.enablement.commands import service as commands
from products.enablement.commands.service import NotEntitled
from products.enablement.configuration import (
    OPTIONS,
    read_configuration,
    whole_configuration,
)
from products.enablement.models import ServiceProduct
from products.enablement.queries import services_with, state_of, switch_of
from products.enablement.refusals import NotOnService
from products.services import queries
from products.services.models import Service

Json = dict[str, Any]


class UnknownProduct(Conflict):
    """The catalogue does not have the product."""

    code = "unknown_product"


class NoConfiguration(Conflict):
    """The product has no options."""

    code = "no_configuration"


class NotOnAccount(Conflict):
    """The account does not have the product."""

    code = "not_on_account"


class CannotDisable(Conflict):
    """The product cannot be disabled on this path."""

    code = "cannot_disable"


class ProductView(APIView):
    """A path below `/enabled-products`, which refuses in the form of Fastly's product API."""

    error_form = "products"


class ServiceProductView(ProductView):
    """`/enabled-products/v1/{product}/services/S`, and the same without `v1`."""

    def get(self, request: TokenRequest, slug: str, service_id: str) -> Response:
        """Return the product if it is on, else 400."""
        service, row = named(request, slug, service_id)
        switched_on(service, row)
        return Response(to_json(row.pk, service.pk))

    def put(self, request: TokenRequest, slug: str, service_id: str) -> Response:
        """Switch the product on; a second call succeeds too, and changes its configuration."""
        service, row = named(request, slug, service_id, CONFIGURE)
        commands.enable_for_service(
            request.auth,
            service=service,
            product=row,
            configuration=request.data,
            now=timezone.now(),
        )
        return Response(to_json(row.pk, service.pk))

    def delete(self, request: TokenRequest, slug: str, service_id: str) -> Response:
        """Switch the product off; succeeds if it was off."""
        service, row = named(request, slug, service_id, CONFIGURE)
        commands.disable_for_service(
            request.auth, service=service, product=row, now=timezone.now()
        )
        return Response(status=HTTPStatus.NO_CONTENT)


class ProductConfiguration(ProductView):
    """`/enabled-products/v1/{product}/services/S/configuration` of the products that have one."""

    def get(self, request: TokenRequest, slug: str, service_id: str) -> Response:
        """Return all options, with the defaults of those that were never set."""
        service, row = named(request, slug, service_id)
        self._require_options(row)
        stored = switched_on(service, row).configuration
        options = whole_configuration(row.pk, stored)
        return Response(to_json(row.pk, service.pk) | {"configuration": options})

    def patch(self, request: TokenRequest, slug: str, service_id: str) -> Response:
        """Change the options that are sent, and return these."""
        service, row = named(request, slug, service_id, CONFIGURE)
        self._require_options(row)
        commands.configure_for_service(
            request.auth,
            service=service,
            product=row,
            configuration=request.data,
            now=timezone.now(),
        )
        options = read_configuration(row.pk, request.data)
        return Response(to_json(row.pk, service.pk) | {"configuration": options})

    @staticmethod
    def _require_options(row: Product) -> None:
        if row.pk not in OPTIONS:
            raise NoConfiguration(f"{row.name} has no options.")


class ProductServices(ProductView):
    """`GET /enabled-products/v1/{product}/services`."""

    def get(self, request: TokenRequest, slug: str) -> Response:
        """Return the visible services that have the product on."""
        row = known(slug)
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


class AccountProductView(ProductView):
    """`/enabled-products/v1/{product}`: a product that has no service in its path.

    It shows what the account has. Enabling a product changes the bill, and needs the agreement of
    a superuser (R3, R5); so it is refused here, and the refusal says where it is done.
    """

    def get(self, request: TokenRequest, slug: str) -> Response:
        """Return the product if the account has it, else 400."""
        account = account_of(request.auth)
        row = known(slug)
        if not state_of(account, row, timezone.now()).is_on:
            raise NotOnAccount(f"{row.name} is not enabled for this account.")
        return Response(self._to_json(row, account.pk))

    def put(self, request: TokenRequest, slug: str) -> Response:
        """Return the product if the account has it; refuse to enable it."""
        account = account_of(request.auth)
        require(request.auth, Permission.PRODUCT_ENABLE, account)
        row = known(slug)
        if not state_of(account, row, timezone.now()).is_on:
            remedy = (
                "Enabling it changes the bill: use the Products page, or "
                f"POST /api/v1/entitlements/{row.pk}/enable."
                if row.is_sold_directly
                else "Contact your account manager."
            )
            raise NotEntitled(f"{row.name} is not enabled for this account. {remedy}")
        return Response(self._to_json(row, account.pk))

    def delete(self, request: TokenRequest, slug: str) -> Response:
        """Succeed if the account does not have the product; else refuse to disable it."""
        account = account_of(request.auth)
        require(request.auth, Permission.PRODUCT_ENABLE, account)
        row = known(slug)
        if state_of(account, row, timezone.now()).is_on:
            raise CannotDisable(
                f"Disabling {row.name} changes the bill: use the Products page, or "
                f"POST /api/v1/entitlements/{row.pk}/disable.",
            )
        return Response(status=HTTPStatus.NO_CONTENT)

    @staticmethod
    def _to_json(row: Product, account_id: str) -> Json:
        return {
            "product": {"id": row.pk, "object": "product"},
            "customer": {"id": account_id, "object": "customer"},
            "_links": {},
        }


def named(
    request: TokenRequest, slug: str, service_id: str, needs: Permission | None = None
) -> tuple[Service, Product]:
    """Return the service and the product of a path. Raises as `service_at` and `known` do."""
    return service_at(request.auth, service_id, needs), known(slug)


def known(slug: str) -> Product:
    """Return a product of the catalogue. Raises UnknownProduct, which Fastly answers with 400."""
    try:
        return product(slug)
    except NotFound as error:
        raise UnknownProduct(f"The catalogue has no product '{slug}'.") from error


def switched_on(service: Service, row: Product) -> ServiceProduct:
    """Return the open switch of a product on a service. Raises NotOnService."""
    switch = switch_of(service, row.pk)
    if switch is None:
        raise NotOnService(row, service)
    return switch


def to_json(slug: str, service_id: str) -> Json:
    """Return a product that is on for a service, in Fastly's format."""
    return {
        "product": {"id": slug, "object": "product"},
        "service": {"id": service_id, "object": "service"},
        "_links": {},
    }
