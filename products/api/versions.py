"""Versions: list, create, comment, clone, lock, activate, deactivate, validate."""

from typing import Any, Final

from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from accounts.body_text import TextField, require_same
from accounts.errors import NotFound
from products.api import fastly_json
from products.api.decision import check_to_json
from products.api.lookups import (
    CONFIGURE,
    service_at,
    service_with_versions_at,
    version_at,
    version_for_decision_at,
)
from products.api.services import valid
from products.deploy import commands as deploy
from products.deploy.decision import decision_with_probe
from products.services.commands import versions as commands
from products.services.queries import warnings_of

# The compatibility rules warn of these themselves, if the version uses WebSockets.
RULES_WARN_OF: Final = frozenset({"backend", "header"})


# Fields of a version that fastly-py can send, and that only other paths change.
FIXED_FIELDS: Final = ("active", "deployed", "locked", "number", "staging", "testing")
NOT_STAGED_AT_EDGES: Final = (
    "Stored, but not carried out by the edge: there is no staging environment."
)


class VersionReader(serializers.Serializer[Any]):
    """The fields of a version in a request body."""

    comment = TextField(allow_blank=True, required=False)


class Versions(APIView):
    """`/service/S/version`."""

    def get(self, request: TokenRequest, service_id: str) -> Response:
        """Return the service's versions, the oldest first."""
        _, versions = service_with_versions_at(request.auth, service_id)
        return Response([fastly_json.version(each) for each in versions])

    def post(self, request: TokenRequest, service_id: str) -> Response:
        """Create an empty version; as at Fastly, the response has only its number and comment."""
        row = service_at(request.auth, service_id, CONFIGURE)
        sent = valid(VersionReader(data=request.data))
        made = commands.create_version(
            request.auth,
            service=row,
            comment=sent.get("comment", ""),
            now=timezone.now(),
        )
        return Response({"service_id": row.pk, "number": made.number} | sent)


class OneVersion(APIView):
    """`/service/S/version/N`."""

    def get(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Return the version."""
        return Response(
            fastly_json.version(version_at(request.auth, service_id, number))
        )

    def put(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Change the comment; other paths activate, lock and stage the version."""
        row = version_at(request.auth, service_id, number, CONFIGURE)
        sent = valid(VersionReader(data=request.data))
        require_same(fastly_json.version(row), request.data, FIXED_FIELDS)
        if "comment" in sent:
            row = commands.comment_version(
                request.auth, version=row, comment=sent["comment"], now=timezone.now()
            )
        return Response(fastly_json.version(row))


class Clone(APIView):
    """`PUT …/clone`."""

    def put(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Create a draft with all parts of the version."""
        row = version_at(request.auth, service_id, number)
        made = commands.clone_version(request.auth, version=row, now=timezone.now())
        return Response(fastly_json.version(made))


class Lock(APIView):
    """`PUT …/lock`."""

    def put(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Lock the version, even if it is not complete."""
        row = version_at(request.auth, service_id, number)
        locked = commands.lock_version(request.auth, version=row, now=timezone.now())
        return Response(fastly_json.version(locked))


class Activate(APIView):
    """`PUT …/activate`."""

    def put(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Activate the version. A refusal lists every failed check, and changes nothing."""
        row = version_for_decision_at(request.auth, service_id, number)
        try:
            done = deploy.activate(request.auth, version=row, now=timezone.now())
        except deploy.DeploymentRefused as refused:
            refused.data = {
                "checks": [check_to_json(each) for each in refused.decision.checks]
            }
            raise
        active = fastly_json.version(version_at(request.auth, service_id, number))
        warnings = done.findings if done else []
        return Response(active | ({"msg": " ".join(warnings)} if warnings else {}))


class Deactivate(APIView):
    """`PUT …/deactivate`."""

    def put(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Deactivate the version."""
        row = version_at(request.auth, service_id, number)
        deploy.deactivate(request.auth, version=row, now=timezone.now())
        return Response(
            fastly_json.version(version_at(request.auth, service_id, number))
        )


class Staging(APIView):
    """`PUT …/activate/staging` and `…/deactivate/staging`."""

    staged = True

    def put(
        self, request: TokenRequest, service_id: str, number: int, environment: str
    ) -> Response:
        """Mark the version as staged, or no longer; edges have no staging environment."""
        row = version_at(request.auth, service_id, number)
        if environment != fastly_json.STAGING:
            raise NotFound(f"There is no environment '{environment}'.")
        command = deploy.stage if self.staged else deploy.unstage
        command(request.auth, version=row, now=timezone.now())
        shown = fastly_json.version(version_at(request.auth, service_id, number))
        return Response(shown | {"msg": NOT_STAGED_AT_EDGES})


class Validate(APIView):
    """`GET …/validate`."""

    def get(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Return, always with 200, whether someone who may activate it can activate the version.

        What prevents only this actor is not an error of the version, and is in `messages`.
        """
        row = version_at(request.auth, service_id, number)
        decision = decision_with_probe(request.auth, version=row)
        personal = [each.reason for each in decision.failed if each.is_personal]
        reasons = [
            fix.reason
            for each in decision.failed
            if not each.is_personal
            for fix in each.fixes
        ]
        skipped = RULES_WARN_OF if decision.uses_websockets else frozenset()
        warnings = [
            *(finding.message for finding in decision.warnings),
            *warnings_of(row, skipped=skipped),
        ]
        return Response(
            {
                "status": "error" if reasons else "ok",
                "msg": " ".join(reasons) or None,
                "errors": reasons,
                "warnings": warnings,
                "messages": personal,
            }
        )
