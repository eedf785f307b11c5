"""Services: list, create, show, search, change, delete; and their live domains."""

from typing import Any
from urllib.parse import urlencode

from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from accounts.errors import Invalid, NotFound
from accounts.queries import account_of
from products.api import fastly_json, fields
from products.api.lookups import ServiceDeleted, service_at
from products.api.parts import OK
from products.services import queries
from products.services.commands import services as commands
from products.services.models import Service, Version

ORDERS = {
    "created": "created_at",
    "name": "name",
    "updated": "updated_at",
    "type": "type",
}


class ServiceReader(serializers.Serializer[Any]):
    """What a body may say of a service."""

    name = serializers.CharField()
    comment = serializers.CharField(allow_blank=True, required=False)
    type = serializers.ChoiceField(choices=Service.Type.choices, required=False)


class PagingReader(serializers.Serializer[Any]):
    """Which part of the list is asked for, in which order (fastly-py's defaults and bounds)."""

    page = serializers.IntegerField(min_value=1, max_value=1_000_000, default=1)
    per_page = serializers.IntegerField(min_value=1, max_value=1_000, default=20)
    sort = serializers.ChoiceField(choices=sorted(ORDERS), default="created")
    direction = serializers.ChoiceField(choices=["ascend", "descend"], default="ascend")


def valid(form: "serializers.Serializer[Any]") -> dict[str, Any]:
    """Return what a reader has read. Raises ValidationError naming every field at fault."""
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


def versions_of(row: Service) -> list[Version]:
    """Return a service's versions, the oldest first."""
    return list(queries.versions_of(row))


class Services(APIView):
    """`/service`."""

    def get(self, request: TokenRequest) -> Response:
        """Answer a page of the services that the actor may see; the Link header leads on."""
        asked = valid(PagingReader(data=request.query_params.dict()))
        order = ("-" if asked["direction"] == "descend" else "") + ORDERS[asked["sort"]]
        rows = queries.services_of(request.auth).order_by(order, "pk")
        start = (asked["page"] - 1) * asked["per_page"]
        page = rows.prefetch_related("versions")[start : start + asked["per_page"]]
        body = [fastly_json.listed(row, _prefetched(row)) for row in page]
        return Response(body, headers=_links(request, asked, rows.count()))

    def post(self, request: TokenRequest) -> Response:
        """Create a service with an empty first version."""
        sent = valid(ServiceReader(data=request.data))
        row = commands.create_service(
            request.auth,
            account=account_of(request.auth),
            name=sent["name"],
            comment=sent.get("comment", ""),
            kind=sent.get("type", Service.Type.VCL.value),
            now=timezone.now(),
        )
        return Response(fastly_json.service(row, versions_of(row)))


def _prefetched(row: Service) -> list[Version]:
    return sorted(row.versions.all(), key=lambda each: each.number)


def _links(request: TokenRequest, asked: dict[str, Any], count: int) -> dict[str, str]:
    """Return the Link header by which Fastly's clients page; they read the query of its URLs."""
    number, last = asked["page"], max(-(-count // asked["per_page"]), 1)
    near = {
        "first": 1 if number > 1 else None,
        "prev": number - 1 if number > 1 else None,
        "next": number + 1 if number < last else None,
        "last": last if number < last else None,
    }
    links = [
        f'<{request.build_absolute_uri(request.path)}?{urlencode(asked | {"page": page})}>; rel="{name}"'
        for name, page in near.items()
        if page is not None
    ]
    return {"Link": ", ".join(links)} if links else {}


class OneService(APIView):
    """`/service/S`."""

    def get(self, request: TokenRequest, service_id: str) -> Response:
        """Answer the service."""
        row = service_at(request.auth, service_id)
        return Response(fastly_json.service(row, versions_of(row)))

    def put(self, request: TokenRequest, service_id: str) -> Response:
        """Change name or comment."""
        row = service_at(request.auth, service_id)
        sent = valid(ServiceReader(data=request.data, partial=True))
        row = commands.update_service(
            request.auth,
            service=row,
            name=sent.get("name"),
            comment=sent.get("comment"),
            now=timezone.now(),
        )
        return Response(fastly_json.service(row, versions_of(row)))

    def delete(self, request: TokenRequest, service_id: str) -> Response:
        """Delete the service, unless a version of it is active."""
        row = service_at(request.auth, service_id)
        commands.delete_service(request.auth, service=row, now=timezone.now())
        return Response(OK)


class ServiceSearch(APIView):
    """`GET /service/search?name=`."""

    def get(self, request: TokenRequest) -> Response:
        """Answer the service of exactly this name."""
        name = request.query_params.get("name", "")
        if not name:
            raise Invalid("name: This field is required.", field="name")
        row = queries.services_of(request.auth).filter(name=name).first()
        if row is None:
            raise NotFound(f"Couldn't find Service '{name}'")
        return Response(fastly_json.service(row, versions_of(row)))


class ServiceDomains(APIView):
    """`GET /service/S/domain`."""

    def get(self, request: TokenRequest, service_id: str) -> Response:
        """Answer the domains of the live version, else of the latest; of a deleted service, none."""
        try:
            row = service_at(request.auth, service_id)
        except ServiceDeleted:
            return Response([])
        live = queries.active_version(row) or queries.latest_version(row)
        rows = queries.parts_of(live, "domain")
        return Response([fields.shown("domain", each, live) for each in rows])
