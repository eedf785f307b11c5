"""The tokens of the person behind the key: list, show, revoke; never a secret."""

from http import HTTPStatus

from django.utils import timezone
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import policy, queries
from accounts.actor import Actor
from accounts.api import wire
from accounts.api.users import account_named
from accounts.authentication import KeyedRequest
from accounts.commands import tokens as commands
from accounts.roles import Permission

SELF = "self"


class Tokens(APIView):
    """`GET /tokens`."""

    def get(self, request: KeyedRequest) -> Response:
        """Answer the person's own tokens."""
        return Response([wire.token(row) for row in queries.tokens_of(request.auth)])


class CustomerTokens(APIView):
    """`GET /customer/C/tokens`."""

    def get(self, request: KeyedRequest, customer_id: str) -> Response:
        """Answer everybody's tokens in the account, to those who manage them."""
        actor = request.auth
        account = account_named(actor, customer_id)
        policy.require(actor, Permission.TOKEN_MANAGE, account)
        rows = [*queries.tokens_of(actor), *queries.tokens_of_others(actor)]
        return Response([wire.token(row) for row in rows])


class OneToken(APIView):
    """`GET` and `DELETE /tokens/{id}`, where `self` is the token of the request."""

    def get(self, request: KeyedRequest, token_id: str) -> Response:
        """Answer one token."""
        actor = request.auth
        return Response(wire.token(queries.token_of(actor, named(actor, token_id))))

    def delete(self, request: KeyedRequest, token_id: str) -> Response:
        """Revoke one token."""
        actor = request.auth
        row = queries.token_of(actor, named(actor, token_id))
        commands.revoke_token(actor, token=row, now=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)


def named(actor: Actor, token_id: str) -> str:
    """Return the id that is meant; a key is its own `self`."""
    return actor.id if token_id == SELF else token_id
