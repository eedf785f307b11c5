"""One view for every resource under `/service/{id}/version/{n}/…`."""

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


class Kind(APIView):
    """How one kind of part is read, found and shown in Fastly's format."""

    kind: ClassVar[str] = ""

    def read(self, sent: fields.Json) -> fields.Json:
        """Return what a body says."""
        return fields.read(self.kind, sent)

    def rows(self, version: Version) -> Iterable[Part]:
        """Return all of the version's things of this kind."""
        return queries.parts_of(version, self.kind)

    def found(self, version: Version, name: str) -> Part:
        """Return one by its name. Raises NotFound in Fastly's words."""
        return part_at(version, self.kind, name)

    def shown(self, row: Part, version: Version) -> dict[str, Any]:
        """Show one."""
        return fields.shown(self.kind, row, version)


class PartList(Kind):
    """A kind of thing in a version: list and add."""

    def get(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Answer all of the version's things of this kind."""
        version = version_at(request.auth, service_id, number)
        return Response([self.shown(row, version) for row in self.rows(version)])

    def post(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Add one to a draft."""
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
        return Response(self.shown(row, version))


class PartDetail(Kind):
    """One thing in a version, by its name: show, change, remove."""

    def get(
        self, request: TokenRequest, service_id: str, number: int, name: str
    ) -> Response:
        """Answer it."""
        version = version_at(request.auth, service_id, number)
        return Response(self.shown(self.found(version, name), version))

    def put(
        self, request: TokenRequest, service_id: str, number: int, name: str
    ) -> Response:
        """Change what the body names; a `name` in it renames."""
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
        return Response(self.shown(row, version))

    def delete(
        self, request: TokenRequest, service_id: str, number: int, name: str
    ) -> Response:
        """Remove it from a draft."""
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
