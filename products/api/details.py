"""`GET /service/S/details`: a service with all that one of its versions holds."""

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from accounts.errors import Invalid
from products.api import fastly_json
from products.api.lookups import service_at, version_at
from products.api.services import valid, versions_of
from products.services.models import Version

MAX_NUMBER_LENGTH = 10  # digits


class FilterReader(serializers.Serializer[Any]):
    """The filters of the versions in `details`."""

    active = serializers.BooleanField(allow_null=True, default=None)
    staged = serializers.BooleanField(default=False)


def _filters(request: TokenRequest) -> dict[str, str]:
    return {
        name: request.query_params[f"filter[versions.{name}]"]
        for name in ("active", "staged")
        if f"filter[versions.{name}]" in request.query_params
    }


class ServiceDetails(APIView):
    """`GET /service/S/details`."""

    def get(self, request: TokenRequest, service_id: str) -> Response:
        """Answer the service with all that one version holds: the one named, else active, else latest."""
        row = service_at(request.auth, service_id)
        versions = versions_of(row)
        active = next((each for each in versions if each.active), None)
        chosen = (
            self._chosen(request, service_id)
            or active
            or (versions[-1] if versions else None)
        )
        return Response(
            fastly_json.service(row, self._filtered(request, versions))
            | {
                "active_version": fastly_json.version(active) if active else None,
                "version": fastly_json.whole_version(chosen) if chosen else None,
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
        """Narrow the versions as `filter[versions.active]` and `….staged` ask; none is ever staged."""
        asked = valid(FilterReader(data=_filters(request)))
        kept = versions
        if asked["active"] is not None:
            kept = [each for each in kept if each.active is asked["active"]]
        return [] if asked["staged"] else list(kept)
