"""Users and the account: `/current_user`, `/user`, `/current_customer`, `/customer/C`.

A user of this API is a member of the token's account. A user who is created here is invited; until
they accept, they are shown as locked, with the invitation's id, which a new login keeps.
"""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import queries
from accounts.actor import Actor
from accounts.api import fastly_json
from accounts.authentication import TokenRequest
from accounts.body_text import OneOfField, TextField, require_same, text_in
from accounts.commands import invitations, members, profiles
from accounts.errors import Forbidden, Invalid, NotFound
from accounts.models import Account, Invitation, Membership
from accounts.paging import links, page_in, span
from accounts.roles import Permission, Role

OK = {"status": "ok"}
# Fields of a user that only the user can change, in the portal.
FIXED_USER_FIELDS = (
    "customer_id",
    "login",
    "locked",
    "require_new_password",
    "roles",
    "two_factor_auth_enabled",
    "two_factor_setup_required",
)
# What else Fastly's clients can send for a new user. They are locked until they accept.
NEW_USER: dict[str, object] = {
    "require_new_password": False,
    "two_factor_auth_enabled": False,
    "two_factor_setup_required": False,
}
# Fields of an account that Fastly's clients can send, and that are not stored here.
OTHER_CUSTOMER_FIELDS = (
    "can_configure_wordpress",
    "has_improved_events",
    "has_improved_ssl_config",
    "has_openstack_logging",
    "has_pci_passwords",
    "owner_id",
    "phone_number",
    "pricing_plan_id",
)


class UserReader(serializers.Serializer[Any]):
    """The fields of a user in a request body."""

    login = TextField(required=False)
    name = TextField(required=False)
    role = OneOfField(choices=[role.value for role in Role], required=False)
    limit_services = serializers.BooleanField(required=False)


def user_fields(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the valid fields of a user. Fastly's clients leave out what is not set."""
    reader = UserReader(data=sent)
    reader.is_valid(raise_exception=True)
    return dict(reader.validated_data)


class CurrentUser(APIView):
    """`GET /current_user`."""

    def get(self, request: TokenRequest) -> Response:
        """Return the token's owner, also to a token that can only purge."""
        return Response(fastly_json.user(queries.own_membership(request.auth)))


class Users(APIView):
    """`POST /user`."""

    def post(self, request: TokenRequest) -> Response:
        """Invite a user; the response shows them as locked until they accept."""
        account = queries.account_for(request.auth, Permission.MEMBER_INVITE_ENGINEERS)
        invitations.require_inviter(request.auth, account)
        queries.require_own_account(account, request.data.get("customer_id"))
        sent = user_fields(request.data)
        missing = [name for name in ("login", "name") if name not in sent]
        if missing:
            raise Invalid(f"{missing[0]}: This field is required.", field=missing[0])
        role = sent.get("role", Role.USER.value)
        require_same(NEW_USER | {"roles": [role]}, request.data, (*NEW_USER, "roles"))
        row = invitations.invite(
            request.auth,
            account=account,
            email=sent["login"],
            name=sent["name"],
            role=role,
            limit_services=sent.get("limit_services", False),
            now=timezone.now(),
        )
        return Response(fastly_json.invited_user(row))


class OneUser(APIView):
    """`/user/U`."""

    def get(self, request: TokenRequest, user_id: str) -> Response:
        """Return a member of the same account, or someone who is invited."""
        invited = invitation_named(request.auth, user_id)
        if invited is not None:
            return Response(fastly_json.invited_user(invited))
        return Response(fastly_json.user(member_named(request.auth, user_id)))

    def put(self, request: TokenRequest, user_id: str) -> Response:
        """Change the name, the role or the limit to services; other fields cannot be changed."""
        if invitation_named(request.auth, user_id) is not None:
            raise Invalid(
                "This user has not accepted the invitation yet. To change it, delete the user and "
                "create them again."
            )
        member = member_named(request.auth, user_id)
        own = member.user_id == request.auth.user_id
        queries.account_for(
            request.auth, Permission.USER_RENAME if own else Permission.MEMBER_MANAGE
        )
        sent = user_fields(request.data)
        roles = [sent.get("role", member.role)]
        shown = fastly_json.user(member) | {"roles": roles}
        require_same(shown, request.data, FIXED_USER_FIELDS)
        change_member(request.auth, member, sent)
        return Response(fastly_json.user(member_named(request.auth, user_id)))

    def delete(self, request: TokenRequest, user_id: str) -> Response:
        """Remove the member from the account, or withdraw their invitation."""
        actor, now = request.auth, timezone.now()
        invited = invitation_named(actor, user_id)
        if invited is not None:
            invitations.revoke_invitation(actor, invitation=invited, now=now)
        else:
            member = member_named(actor, user_id)
            members.remove_member(actor, membership=member, now=now)
        return Response(OK)


class PasswordReset(APIView):
    """`POST /user/LOGIN/password/request_reset`."""

    def post(self, request: TokenRequest, login: str) -> Response:
        """Email a member the page where they choose a new password."""
        account = queries.account_of(request.auth)
        found = queries.members_of(request.auth, account).filter(
            user__email=login.lower()
        )
        member = found.first()
        if member is None:
            raise NotFound(f"Couldn't find User '{login}'")
        profiles.request_password_reset(
            request.auth, membership=member, now=timezone.now()
        )
        return Response(OK)


class CurrentCustomer(APIView):
    """`GET /current_customer`."""

    def get(self, request: TokenRequest) -> Response:
        """Return the token's account."""
        return Response(fastly_json.customer(queries.account_of(request.auth)))


class OneCustomer(APIView):
    """`/customer/C`."""

    def get(self, request: TokenRequest, customer_id: str) -> Response:
        """Return the account, if it is the token's."""
        return Response(fastly_json.customer(account_named(request.auth, customer_id)))

    def put(self, request: TokenRequest, customer_id: str) -> Response:
        """Change the name; other fields cannot be changed."""
        account = account_named(request.auth, customer_id)
        queries.account_for(request.auth, Permission.ACCOUNT_CONFIGURE)
        name = text_in(request.data, "name", account.name)
        shown = fastly_json.customer(account)
        others = [key for key in shown if key != "name" and not key.endswith("_at")]
        require_same(shown, request.data, [*others, *OTHER_CUSTOMER_FIELDS])
        profiles.rename_account(
            request.auth, account=account, name=name, now=timezone.now()
        )
        return Response(fastly_json.customer(account_named(request.auth, customer_id)))

    def delete(self, request: TokenRequest, customer_id: str) -> Response:
        """Refuse: an account has a contract, so support closes it."""
        account_named(request.auth, customer_id)
        raise Forbidden("Accounts are closed by support. Contact your account manager.")


class CustomerUsers(APIView):
    """`GET /customer/C/users`."""

    def get(self, request: TokenRequest, customer_id: str) -> Response:
        """Return a page of the account's members, by name, with a Link header."""
        account = account_named(request.auth, customer_id)
        rows = queries.members_of(request.auth, account)
        asked = page_in(request)
        return Response(
            [fastly_json.user(row) for row in rows[span(asked)]],
            headers=links(request, asked, rows.count()),
        )


def change_member(actor: Actor, member: Membership, sent: Mapping[str, Any]) -> None:
    """Change what differs of a member's name, role and limit to services."""
    now = timezone.now()
    if sent.get("name", member.user.name) != member.user.name:
        profiles.rename_user(actor, membership=member, name=sent["name"], now=now)
    if sent.get("role", member.role) != member.role:
        members.change_role(actor, membership=member, role=sent["role"], now=now)
    limited = sent.get("limit_services", member.limit_services)
    if limited != member.limit_services:
        members.limit_services(
            actor, membership=member, limited=limited, services={}, now=now
        )


def account_named(actor: Actor, customer_id: str) -> Account:
    """Return the actor's account; raises NotFound for the id of any other one."""
    if customer_id != actor.account_id:
        raise NotFound(f"Couldn't find Customer '{customer_id}'")
    return queries.account_of(actor)


def member_named(actor: Actor, user_id: str) -> Membership:
    """Return a member of the actor's account; raises NotFound for any other user."""
    members_of = queries.members_of(actor, queries.account_of(actor))
    found = members_of.filter(user_id=user_id).first()
    if found is None:
        raise NotFound(f"Couldn't find User '{user_id}'")
    return found


def invitation_named(actor: Actor, user_id: str) -> Invitation | None:
    """Return the account's open invitation with this id."""
    account = queries.account_of(actor)
    return queries.open_invitations(actor, account).filter(pk=user_id).first()
