"""Services: list, create, show, search, change, delete; their active domains and details."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import paging
from accounts.authentication import TokenRequest
from accounts.body_text import OneOfField, TextField
from accounts.errors import Invalid, NotFound
from accounts.queries import account_for, require_own_account
from accounts.roles import Permission
from products.api import fastly_json, fields
from products.api.lookups import (
    CONFIGURE,
    service_at,
    service_with_versions_at,
    version_at,
)
from products.api.parts import OK
from products.services import queries
from products.services.commands import services as commands
from products.services.commands.locking import ServiceGone
from products.services.models import Service, Version

MAX_NUMBER_LENGTH = 10  # digits
ORDERS = {
    "created": "created_at",
    "name": "name",
    "updated": "updated_at",
    "type": "type",
}


class ServiceReader(serializers.Serializer[Any]):
    """The fields of a service in a request body."""

    name = TextField()
    comment = TextField(allow_blank=True, required=False)
    type = OneOfField(choices=Service.Type.choices, required=False)


class PagingReader(paging.PageReader):
    """Page and order of the list, with fastly-py's defaults and limits."""

    per_page = serializers.IntegerField(
        min_value=1, max_value=paging.MAX_PER_PAGE, default=20
    )
    sort = OneOfField(choices=sorted(ORDERS), default="created")
    direction = OneOfField(choices=["ascend", "descend"], default="ascend")


def valid(form: "serializers.Serializer[Any]") -> dict[str, Any]:
    """Return the validated data. Raises ValidationError, which names every invalid field."""
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


class Services(APIView):
    """`/service`."""

    def get(self, request: TokenRequest) -> Response:
        """Return a page of the services that the actor may see, with a Link header."""
        asked = valid(PagingReader(data=request.query_params.dict()))
        order = ("-" if asked["direction"] == "descend" else "") + ORDERS[asked["sort"]]
        rows = queries.services_of(request.auth).order_by(order, "pk")
        page = rows.prefetch_related("versions")[paging.span(asked)]
        body = [fastly_json.listed(row, _prefetched(row)) for row in page]
        return Response(body, headers=paging.links(request, asked, rows.count()))

    def post(self, request: TokenRequest) -> Response:
        """Create a service with an empty first version."""
        account = account_for(request.auth, Permission.SERVICE_CREATE)
        require_own_account(account, request.data.get("customer_id"))
        sent = valid(ServiceReader(data=request.data))
        row = commands.create_service(
            request.auth,
            account=account,
            name=sent["name"],
            comment=sent.get("comment", ""),
            kind=sent.get("type", Service.Type.VCL.value),
            now=timezone.now(),
        )
        return Response(fastly_json.service(row, list(queries.versions_of(row))))


def _prefetched(row: Service) -> list[Version]:
    return sorted(row.versions.all(), key=lambda each: each.number)


class OneService(APIView):
    """`/service/S`."""

    def get(self, request: TokenRequest, service_id: str) -> Response:
        """Return the service."""
        row, versions = service_with_versions_at(request.auth, service_id)
        return Response(fastly_json.service(row, versions))

    def put(self, request: TokenRequest, service_id: str) -> Response:
        """Change name or comment."""
        row = service_at(request.auth, service_id, CONFIGURE)
        require_own_account(row.account, request.data.get("customer_id"))
        sent = valid(ServiceReader(data=request.data, partial=True))
        if sent.get("type", row.type) != row.type:
            raise Invalid("The type of a service can't be changed.", field="type")
        row = commands.update_service(
            request.auth,
            service=row,
            name=sent.get("name"),
            comment=sent.get("comment"),
            now=timezone.now(),
        )
        return Response(fastly_json.service(row, list(queries.versions_of(row))))

    def delete(self, request: TokenRequest, service_id: str) -> Response:
        """Delete the service, unless a version of it is active."""
        row = service_at(request.auth, service_id)
        commands.delete_service(request.auth, service=row, now=timezone.now())
        return Response(OK)


class ServiceSearch(APIView):
    """`GET /service/search?name=`."""

    def get(self, request: TokenRequest) -> Response:
        """Return the service of exactly this name."""
        name = request.query_params.get("name", "")
        if not name:
            raise Invalid("name: This field is required.", field="name")
        row = queries.services_of(request.auth).filter(name=name).first()
        if row is None:
            raise NotFound(f"Couldn't find Service '{name}'")
        return Response(fastly_json.service(row, list(queries.versions_of(row))))


class ServiceDomains(APIView):
    """`GET /service/S/domain`."""

    def get(self, request: TokenRequest, service_id: str) -> Response:
        """Return the domains of the active version, else of the latest. A deleted service has none."""
        try:
            row = service_at(request.auth, service_id)
        except ServiceGone:
            return Response([])
        chosen = queries.active_version(row) or queries.latest_version(row)
        reader = fields.reader_of(request.auth, row)
        rows = queries.parts_of(chosen, "domain")
        return Response([fields.to_json(each, chosen, reader) for each in rows])


class FilterReader(serializers.Serializer[Any]):
    """The filters of the versions in `details`, by the names of their parameters."""

    def get_fields(self) -> dict[str, "serializers.Field[Any, Any, Any, Any]"]:
        """Return a boolean for each parameter."""
        return {
            f"filter[versions.{each}]": serializers.BooleanField(
                source=each, required=False
            )
            for each in ("active", "staged")
        }


class ServiceDetails(APIView):
    """`GET /service/S/details`."""

    def get(self, request: TokenRequest, service_id: str) -> Response:
        """Return the service with all parts of one version: the given one, else active, else latest."""
        row, versions = service_with_versions_at(request.auth, service_id)
        active = next((each for each in versions if each.active), None)
        chosen = (
            self._chosen(request, service_id)
            or active
            or (versions[-1] if versions else None)
        )
        reader = fields.reader_of(request.auth, row)
        return Response(
            fastly_json.service(row, self._filtered(request, versions))
            | {
                "active_version": fastly_json.version(active) if active else None,
                "version": fastly_json.whole_version(chosen, reader)
                if chosen
                else None,
            }
        )

    def _chosen(self, request: TokenRequest, service_id: str) -> Version | None:
        sent = request.query_params.get("version", "")
        if not sent:
            return None
        if not (sent.isascii() and sent.isdigit() and len(sent) <= MAX_NUMBER_LENGTH):
            raise Invalid("version must be a whole number.", field="version")
        return version_at(request.auth, service_id, int(sent))

    def _filtered(
        self, request: TokenRequest, versions: Sequence[Version]
    ) -> list[Version]:
        """Apply `filter[versions.active]` and `filter[versions.staged]`."""
        asked = valid(FilterReader(data=request.query_params.dict()))
        kept = versions
        if "active" in asked:
            kept = [each for each in kept if each.active is asked["active"]]
        if "staged" in asked:
            kept = [each for each in kept if each.staged is asked["staged"]]
        return list(kept)
