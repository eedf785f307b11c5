"""`/automation-tokens`: tokens of the account, each with a role of its own, for superusers."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import queries
from accounts.actor import TokenScope
from accounts.api import fastly_json
from accounts.authentication import TokenRequest
from accounts.body_text import OneOfField, TextField, TextsField, require_same
from accounts.commands import tokens as commands
from accounts.paging import span
from accounts.roles import AUTOMATION_ROLES, Permission
from accounts.sudo import reauthenticated

MAX_PER_PAGE = 1_000


class AutomationTokenPage(serializers.Serializer[Any]):
    """A page of the list."""

    page = serializers.IntegerField(min_value=1, max_value=1_000_000, default=1)
    per_page = serializers.IntegerField(
        min_value=1, max_value=MAX_PER_PAGE, default=100
    )


class WorkspacePage(serializers.Serializer[Any]):
    """A page of the workspaces of a token, which has none."""

    limit = serializers.IntegerField(min_value=1, max_value=100, default=100)
    cursor = serializers.ChoiceField(
        choices=[""],
        default="",
        allow_blank=True,
        error_messages={"invalid_choice": "This list has one page. Leave out cursor."},
    )


class AutomationTokenReader(serializers.Serializer[Any]):
    """A new automation token; without an expiry, it is valid for a year."""

    name = TextField()
    role = OneOfField(choices=[role.value for role in AUTOMATION_ROLES])
    scope = OneOfField(
        choices=[scope.value for scope in TokenScope], default=TokenScope.GLOBAL.value
    )
    services = TextsField(default=list)
    expires_at = serializers.DateTimeField(default=None, allow_null=True)


class AutomationTokenView(APIView):
    """A path below `/automation-tokens`, which refuses as RFC 9457 says."""

    error_form = "problem"
    answers_with_secret = True


class AutomationTokens(AutomationTokenView):
    """`/automation-tokens`."""

    def get(self, request: TokenRequest) -> Response:
        """Return a page of the account's automation tokens, the newest first."""
        rows = queries.automation_tokens_of(request.auth)
        form = AutomationTokenPage(data=request.query_params.dict())
        form.is_valid(raise_exception=True)
        page, size = form.validated_data["page"], form.validated_data["per_page"]
        count = rows.count()
        shown = rows[span(form.validated_data)]
        return Response(
            {
                "data": [fastly_json.automation_token(row) for row in shown],
                "meta": {
                    "current_page": page,
                    "per_page": size,
                    "record_count": count,
                    "total_pages": max(-(-count // size), 1),
                },
            }
        )

    def post(self, request: TokenRequest) -> Response:
        """Create an automation token after `POST /sudo`; the response has its secret."""
        queries.account_for(request.auth, Permission.TOKEN_AUTOMATE)
        actor = reauthenticated(request.auth)
        # Clients written in Go send unset fields as empty.
        sent = {name: value for name, value in request.data.items() if value}
        form = AutomationTokenReader(data=sent)
        form.is_valid(raise_exception=True)
        now = timezone.now()
        wanted = dict(form.validated_data)
        require_same(_implied(wanted), request.data, _implied(wanted))
        wanted["expires_at"] = wanted["expires_at"] or now + commands.MAX_TOKEN_LIFETIME
        issued = commands.issue_automation_token(actor, now=now, **wanted)
        shown = fastly_json.automation_token(issued.token)
        return Response(shown | {"access_token": issued.secret})


def _implied(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the fields of a new token imply for the others that Fastly's clients can send."""
    return {
        "roles": [wanted["role"]],
        "limit_services": bool(wanted["services"]),
        "limit_workspaces": False,
        "workspaces": [],
        "tls_access": False,
    }


class OneAutomationToken(AutomationTokenView):
    """`/automation-tokens/{id}`."""

    def get(self, request: TokenRequest, automation_id: str) -> Response:
        """Return one automation token."""
        row = queries.automation_token_of(request.auth, automation_id)
        return Response(fastly_json.automation_token(row))

    def delete(self, request: TokenRequest, automation_id: str) -> Response:
        """Revoke one automation token."""
        row = queries.automation_token_of(request.auth, automation_id)
        commands.revoke_token(request.auth, token=row, now=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)


class AutomationTokenServices(AutomationTokenView):
    """`GET /automation-tokens/{id}/services`."""

    def get(self, request: TokenRequest, automation_id: str) -> Response:
        """Return a page of the services that the token is limited to; none: it sees all."""
        row = queries.automation_token_of(request.auth, automation_id)
        form = AutomationTokenPage(data=request.query_params.dict())
        form.is_valid(raise_exception=True)
        return Response({"data": list(row.services)[span(form.validated_data)]})


class AutomationTokenWorkspaces(AutomationTokenView):
    """`GET /automation-tokens/{id}/workspaces`."""

    def get(self, request: TokenRequest, automation_id: str) -> Response:
        """Return the workspaces that the token is limited to: none, as there are none here."""
        queries.automation_token_of(request.auth, automation_id)
        form = WorkspacePage(data=request.query_params.dict())
        form.is_valid(raise_exception=True)
        limit = form.validated_data["limit"]
        meta = {"limit": limit, "next_cursor": "", "previous_cursor": ""}
        return Response({"data": [], "meta": meta})
