"""`…/director/{name}/backend/{name}`: which backends a director has."""

from django.utils import timezone
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from accounts.errors import NotFound
from products.api import fields
from products.api.lookups import (
    FASTLY_RECORD_PREFIX,
    fastly_not_found,
    part_at,
    version_at,
)
from products.api.parts import OK
from products.services.commands import directors
from products.services.commands.related import backends_of
from products.services.models import Part, Version


class DirectorBackend(APIView):
    """A backend of a director."""

    def get(
        self,
        request: TokenRequest,
        service_id: str,
        number: int,
        director: str,
        backend: str,
    ) -> Response:
        """Return the relation."""
        version = version_at(request.auth, service_id, number)
        row = part_at(version, "director", director)
        if backend not in backends_of(row):
            raise _not_found(version, backend)
        return Response(_to_json(version, row, backend))

    def post(
        self,
        request: TokenRequest,
        service_id: str,
        number: int,
        director: str,
        backend: str,
    ) -> Response:
        """Add the backend to the director."""
        version = version_at(request.auth, service_id, number)
        part_at(version, "director", director)
        with fastly_not_found(version, "backend", backend):
            row = directors.add_backend(
                request.auth,
                version=version,
                director=director,
                backend=backend,
                now=timezone.now(),
            )
        return Response(_to_json(version, row, backend))

    def delete(
        self,
        request: TokenRequest,
        service_id: str,
        number: int,
        director: str,
        backend: str,
    ) -> Response:
        """Remove the backend from the director."""
        version = version_at(request.auth, service_id, number)
        part_at(version, "director", director)
        try:
            directors.remove_backend(
                request.auth,
                version=version,
                director=director,
                backend=backend,
                now=timezone.now(),
            )
        except NotFound as error:
            raise _not_found(version, backend) from error
        return Response(OK)


def _not_found(version: Version, backend: str) -> NotFound:
    location = f"service => {version.service_id}, version => {version.number}"
    return NotFound(
        f"Couldn't find DirectorBackend '{{ {FASTLY_RECORD_PREFIX}, backend => {backend}, {location} }}'"
    )


def _to_json(version: Version, director: Part, backend: str) -> fields.Json:
    """Return the relation; fastly-py and go-fastly call the director differently."""
    return {
        "backend_name": backend,
        "director": director.name,
        "director_name": director.name,
        "service_id": version.service_id,
        "version": version.number,
        "created_at": director.created_at,
        "updated_at": director.updated_at,
        "deleted_at": None,
    }
