"""Users and the account: `/current_user`, `/user/U`, `/current_customer`, `/customer/C`."""

from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import queries
from accounts.actor import Actor
from accounts.api import fastly_json
from accounts.authentication import TokenRequest
from accounts.errors import NotFound
from accounts.models import Account, Membership


class CurrentUser(APIView):
    """`GET /current_user`."""

    def get(self, request: TokenRequest) -> Response:
        """Return the token's owner."""
        return Response(
            fastly_json.user(member_named(request.auth, request.auth.user_id))
        )


class OneUser(APIView):
    """`GET /user/U`."""

    def get(self, request: TokenRequest, user_id: str) -> Response:
        """Return a member of the same account."""
        return Response(fastly_json.user(member_named(request.auth, user_id)))


class CurrentCustomer(APIView):
    """`GET /current_customer`."""

    def get(self, request: TokenRequest) -> Response:
        """Return the token's account."""
        return Response(fastly_json.customer(queries.account_of(request.auth)))


class OneCustomer(APIView):
    """`GET /customer/C`."""

    def get(self, request: TokenRequest, customer_id: str) -> Response:
        """Return the account, if it is the token's."""
        return Response(fastly_json.customer(account_named(request.auth, customer_id)))


class CustomerUsers(APIView):
    """`GET /customer/C/users`."""

    def get(self, request: TokenRequest, customer_id: str) -> Response:
        """Return all members of the account."""
        account = account_named(request.auth, customer_id)
        return Response(
            [fastly_json.user(row) for row in queries.members_of(request.auth, account)]
        )


def account_named(actor: Actor, customer_id: str) -> Account:
    """Return the actor's account; raises NotFound for the id of any other one."""
    if customer_id != actor.account_id:
        raise NotFound(f"Couldn't find Customer '{customer_id}'")
    return queries.account_of(actor)


def member_named(actor: Actor, user_id: str) -> Membership:
    """Return a member of the actor's account; raises NotFound for any other user."""
    members = queries.members_of(actor, queries.account_of(actor))
    found = members.filter(user_id=user_id).first()
    if found is None:
        raise NotFound(f"Couldn't find User '{user_id}'")
    return found
