"""Service authorizations: a member's access level on a service (R21), as JSON:API.

An authorization's id is derived from the user's and the service's id, so it stays the same when the
level changes. The time at which a level was given is only in the audit trail. The times here are
those of the membership.
"""

from collections.abc import Sequence
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
    each_of,
    ids_in,
    related_id,
    relation,
    resource_in,
    text_at,
)
from accounts.api.pagination import CONTENT_TYPE, PageRequest
from accounts.authentication import TokenRequest
from accounts.commands import members as commands
from accounts.errors import Invalid, NotFound
from accounts.ids import derived_id
from accounts.models import Account, Membership
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

    @property
    def place(self) -> commands.MemberService:
        """Return the member and the service."""
        return commands.MemberService(self.member, self.service_id)

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
        actor, sent = request.auth, resource_in(request.data)
        user_id, service_id = related_id(sent, "user"), related_id(sent, "service")
        level = level_in(sent)
        member = queries.members_of(actor, account).filter(user_id=user_id).first()
        if member is None:
            raise NotFound(f"Couldn't find User '{user_id}'")
        if not queries.account_services(account.pk).filter(pk=service_id).exists():
            raise NotFound(f"Couldn't find Service '{service_id}'")
        (row,) = given(actor, account, [Authorization(member, service_id, level)])
        return document(row.to_json())

    def patch(self, request: TokenRequest) -> Response:
        """Change the levels of several authorizations, all or none."""
        account = queries.account_for(request.auth, Permission.MEMBER_MANAGE)
        levels = each_of(request.data, level_in)
        ids = each_of(request.data, lambda item: text_at(item, "id"))
        changed = map(_with_level, authorizations_at(request.auth, ids), levels)
        data = [row.to_json() for row in given(request.auth, account, [*changed])]
        return Response({"data": data}, content_type=CONTENT_TYPE)

    def delete(self, request: TokenRequest) -> Response:
        """Remove several authorizations, all or none."""
        account = queries.account_for(request.auth, Permission.MEMBER_MANAGE)
        rows = authorizations_at(request.auth, ids_in(request.data))
        remove(request.auth, account, rows)
        return Response(status=HTTPStatus.NO_CONTENT)


class OneAuthorization(APIView):
    """`/service-authorizations/{id}`."""

    error_form = "json_api"

    def get(self, request: TokenRequest, authorization_id: str) -> Response:
        """Return one authorization."""
        (row,) = authorizations_at(request.auth, [authorization_id])
        return document(row.to_json())

    def patch(self, request: TokenRequest, authorization_id: str) -> Response:
        """Change the level."""
        (row,) = authorizations_at(request.auth, [authorization_id])
        account = queries.account_for(request.auth, Permission.MEMBER_MANAGE)
        row = _with_level(row, level_in(resource_in(request.data)))
        given(request.auth, account, [row])
        return document(row.to_json())

    def delete(self, request: TokenRequest, authorization_id: str) -> Response:
        """Remove the access."""
        rows = authorizations_at(request.auth, [authorization_id])
        remove(request.auth, queries.account_of(request.auth), rows)
        return Response(status=HTTPStatus.NO_CONTENT)


def given(
    actor: Actor, account: Account, rows: Sequence[Authorization]
) -> Sequence[Authorization]:
    """Give the levels, all or none, and return the authorizations.

    Raises Invalid if one would limit nothing.
    """
    unlimited = [row.member.user for row in rows if not row.member.is_limited]
    if unlimited:
        raise Invalid(
            f"{unlimited[0]} has access to all services, so an authorization would limit "
            "nothing. Limit the user's access to services first."
        )
    levels = {row.place: row.level for row in rows}
    commands.grant_services(actor, account=account, levels=levels, now=timezone.now())
    return rows


def remove(actor: Actor, account: Account, rows: Sequence[Authorization]) -> None:
    """Remove the access, all or none."""
    held = [row.place for row in rows]
    commands.revoke_services(actor, account=account, held=held, now=timezone.now())


def _with_level(row: Authorization, level: AccessLevel) -> Authorization:
    return replace(row, level=level)


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


def authorizations_at(actor: Actor, ids: Sequence[str]) -> list[Authorization]:
    """Return the authorizations with these ids, in their order; raises NotFound."""
    found = {row.id: row for row in authorizations_of(actor)}
    unknown = [each for each in ids if each not in found]
    if unknown:
        raise NotFound(f"Couldn't find Service Authorization '{unknown[0]}'")
    return [found[each] for each in ids]


def level_in(resource: object) -> AccessLevel:
    """Return the access level in a resource; raises Invalid for an unknown one."""
    level = text_at(resource, "attributes", "permission")
    if level not in list(AccessLevel):
        raise Invalid(
            f"permission must be one of {', '.join(AccessLevel)}.", field="permission"
        )
    return AccessLevel(level)
