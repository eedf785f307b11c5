"""Service authorizations: a member's access level on a service (R21), as JSON:API.

An authorization's id is the user's and the service's id together, so it stays the same when the
level changes. The time at which a level was given is only in the audit trail. The times here are
those of the membership.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.utils import timezone
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import queries
from accounts.actor import Actor
from accounts.api.fastly_json import Json
from accounts.api.pagination import CONTENT_TYPE, PageRequest
from accounts.authentication import TokenRequest
from accounts.commands import members as commands
from accounts.errors import Invalid, NotFound
from accounts.models import Membership
from accounts.roles import AccessLevel

KIND = "service_authorization"


@dataclass(frozen=True, slots=True)
class Authorization:
    """A member's level on one service."""

    member: Membership
    service_id: str
    level: AccessLevel

    @property
    def id(self) -> str:
        """Return the id: the user's id followed by the service's."""
        return f"{self.member.user_id}{self.service_id}"

    def to_json(self) -> Json:
        """Return it as a JSON:API resource."""
        return {
            "id": self.id,
            "type": KIND,
            "attributes": {
                "created_at": self.member.created_at,
                "updated_at": self.member.updated_at,
                "deleted_at": None,
                "permission": self.level.value,
            },
            "relationships": {
                "service": {"data": {"id": self.service_id, "type": "service"}},
                "user": {"data": {"id": self.member.user_id, "type": "user"}},
            },
        }


class Authorizations(APIView):
    """`/service-authorizations`."""

    error_form = "json_api"

    def get(self, request: TokenRequest) -> Response:
        """Return a page of the authorizations on services that the actor may see."""
        page = PageRequest.of(request)
        rows = authorizations_of(request.auth)
        data = [row.to_json() for row in rows[page.span]]
        body = page.envelope(request, data, len(rows))
        return Response(body, content_type=CONTENT_TYPE)

    def post(self, request: TokenRequest) -> Response:
        """Give a member a level on a service; `included` in the body is ignored."""
        user_id = text_at(request.data, "data", "relationships", "user", "data", "id")
        service_id = text_at(
            request.data, "data", "relationships", "service", "data", "id"
        )
        return granted(request, user_id, service_id)


class OneAuthorization(APIView):
    """`/service-authorizations/{id}`."""

    error_form = "json_api"

    def get(self, request: TokenRequest, authorization_id: str) -> Response:
        """Return one authorization."""
        return answer(authorization_at(request.auth, authorization_id))

    def patch(self, request: TokenRequest, authorization_id: str) -> Response:
        """Change the level."""
        row = authorization_at(request.auth, authorization_id)
        return granted(request, row.member.user_id, row.service_id)

    def delete(self, request: TokenRequest, authorization_id: str) -> Response:
        """Remove the access."""
        row = authorization_at(request.auth, authorization_id)
        commands.revoke_service(
            request.auth,
            membership=row.member,
            service_id=row.service_id,
            now=timezone.now(),
        )
        return Response(status=HTTPStatus.NO_CONTENT)


def granted(request: TokenRequest, user_id: str, service_id: str) -> Response:
    """Give the level in the body, and return the authorization."""
    actor = request.auth
    level = level_in(request.data)
    account = queries.account_of(actor)
    member = queries.members_of(actor, account).filter(user_id=user_id).first()
    if member is None:
        raise NotFound(f"Couldn't find User '{user_id}'")
    if not queries.account_services(account.pk).filter(pk=service_id).exists():
        raise NotFound(f"Couldn't find Service '{service_id}'")
    commands.grant_service(
        actor,
        membership=member,
        service_id=service_id,
        level=level,
        now=timezone.now(),
    )
    return answer(Authorization(member, service_id, level))


def answer(row: Authorization) -> Response:
    """Return one authorization; with status 200 also if it is new."""
    return Response({"data": row.to_json()}, content_type=CONTENT_TYPE)


def authorizations_of(actor: Actor) -> list[Authorization]:
    """Return the account's authorizations, by user and service; a constant number of queries."""
    account = queries.account_of(actor)
    members = list(queries.members_of(actor, account))
    grants = queries.grants_in(account.pk)
    visible = {service.id for service in queries.services_of(actor)}
    return [
        Authorization(member, grant.service.id, grant.level)
        for member in members
        for grant in grants.get(member.user_id, ())
        if grant.service.id in visible
    ]


def authorization_at(actor: Actor, authorization_id: str) -> Authorization:
    """Return the authorization with an id; raises NotFound."""
    for row in authorizations_of(actor):
        if row.id == authorization_id:
            return row
    raise NotFound(f"Couldn't find Service Authorization '{authorization_id}'")


def level_in(sent: Mapping[str, Any]) -> AccessLevel:
    """Return the access level in a body; raises Invalid for an unknown one."""
    level = text_at(sent, "data", "attributes", "permission")
    if level not in list(AccessLevel):
        raise Invalid(
            f"permission must be one of {', '.join(AccessLevel)}.", field="permission"
        )
    return AccessLevel(level)


def text_at(sent: Mapping[str, Any], *path: str) -> str:
    """Return the text at a path in a body; raises Invalid if there is none."""
    value: Any = sent
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(value, str) or not value or "\0" in value:
        raise Invalid(f"{'.'.join(path)} is required.", field=path[-1])
    return value
