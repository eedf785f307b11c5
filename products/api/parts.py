"""The views of all kinds of parts: `/service/{id}/version/{n}/{kind}`."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from products.api import fields
from products.api.lookups import fastly_not_found, part_at, version_at
from products.services import queries
from products.services.commands import parts
from products.services.models import Part, Version

OK = {"status": "ok"}


class PartView(APIView):
    """Reads, finds and returns parts of one kind in Fastly's format."""

    kind: ClassVar[str] = ""

    def read(self, sent: fields.Json) -> fields.Json:
        """Return the fields in a request body."""
        return fields.read(self.kind, sent)

    def rows(self, version: Version) -> Iterable[Part]:
        """Return all parts of this kind in the version."""
        return queries.parts_of(version, self.kind)

    def found(self, version: Version, name: str) -> Part:
        """Return a part by its name. Raises NotFound with Fastly's text."""
        return part_at(version, self.kind, name)

    def to_json(self, row: Part, version: Version) -> dict[str, Any]:
        """Return a part in Fastly's format."""
        return fields.to_json(self.kind, row, version)


class PartList(PartView):
    """List the parts of one kind, and add one."""

    def get(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Return all parts of this kind in the version."""
        version = version_at(request.auth, service_id, number)
        return Response([self.to_json(row, version) for row in self.rows(version)])

    def post(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Add a part to a draft."""
        version = version_at(request.auth, service_id, number)
        name = fields.name_in(request.data)
        with fastly_not_found(version, self.kind, name):
            row = parts.add_part(
                request.auth,
                version=version,
                kind=self.kind,
                name=name,
                fields=self.read(request.data),
                now=timezone.now(),
            )
        return Response(self.to_json(row, version))


class PartDetail(PartView):
    """Show, change and remove one part, by its name."""

    def get(
        self, request: TokenRequest, service_id: str, number: int, name: str
    ) -> Response:
        """Return the part."""
        version = version_at(request.auth, service_id, number)
        return Response(self.to_json(self.found(version, name), version))

    def put(
        self, request: TokenRequest, service_id: str, number: int, name: str
    ) -> Response:
        """Change the fields in the body; a `name` renames the part."""
        version = version_at(request.auth, service_id, number)
        self.found(version, name)
        changes = self.read(request.data)
        if "name" in request.data:
            changes["name"] = fields.name_in(request.data)
        with fastly_not_found(version, self.kind, name):
            row = parts.change_part(
                request.auth,
                version=version,
                kind=self.kind,
                name=name,
                changes=changes,
                now=timezone.now(),
            )
        return Response(self.to_json(row, version))

    def delete(
        self, request: TokenRequest, service_id: str, number: int, name: str
    ) -> Response:
        """Remove the part from a draft."""
        version = version_at(request.auth, service_id, number)
        self.found(version, name)
        with fastly_not_found(version, self.kind, name):
            parts.remove_part(
                request.auth,
                version=version,
                kind=self.kind,
                name=name,
                now=timezone.now(),
            )
        return Response(OK)
