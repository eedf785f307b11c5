"""Versions: list, create, comment, clone, lock, put live, take off, check, compare."""

from http import HTTPStatus
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from accounts.errors import Forbidden
from products.api import fastly_json, verdicts
from products.api.lookups import service_at, version_at, version_to_judge_at
from products.api.services import valid, versions_of
from products.deploy import commands as deploy
from products.deploy.queries import decision_with_probe
from products.services.commands import versions as commands


class VersionReader(serializers.Serializer[Any]):
    """What a body may say of a version."""

    comment = serializers.CharField(allow_blank=True, required=False)


class Versions(APIView):
    """`/service/S/version`."""

    def get(self, request: TokenRequest, service_id: str) -> Response:
        """Answer the service's versions, the oldest first."""
        row = service_at(request.auth, service_id)
        return Response([fastly_json.version(each) for each in versions_of(row)])

    def post(self, request: TokenRequest, service_id: str) -> Response:
        """Create an empty version; Fastly answers with hardly more than its number."""
        row = service_at(request.auth, service_id)
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
        """Answer the version."""
        return Response(
            fastly_json.version(version_at(request.auth, service_id, number))
        )

    def put(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Change the comment."""
        row = version_at(request.auth, service_id, number)
        sent = valid(VersionReader(data=request.data))
        if "comment" in sent:
            row = commands.comment_version(
                request.auth, version=row, comment=sent["comment"], now=timezone.now()
            )
        return Response(fastly_json.version(row))


class Clone(APIView):
    """`PUT …/clone`."""

    def put(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Make a draft of all that the version holds."""
        row = version_at(request.auth, service_id, number)
        made = commands.clone_version(request.auth, version=row, now=timezone.now())
        return Response(fastly_json.version(made))


class Lock(APIView):
    """`PUT …/lock`."""

    def put(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Lock the version, whatever it holds."""
        row = version_at(request.auth, service_id, number)
        locked = commands.lock_version(request.auth, version=row, now=timezone.now())
        return Response(fastly_json.version(locked))


class Activate(APIView):
    """`PUT …/activate`."""

    def put(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Put the version live; refused with every gate's answer at once."""
        row = version_to_judge_at(request.auth, service_id, number)
        try:
            done = deploy.activate(request.auth, version=row, now=timezone.now())
        except deploy.DeploymentRefused as refused:
            return refusal(refused)
        live = fastly_json.version(version_at(request.auth, service_id, number))
        return Response(
            live | ({"msg": " ".join(done.findings)} if done.findings else {})
        )


def refusal(refused: deploy.DeploymentRefused) -> Response:
    """Answer why a version may not go live: 403 where it is the person, 400 where it is the state."""
    personal = isinstance(refused, Forbidden)
    body = {
        "msg": "You are not authorized to perform this action"
        if personal
        else "Bad request",
        "detail": refused.message,
        "errors": [verdicts.gate(each) for each in refused.verdict.failed],
    }
    return Response(body, HTTPStatus.FORBIDDEN if personal else HTTPStatus.BAD_REQUEST)


class Deactivate(APIView):
    """`PUT …/deactivate`."""

    def put(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Take the version off."""
        row = version_at(request.auth, service_id, number)
        deploy.deactivate(request.auth, version=row, now=timezone.now())
        return Response(
            fastly_json.version(version_at(request.auth, service_id, number))
        )


class Validate(APIView):
    """`GET …/validate`."""

    def get(self, request: TokenRequest, service_id: str, number: int) -> Response:
        """Answer, always with 200, whether the version could go live; the gate decides."""
        row = version_at(request.auth, service_id, number)
        verdict = decision_with_probe(request.auth, version=row, now=timezone.now())
        reasons = list(verdict.reasons)
        return Response(
            {
                "status": "ok" if verdict.allowed else "error",
                "msg": " ".join(reasons) or None,
                "errors": reasons,
                "warnings": [problem.message for problem in verdict.warnings],
                "messages": [],
            }
        )
