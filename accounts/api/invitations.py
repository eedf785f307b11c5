"""Invitations as JSON:API: list, send, withdraw."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.utils import timezone
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import queries
from accounts.api.fastly_json import Json
from accounts.api.json_api import (
    document,
    flag_at,
    related_id,
    relation,
    resource_in,
    text_at,
    value_at,
)
from accounts.api.pagination import CONTENT_TYPE, PageRequest
from accounts.authentication import TokenRequest
from accounts.commands import invitations as commands
from accounts.errors import Invalid, NotFound
from accounts.models import Invitation
from accounts.roles import Permission

KIND = "invitation"


def resource(row: Invitation) -> Json:
    """Return an invitation; `status_code` is 1 while it can be accepted."""
    is_open = queries.is_open(row, timezone.now())
    return {
        "id": row.pk,
        "type": KIND,
        "attributes": {
            "email": row.email,
            "role": row.role,
            "limit_services": row.limit_services,
            "status_code": int(is_open),
            "created_at": row.created_at,
            "updated_at": row.created_at,
            "deleted_at": None,
        },
        "relationships": {
            "customer": relation("customer", row.account_id),
            "service_invitations": {
                "data": [
                    {"id": f"{row.pk}{key}", "type": "service_invitation"}
                    for key in row.services
                ]
            },
        },
    }


class Invitations(APIView):
    """`/invitations`."""

    error_form = "json_api"

    def get(self, request: TokenRequest) -> Response:
        """Return a page of the open invitations, the newest first."""
        account = queries.account_of(request.auth)
        page = PageRequest.of(request)
        rows = queries.open_invitations(request.auth, account)
        data = [resource(row) for row in rows[page.span]]
        body = page.envelope(request, data, rows.count())
        return Response(body, content_type=CONTENT_TYPE)

    def post(self, request: TokenRequest) -> Response:
        """Invite an email address, with an access level on each service that is named."""
        account = queries.account_for(request.auth, Permission.MEMBER_INVITE_ENGINEERS)
        commands.require_inviter(request.auth, account)
        sent = resource_in(request.data)
        if value_at(sent, "relationships", "customer") is not None:
            queries.require_own_account(account, related_id(sent, "customer"))
        if value_at(sent, "attributes", "status_code") not in (None, 1):
            raise Invalid(
                "attributes.status_code must be 1: a new invitation is active.",
                field="status_code",
            )
        row = commands.invite(
            request.auth,
            account=account,
            email=text_at(sent, "attributes", "email"),
            role=text_at(sent, "attributes", "role"),
            limit_services=flag_at(sent, "attributes", "limit_services"),
            services=levels_in(sent),
            now=timezone.now(),
        )
        return document(resource(row))


class OneInvitation(APIView):
    """`DELETE /invitations/{id}`."""

    error_form = "json_api"

    def delete(self, request: TokenRequest, invitation_id: str) -> Response:
        """Withdraw an invitation."""
        account = queries.account_of(request.auth)
        rows = queries.open_invitations(request.auth, account)
        row = rows.filter(pk=invitation_id).first()
        if row is None:
            raise NotFound(f"Couldn't find Invitation '{invitation_id}'")
        commands.revoke_invitation(request.auth, invitation=row, now=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)


def levels_in(sent: object) -> dict[str, str]:
    """Return the access levels by service id that a new invitation names."""
    named = value_at(sent, "relationships", "service_invitations", "data")
    if named is None:
        return {}
    if not isinstance(named, list):
        raise Invalid(
            "service_invitations must be a list.", field="service_invitations"
        )
    return dict(_level_in(each) for each in named)


def _level_in(sent: Mapping[str, Any]) -> tuple[str, str]:
    return related_id(sent, "service"), text_at(sent, "attributes", "permission")
