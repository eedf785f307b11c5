"""API tokens: list, show, create, revoke. A secret is shown once, when it is created."""

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import queries
from accounts.actor import Actor, Interface, TokenScope
from accounts.api import fastly_json
from accounts.api.json_api import each_of, text_at
from accounts.api.sudo import (
    account_id_in,
    authenticate_by_password,
    require_code,
    token_id_of,
)
from accounts.api.users import account_named
from accounts.authentication import (
    NoAccount,
    TokenRequest,
    context_of,
    memberships_by_name,
    user_actor,
)
from accounts.body_text import TextField, TextsField
from accounts.commands import tokens as commands
from accounts.errors import Invalid
from accounts.models import Account, ApiToken, User
from accounts.paging import links, page_in, span
from accounts.sudo import require_sudo

SELF = "self"


class AccountNotChosen(Invalid):
    """The user belongs to several accounts, and the request doesn't say which one is meant."""

    code = "account_not_chosen"


class NewToken(serializers.Serializer[Any]):
    """The body of a request for a new token; one scope, as fastly-py reads only one."""

    name = TextField(default="API token")
    scope = TextField(default=TokenScope.GLOBAL.value)
    services = TextsField(default=list)
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
        """Return the user's own tokens, with a Link header for further pages."""
        return token_page(request, queries.tokens_of(request.auth))

    def delete(self, request: TokenRequest) -> Response:
        """Revoke the tokens in the body, all of them or none."""
        actor = request.auth
        named = each_of(
            request.data, lambda item: queries.token_of(actor, text_at(item, "id"))
        )
        rows = {row.pk: row for row in named}
        commands.revoke_tokens(actor, tokens=[*rows.values()], now=timezone.now())
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


def token_page(request: TokenRequest, rows: QuerySet[ApiToken]) -> Response:
    """Return the requested page of some tokens, with a Link header."""
    asked = page_in(request)
    return Response(
        [fastly_json.token(row) for row in rows[span(asked)]],
        headers=links(request, asked, rows.count()),
    )


def owner_of(request: TokenRequest, user: User) -> Actor:
    """Return a new token's owner as an actor in the account that the request chooses.

    Without a choice it is the account of the request's token, or the only one. Raises NoAccount,
    AccountNotChosen, and Invalid for an account that the user doesn't belong to.
    """
    memberships = list(memberships_by_name(user.pk).filter(disabled_at=None))
    if not memberships:
        raise NoAccount("You don't belong to an account.")
    actor: Any = request.auth  # None without a token
    wanted = account_id_in(request) or (actor.account_id if actor is not None else "")
    if not wanted and len(memberships) > 1:
        raise AccountNotChosen(_choices(user, [row.account for row in memberships]))
    by_id = {row.account_id: row for row in memberships}
    membership = by_id.get(wanted) if wanted else memberships[0]
    if membership is None:
        raise Invalid(
            f"You don't belong to an account with the ID {wanted}.", field="customer_id"
        )
    context = context_of(request._request, Interface.API)  # noqa: SLF001
    return user_actor(
        membership,
        replace(context, auth_method="password", reauth_at=timezone.now()),
    )


def _choices(user: User, accounts: Sequence[Account]) -> str:
    names = ", ".join(f"{account.name} ({account.pk})" for account in accounts)
    return (
        f"You belong to several accounts: {names}. Choose one: send its ID as customer_id, or "
        f"send {user.email}/{accounts[0].pk} as the username."
    )


class CustomerTokens(APIView):
    """`GET /customer/C/tokens`."""

    def get(self, request: TokenRequest, customer_id: str) -> Response:
        """Return a page of all tokens in the account, the newest first, with a Link header."""
        account = account_named(request.auth, customer_id)
        return token_page(request, queries.tokens_of_account(request.auth, account))


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
