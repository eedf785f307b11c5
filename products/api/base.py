"""One view for every resource under `/service/{id}/version/{n}/…`."""

from typing import ClassVar

from django.utils import timezone
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import KeyedRequest
from products.api import fields
from products.api.places import in_fastly_words, object_at, version_at
from products.services import queries
from products.services.commands import config

OK = {"status": "ok"}


class Objects(APIView):
    """A kind of thing in a version: list and add."""

    kind: ClassVar[str] = ""

    def get(self, request: KeyedRequest, service_id: str, number: int) -> Response:
        """Answer all of the version's things of this kind."""
        version = version_at(request.auth, service_id, number)
        rows = queries.objects_of(version, self.kind)
        return Response([fields.shown(self.kind, row, version) for row in rows])

    def post(self, request: KeyedRequest, service_id: str, number: int) -> Response:
        """Add one to a draft."""
        version = version_at(request.auth, service_id, number)
        name = fields.name_in(request.data)
        with in_fastly_words(version, self.kind, name):
            row = config.add_object(
                request.auth,
                version=version,
                kind=self.kind,
                name=name,
                fields=fields.read(self.kind, request.data),
                now=timezone.now(),
            )
        return Response(fields.shown(self.kind, row, version))


class OneObject(APIView):
    """One thing in a version, by its name: show, change, remove."""

    kind: ClassVar[str] = ""

    def get(
        self, request: KeyedRequest, service_id: str, number: int, name: str
    ) -> Response:
        """Answer it."""
        version = version_at(request.auth, service_id, number)
        return Response(
            fields.shown(self.kind, object_at(version, self.kind, name), version)
        )

    def put(
        self, request: KeyedRequest, service_id: str, number: int, name: str
    ) -> Response:
        """Change what the body names; a `name` in it renames."""
        version = version_at(request.auth, service_id, number)
        changes = fields.read(self.kind, request.data)
        if "name" in request.data:
            changes["name"] = fields.name_in(request.data)
        with in_fastly_words(version, self.kind, name):
            row = config.change_object(
                request.auth,
                version=version,
                kind=self.kind,
                name=name,
                changes=changes,
                now=timezone.now(),
            )
        return Response(fields.shown(self.kind, row, version))

    def delete(
        self, request: KeyedRequest, service_id: str, number: int, name: str
    ) -> Response:
        """Remove it from a draft."""
        version = version_at(request.auth, service_id, number)
        with in_fastly_words(version, self.kind, name):
            config.remove_object(
                request.auth,
                version=version,
                kind=self.kind,
                name=name,
                now=timezone.now(),
            )
        return Response(OK)
