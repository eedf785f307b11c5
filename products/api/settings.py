"""A version's settings: Fastly's defaults, which can be read and confirmed, not changed."""

from typing import Any, Final

from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import policy
from accounts.authentication import TokenRequest
from accounts.errors import Invalid
from accounts.roles import Permission
from products.api import fastly_json
from products.api.lookups import version_at
from products.services.commands.locking import VersionLocked

# As forms write the same: Go's clients as 0 and false, Python's as False.
SAME: Final = {"false": "0", "true": "1"}


class VersionSettingsView(APIView):
    """`/service/S/version/N/settings`."""

    def get(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Answer the defaults."""
        return Response(
            fastly_json.settings(version_at(request.auth, service_id, number))
        )

    def put(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Take the defaults, as Terraform's provider sends them with every new service; refuse others."""
        row = version_at(request.auth, service_id, number)
        policy.require(request.auth, Permission.SERVICE_CONFIGURE, row.service)
        if row.locked:
            raise VersionLocked(row)
        kept = fastly_json.settings(row)
        others = [
            name
            for name in kept.keys() & request.data.keys()
            if name.startswith("general.")
            and _plain(request.data[name]) != _plain(kept[name])
        ]
        if others:
            raise Invalid(
                "These settings cannot be changed here.",
                details=[f"{name}: It is {kept[name]!r}." for name in sorted(others)],
            )
        return Response(kept)


def _plain(value: Any) -> str:
    text = str(value).lower()
    return SAME.get(text, text)
