"""The OpenID configuration, which Fastly's CLI reads before it sends a token."""

from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class OpenIdConfiguration(APIView):
    """`GET /realms/fastly/.well-known/openid-configuration`.

    Fastly's CLI reads it before every command, without a token, and exits unless it is JSON. An
    empty object says that the CLI cannot sign in by browser.
    """

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request: Request) -> Response:
        """Return an empty object."""
        return Response({})
