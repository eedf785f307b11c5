"""Service authorizations: who has which level on which service (R21), as JSON:API.

An authorization's id is the person's and the service's together: it stays the same when the level
changes. When a level was given is not kept beside it (the trail knows), so its times are those of
the membership.
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
        """Return the id: the person's and the service's, one after the other."""
        return f"{self.member.user_id}{self.service_id}"

    def shown(self) -> Json:
        """Show it as a JSON:API resource."""
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

    def get(self, request: TokenRequest) -> Response:
        """Answer a page of the authorizations on services that the actor may see."""
        paging = PageRequest.of(request)
        rows = authorizations_of(request.auth)
        data = [row.shown() for row in rows[paging.span]]
        body = paging.envelope(request, data, len(rows))
        return Response(body, content_type=CONTENT_TYPE)

    def post(self, request: TokenRequest) -> Response:
        """Give a member a level on a service; what is sent under `included` says nothing new."""
        user_id = text_at(request.data, "data", "relationships", "user", "data", "id")
        service_id = text_at(
            request.data, "data", "relationships", "service", "data", "id"
        )
        return granted(request, user_id, service_id)


class OneAuthorization(APIView):
    """`/service-authorizations/{id}`."""

    def get(self, request: TokenRequest, authorization_id: str) -> Response:
        """Answer one authorization."""
        return answer(authorization_at(request.auth, authorization_id))

    def patch(self, request: TokenRequest, authorization_id: str) -> Response:
        """Change the level."""
        row = authorization_at(request.auth, authorization_id)
        return granted(request, row.member.user_id, row.service_id)

    def delete(self, request: TokenRequest, authorization_id: str) -> Response:
        """Take the access away."""
        row = authorization_at(request.auth, authorization_id)
        commands.revoke_service(
            request.auth,
            membership=row.member,
            service_id=row.service_id,
            now=timezone.now(),
        )
        return Response(status=HTTPStatus.NO_CONTENT)


def granted(request: TokenRequest, user_id: str, service_id: str) -> Response:
    """Give the level that the body names, and answer the authorization."""
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
    """Answer one authorization; 200 also where it is new."""
    return Response({"data": row.shown()}, content_type=CONTENT_TYPE)


def authorizations_of(actor: Actor) -> list[Authorization]:
    """Return the account's authorizations, by person and service; a constant number of queries."""
    account = queries.account_of(actor)
    members = list(queries.members_of(actor, account))
    grants = queries.grants_in(account.pk)
    seen = {service.id for service in queries.services_of(actor)}
    return [
        Authorization(member, grant.service.id, grant.level)
        for member in members
        for grant in grants.get(member.user_id, ())
        if grant.service.id in seen
    ]


def authorization_at(actor: Actor, authorization_id: str) -> Authorization:
    """Return the authorization of an id. Raises NotFound."""
    for row in authorizations_of(actor):
        if row.id == authorization_id:
            return row
    raise NotFound(f"Couldn't find Service Authorization '{authorization_id}'")


def level_in(sent: Mapping[str, Any]) -> AccessLevel:
    """Return the level that a body names. Raises Invalid for none that there is."""
    word = text_at(sent, "data", "attributes", "permission")
    if word not in list(AccessLevel):
        raise Invalid(
            f"permission must be one of {', '.join(AccessLevel)}.", field="permission"
        )
    return AccessLevel(word)


def text_at(sent: Mapping[str, Any], *path: str) -> str:
    """Return the text at a place deep in a body. Raises Invalid where there is none."""
    value: Any = sent
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(value, str) or not value or "\0" in value:
        raise Invalid(f"{'.'.join(path)} is needed.", field=path[-1])
    return value
