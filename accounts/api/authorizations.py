"""Service authorizations: a member's access level on a service (R21), as JSON:API.

An authorization's id is derived from the user's and the service's id, so it stays the same when the
level changes. The time at which a level was given is only in the audit trail. The times here are
those of the membership.
"""

from dataclasses import dataclass, replace
from http import HTTPStatus

from django.utils import timezone
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import queries
from accounts.actor import Actor
from accounts.api.fastly_json import Json
from accounts.api.json_api import (
    document,
    ids_in,
    items_in,
    related_id,
    relation,
    text_at,
    value_at,
)
from accounts.api.pagination import CONTENT_TYPE, PageRequest
from accounts.authentication import TokenRequest
from accounts.commands import members as commands
from accounts.errors import Invalid, NotFound
from accounts.ids import derived_id
from accounts.models import Membership
from accounts.roles import AccessLevel, Permission

KIND = "service_authorization"


@dataclass(frozen=True, slots=True)
class Authorization:
    """A member's level on one service."""

    member: Membership
    service_id: str
    level: AccessLevel

    @property
    def id(self) -> str:
        """Return the id, which is the same for the same user and service."""
        return derived_id(self.member.user_id, self.service_id)

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
                "service": relation("service", self.service_id),
                "user": relation("user", self.member.user_id),
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
        account = queries.account_for(request.auth, Permission.MEMBER_MANAGE)
        actor, sent = request.auth, value_at(request.data, "data")
        user_id, service_id = related_id(sent, "user"), related_id(sent, "service")
        level = level_in(sent)
        member = queries.members_of(actor, account).filter(user_id=user_id).first()
        if member is None:
            raise NotFound(f"Couldn't find User '{user_id}'")
        if not queries.account_services(account.pk).filter(pk=service_id).exists():
            raise NotFound(f"Couldn't find Service '{service_id}'")
        row = Authorization(member, service_id, level)
        return document(given(actor, row).to_json())

    def patch(self, request: TokenRequest) -> Response:
        """Change the levels of several authorizations."""
        actor = request.auth
        queries.account_for(actor, Permission.MEMBER_MANAGE)
        changes = [
            replace(authorization_at(actor, text_at(each, "id")), level=level_in(each))
            for each in items_in(request.data)
        ]
        data = [given(actor, row).to_json() for row in changes]
        return Response({"data": data}, content_type=CONTENT_TYPE)

    def delete(self, request: TokenRequest) -> Response:
        """Remove several authorizations."""
        queries.account_for(request.auth, Permission.MEMBER_MANAGE)
        rows = [authorization_at(request.auth, key) for key in ids_in(request.data)]
        for row in rows:
            remove(request.auth, row)
        return Response(status=HTTPStatus.NO_CONTENT)


class OneAuthorization(APIView):
    """`/service-authorizations/{id}`."""

    error_form = "json_api"

    def get(self, request: TokenRequest, authorization_id: str) -> Response:
        """Return one authorization."""
        return document(authorization_at(request.auth, authorization_id).to_json())

    def patch(self, request: TokenRequest, authorization_id: str) -> Response:
        """Change the level."""
        row = authorization_at(request.auth, authorization_id)
        queries.account_for(request.auth, Permission.MEMBER_MANAGE)
        row = replace(row, level=level_in(value_at(request.data, "data")))
        return document(given(request.auth, row).to_json())

    def delete(self, request: TokenRequest, authorization_id: str) -> Response:
        """Remove the access."""
        remove(request.auth, authorization_at(request.auth, authorization_id))
        return Response(status=HTTPStatus.NO_CONTENT)


def given(actor: Actor, row: Authorization) -> Authorization:
    """Give the level, and return the authorization; raises Invalid if it would limit nothing."""
    if not row.member.is_limited:
        raise Invalid(
            f"{row.member.user} has access to all services, so an authorization would limit "
            "nothing. Limit the user's access to services first."
        )
    commands.grant_service(
        actor,
        membership=row.member,
        service_id=row.service_id,
        level=row.level,
        now=timezone.now(),
    )
    return row


def remove(actor: Actor, row: Authorization) -> None:
    """Remove the access."""
    commands.revoke_service(
        actor, membership=row.member, service_id=row.service_id, now=timezone.now()
    )


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


def level_in(resource: object) -> AccessLevel:
    """Return the access level in a resource; raises Invalid for an unknown one."""
    level = text_at(resource, "attributes", "permission")
    if level not in list(AccessLevel):
        raise Invalid(
            f"permission must be one of {', '.join(AccessLevel)}.", field="permission"
        )
    return AccessLevel(level)
