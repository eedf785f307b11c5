"""What the clients ask before they show a key."""

from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class OpenIdConfiguration(APIView):
    """`GET /realms/fastly/.well-known/openid-configuration`.

    Fastly's CLI asks for it before every command, without a key, and ends if there is no JSON.
    There is no sign-in by browser for it here, and an empty object says so.
    """

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request: Request) -> Response:
        """Answer that nothing is offered."""
        return Response({})
