"""`GET /verify`, which `fastly whoami` reads. Fastly does not document it."""

from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import queries as accounts
from accounts.authentication import TokenRequest
from products.services import queries


class Verify(APIView):
    """`GET /verify`. All values are text; without an expiry, `expires_at` is empty."""

    def get(self, request: TokenRequest) -> Response:
        """Return account, user, token, and the services that the token can see."""
        actor = request.auth
        token = accounts.own_token(actor)
        account = token.account
        user = token.user
        services = queries.services_of(actor).values_list("pk", "name")
        return Response(
            {
                "customer": {"id": account.pk, "name": account.name},
                "user": {
                    "id": token.user_id or "",
                    "name": user.name if user else token.label,
                    "login": user.email if user else "",
                },
                "services": dict(services),
                "token": {
                    "id": token.pk,
                    "name": token.name,
                    "created_at": token.created_at,
                    "expires_at": token.expires_at or "",
                    "scope": token.scope,
                },
            }
        )
