"""Tokens: list, show, make, revoke; a secret is shown once, to who makes it."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import policy, queries
from accounts.actor import Actor, Interface, TokenScope
from accounts.api import fastly_json
from accounts.api.sudo import authenticate_by_password, require_sudo
from accounts.api.users import account_named
from accounts.authentication import NoAccount, TokenRequest, context_of
from accounts.commands import tokens as commands
from accounts.models import Membership, User
from accounts.roles import Permission

SELF = "self"


class NewToken(serializers.Serializer[Any]):
    """What a body may say of a token to be made; one scope, as fastly-py reads no more."""

    name = serializers.CharField(default="API token")
    scope = serializers.CharField(default=TokenScope.GLOBAL.value)
    services = serializers.ListField(child=serializers.CharField(), default=list)
    expires_at = serializers.DateTimeField(required=False)


class OwnTokens(BasePermission):
    """Ask a key for reading; making one asks for a password instead."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Tell whether the request has what it needs at all."""
        return request.method == "POST" or request.auth is not None


class Tokens(APIView):
    """`/tokens`."""

    permission_classes = (OwnTokens,)

    def get(self, request: TokenRequest) -> Response:
        """Answer the person's own tokens."""
        return Response(
            [fastly_json.token(row) for row in queries.tokens_of(request.auth)]
        )

    def post(self, request: TokenRequest) -> Response:
        """Make a token for who proved by password to be its owner; its secret is shown this once."""
        user = authenticate_by_password(request)
        require_sudo(user)
        # Go's clients send what they know nothing of as empty.
        form = NewToken(
            data={name: value for name, value in request.data.items() if value}
        )
        form.is_valid(raise_exception=True)
        now = timezone.now()
        wanted = {"expires_at": now + commands.MAX_TOKEN_LIFETIME} | form.validated_data
        issued = commands.issue_token(owner_of(request, user), now=now, **wanted)
        shown = fastly_json.token(issued.token) | {
            "updated_at": issued.token.created_at
        }
        return Response(shown | {"access_token": issued.secret})


def owner_of(request: TokenRequest, user: User) -> Actor:
    """Return the person as the owner of a new token: in the key's account, or else in their first."""
    mine = Membership.objects.filter(user=user).order_by("account__name", "account_id")
    key: Any = request.auth  # None without a key
    membership = mine.filter(account_id=key.account_id).first() if key else mine.first()
    if membership is None:
        raise NoAccount("You are in no account, so there is none to make a token for.")
    now = timezone.now()
    context = context_of(request._request, Interface.API)  # noqa: SLF001
    return Actor.user(
        user_id=user.pk,
        label=str(user),
        email=user.email,
        account_id=membership.account_id,
        context=replace(context, auth_method="password", reauth_at=now),
    )


class CustomerTokens(APIView):
    """`GET /customer/C/tokens`."""

    def get(self, request: TokenRequest, customer_id: str) -> Response:
        """Answer everybody's tokens in the account, to those who manage them."""
        actor = request.auth
        account = account_named(actor, customer_id)
        policy.require(actor, Permission.TOKEN_MANAGE, account)
        rows = [*queries.tokens_of(actor), *queries.tokens_of_others(actor)]
        return Response([fastly_json.token(row) for row in rows])


class OneToken(APIView):
    """`GET` and `DELETE /tokens/{id}`, where `self` is the token of the request."""

    def get(self, request: TokenRequest, token_id: str) -> Response:
        """Answer one token."""
        actor = request.auth
        return Response(
            fastly_json.token(queries.token_of(actor, named(actor, token_id)))
        )

    def delete(self, request: TokenRequest, token_id: str) -> Response:
        """Revoke one token."""
        actor = request.auth
        row = queries.token_of(actor, named(actor, token_id))
        commands.revoke_token(actor, token=row, now=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)


def named(actor: Actor, token_id: str) -> str:
    """Return the id that is meant; a key is its own `self`."""
    return actor.id if token_id == SELF else token_id
