"""The views of all kinds of parts: `/service/{id}/version/{n}/{kind}`."""

from http import HTTPStatus
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from accounts.body_text import OneOfField, text_in
from accounts.errors import Invalid
from products.api import fields
from products.api.lookups import (
    CONFIGURE,
    fastly_not_found,
    part_at,
    part_with_id,
    version_at,
)
from products.services import queries
from products.services.commands import parts
from products.services.commands.locking import VersionLocked
from products.services.kinds import KINDS, Kind
from products.services.models import Part, Version

OK = {"status": "ok"}


class ContentReader(serializers.Serializer[Any]):
    """Whether a VCL file is shown without its content."""

    no_content = serializers.BooleanField(default=False)


class IncludeReader(serializers.Serializer[Any]):
    """Whether Fastly's command line asks for addresses of a staging network; there are none."""

    include = OneOfField(choices=["staging_ips"], default="", allow_blank=True)


class PartView(APIView):
    """Reads, finds and returns parts of one kind in Fastly's format."""

    @property
    def kind(self) -> str:
        """Return the kind that the path names."""
        return str(self.kwargs["kind"])

    @property
    def declared(self) -> Kind:
        """Return the declaration of the kind."""
        return KINDS[self.kind]

    def shown(self, request: TokenRequest, row: Part, version: Version) -> Response:
        """Return the response with one part."""
        reader = fields.reader_of(request.auth, version.service)
        return Response(fields.to_json(row, version, reader))

    def changed(self, request: TokenRequest, row: Part, version: Version) -> Response:
        """Change the fields in the body; a `name` renames the part."""
        sent = fields.read(self.declared, request.data)
        changes = dict(sent)
        if "name" in request.data:
            changes["name"] = text_in(request.data, "name")
        with fastly_not_found(version, self.kind, row.key):
            row = parts.change_part(
                request.auth,
                version=version,
                kind=self.kind,
                name=row.key,
                changes=changes,
                now=timezone.now(),
            )
        return self.written(request, row, version)

    def written(
        self,
        request: TokenRequest,
        row: Part,
        version: Version,
        *,
        created: bool = False,
    ) -> Response:
        """Return the response to a write: the part, and what of it is not carried out."""
        reader = fields.reader_of(request.auth, version.service)
        shown = fields.to_json(row, version, reader, created=created)
        return Response(fields.warned(shown, row, request.data))

    def removed(self, request: TokenRequest, row: Part, version: Version) -> Response:
        """Remove the part from a draft."""
        with fastly_not_found(version, self.kind, row.key):
            parts.remove_part(
                request.auth,
                version=version,
                kind=self.kind,
                name=row.key,
                now=timezone.now(),
            )
        return Response(OK)

    def added(self, request: TokenRequest, version: Version, name: str) -> Response:
        """Add a part to a draft."""
        sent = fields.read(self.declared, request.data)
        with fastly_not_found(version, self.kind, name):
            row = parts.add_part(
                request.auth,
                version=version,
                kind=self.kind,
                name=name,
                fields=sent,
                now=timezone.now(),
            )
        return self.written(request, row, version, created=True)


class PartList(PartView):
    """List the parts of one kind, and add one."""

    def get(
        self, request: TokenRequest, service_id: str, number: int, kind: str
    ) -> Response:
        """Return all parts of this kind in the version."""
        version = version_at(request.auth, service_id, number)
        if kind == "domain":
            query = IncludeReader(data=request.query_params.dict())
            query.is_valid(raise_exception=True)
        reader = fields.reader_of(request.auth, version.service)
        rows = queries.parts_of(version, self.kind)
        return Response([fields.to_json(row, version, reader) for row in rows])

    def post(
        self, request: TokenRequest, service_id: str, number: int, kind: str
    ) -> Response:
        """Add a part to a draft."""
        version = version_at(request.auth, service_id, number, CONFIGURE)
        return self.added(request, version, text_in(request.data, "name"))


class PartDetail(PartView):
    """Show, change and remove one part, by its name or id."""

    def get(
        self, request: TokenRequest, service_id: str, number: int, kind: str, name: str
    ) -> Response:
        """Return the part; a VCL file without its content if the query says so."""
        version = version_at(request.auth, service_id, number)
        response = self.shown(request, part_at(version, self.kind, name), version)
        if self.kind == "vcl":
            query = ContentReader(data=request.query_params.dict())
            query.is_valid(raise_exception=True)
            if query.validated_data["no_content"]:
                response.data.pop("content", None)
        return response

    def put(
        self, request: TokenRequest, service_id: str, number: int, kind: str, name: str
    ) -> Response:
        """Change the fields in the body; a `name` renames the part."""
        version = version_at(request.auth, service_id, number, CONFIGURE)
        return self.changed(request, part_at(version, self.kind, name), version)

    def delete(
        self, request: TokenRequest, service_id: str, number: int, kind: str, name: str
    ) -> Response:
        """Remove the part from a draft."""
        version = version_at(request.auth, service_id, number, CONFIGURE)
        return self.removed(request, part_at(version, self.kind, name), version)


class PartById(PartView):
    """Show, change and remove one part by its id alone: `/rate-limiters/{id}`."""

    def get(self, request: TokenRequest, kind: str, part_id: str) -> Response:
        """Return the part."""
        row = part_with_id(request.auth, self.kind, part_id)
        return self.shown(request, row, row.version)

    def put(self, request: TokenRequest, kind: str, part_id: str) -> Response:
        """Change the fields in the body."""
        row = part_with_id(request.auth, self.kind, part_id, CONFIGURE)
        return self.changed(request, row, row.version)

    def delete(self, request: TokenRequest, kind: str, part_id: str) -> Response:
        """Remove the part from its draft."""
        row = part_with_id(request.auth, self.kind, part_id, CONFIGURE)
        return self.removed(request, row, row.version)


class VersionSettings(PartView):
    """The settings of a version, which answers defaults until it has some."""

    def get(
        self, request: TokenRequest, service_id: str, number: int, kind: str
    ) -> Response:
        """Return the settings."""
        version = version_at(request.auth, service_id, number)
        row = queries.find_single(version, self.kind)
        reader = fields.reader_of(request.auth, version.service)
        return Response(fields.settings_to_json(self.declared, row, version, reader))

    def put(
        self, request: TokenRequest, service_id: str, number: int, kind: str
    ) -> Response:
        """Change the settings in the body."""
        version = version_at(request.auth, service_id, number, CONFIGURE)
        sent = fields.read(self.declared, request.data)
        row = parts.set_single(
            request.auth,
            version=version,
            kind=self.kind,
            changes=sent,
            now=timezone.now(),
        )
        reader = fields.reader_of(request.auth, version.service)
        shown = fields.settings_to_json(self.declared, row, version, reader)
        return Response(fields.warned(shown, row, request.data))


class ImageOptimizerSettings(VersionSettings):
    """The image optimizer settings of a version: as the settings, with PATCH."""

    def patch(
        self, request: TokenRequest, service_id: str, number: int, kind: str
    ) -> Response:
        """Change the settings in the body."""
        return self.put(request, service_id, number, kind)

    http_method_names = ["get", "patch", "head"]


class Http3(PartView):
    """HTTP/3 of a version, which is off until it is posted."""

    def get(
        self, request: TokenRequest, service_id: str, number: int, kind: str
    ) -> Response:
        """Return that it is on; off is 404."""
        version = version_at(request.auth, service_id, number)
        row = queries.find_single(version, self.kind)
        if row is None:
            return Response({"msg": "Not found"}, HTTPStatus.NOT_FOUND)
        return self.shown(request, row, version)

    def post(
        self, request: TokenRequest, service_id: str, number: int, kind: str
    ) -> Response:
        """Switch it on."""
        version = version_at(request.auth, service_id, number, CONFIGURE)
        if queries.find_single(version, self.kind):
            raise Invalid("HTTP/3 is on already.")
        return self.added(request, version, "")

    def delete(
        self, request: TokenRequest, service_id: str, number: int, kind: str
    ) -> Response:
        """Switch it off; Terraform's provider does so for every new service, where it is off."""
        version = version_at(request.auth, service_id, number, CONFIGURE)
        row = queries.find_single(version, self.kind)
        if row is not None:
            return self.removed(request, row, version)
        if version.locked:
            raise VersionLocked(version)
        return Response(OK)
