"""API tokens: list, show, create, revoke. A secret is shown once, when it is created."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from django.utils import timezone
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import queries
from accounts.actor import Actor, Interface, TokenScope
from accounts.api import fastly_json
from accounts.api.json_api import ids_in
from accounts.api.sudo import authenticate_by_password, require_code, token_id_of
from accounts.api.users import account_named
from accounts.authentication import (
    NoAccount,
    TokenRequest,
    context_of,
    memberships_by_name,
    user_actor,
)
from accounts.body_text import TextField
from accounts.commands import tokens as commands
from accounts.models import User
from accounts.sudo import require_sudo

SELF = "self"


class NewToken(serializers.Serializer[Any]):
    """The body of a request for a new token; one scope, as fastly-py reads only one."""

    name = TextField(default="API token")
    scope = TextField(default=TokenScope.GLOBAL.value)
    services = serializers.ListField(child=TextField(), default=list)
    expires_at = serializers.DateTimeField(required=False)


class OwnTokens(BasePermission):
    """Require a token for reading; creating one requires a password instead."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the request is a POST or has a token."""
        return request.method == "POST" or request.auth is not None


class Tokens(APIView):
    """`/tokens`."""

    answers_with_secret = True
    permission_classes = (OwnTokens,)

    def get(self, request: TokenRequest) -> Response:
        """Return the user's own tokens."""
        return Response(
            [fastly_json.token(row) for row in queries.tokens_of(request.auth)]
        )

    def delete(self, request: TokenRequest) -> Response:
        """Revoke the tokens in the body, all of them or none."""
        actor = request.auth
        rows = [queries.token_of(actor, key) for key in ids_in(request.data)]
        commands.revoke_tokens(actor, tokens=rows, now=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)

    def post(self, request: TokenRequest) -> Response:
        """Create a token for the user with this password; the response has its secret."""
        user = authenticate_by_password(request)
        token_id = token_id_of(request)
        if not token_id and is_mfa_enabled(user):
            # Without a token sudo is bound to the password alone, which is weaker than sign-in.
            require_code(request, user)
        else:
            require_sudo(user.pk, token_id=token_id)
        # Clients written in Go send unset fields as empty.
        form = NewToken(
            data={name: value for name, value in request.data.items() if value}
        )
        form.is_valid(raise_exception=True)
        now = timezone.now()
        wanted = {"expires_at": now + commands.MAX_TOKEN_LIFETIME} | form.validated_data
        issued = commands.issue_token(owner_of(request, user), now=now, **wanted)
        body = fastly_json.token(issued.token) | {
            "updated_at": issued.token.created_at,
            "access_token": issued.secret,
        }
        return Response(body)


def owner_of(request: TokenRequest, user: User) -> Actor:
    """Return a new token's owner as an actor: in the request token's account, or else their first."""
    memberships = memberships_by_name(user.pk)
    actor: Any = request.auth  # None without a token
    if actor is not None:
        memberships = memberships.filter(account_id=actor.account_id)
    membership = memberships.first()
    if membership is None:
        raise NoAccount("You don't belong to an account.")
    context = context_of(request._request, Interface.API)  # noqa: SLF001
    return user_actor(
        membership,
        replace(context, auth_method="password", reauth_at=timezone.now()),
    )


class CustomerTokens(APIView):
    """`GET /customer/C/tokens`."""

    def get(self, request: TokenRequest, customer_id: str) -> Response:
        """Return all tokens in the account, the newest first."""
        account = account_named(request.auth, customer_id)
        rows = queries.tokens_of_account(request.auth, account)
        return Response([fastly_json.token(row) for row in rows])


class OneToken(APIView):
    """`GET` and `DELETE /tokens/{id}`, `self` is the token of the request."""

    answers_with_secret = True

    def get(self, request: TokenRequest, token_id: str) -> Response:
        """Return one token."""
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
    """Return a token id; `self` is the token of the request."""
    return actor.id if token_id == SELF else token_id
