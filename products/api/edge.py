"""The route table for edges, and how edges authenticate and renew their credentials."""

from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.http import parse_etags
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.actor import Actor, Interface
from accounts.authentication import client_address
from accounts.tokens import digests
from products.deploy.routes import ROUTE_TABLE
from products.edge.contract import (
    RENEWAL_HEADER,
    STATUS_HEADER,
    ContractError,
    EdgeStatus,
    NewCredential,
)
from products.metering.commands import (
    adopt_credential,
    note_status,
    renew_credential,
    renewal_is_due,
    save_carried,
)
from products.metering.queries import edge_of

SCHEME = "bearer"
RENEWAL = Actor.system("renew-credential", interface=Interface.EDGE)


class EdgeAuthentication(BaseAuthentication):
    """Authenticate an edge by `Authorization: Bearer <credential>`; an API token is no credential."""

    def authenticate(self, request: Request) -> tuple[None, Any]:
        """Return the edge. Raises NotAuthenticated or AuthenticationFailed."""
        secret = secret_of(request)
        if not secret:
            raise NotAuthenticated
        now = timezone.now()
        edge = edge_of(secret, address=client_address(request), now=now)
        if edge is None:
            raise AuthenticationFailed(
                "The edge's credential is unknown, revoked or expired, or is bound to other addresses."
            )
        if edge.next_digest and edge.next_digest in digests(secret):
            adopt_credential(RENEWAL, edge=edge, secret=secret, now=now)
        return None, edge

    def authenticate_header(self, request: Request) -> str:
        """Return the scheme, so that a missing credential is a 401."""
        return "Bearer"


def secret_of(request: Request) -> str:
    """Return the credential in a request's header; empty without one."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == SCHEME else ""


class CredentialView(APIView):
    """`POST /api/edge/v1/credential`."""

    authentication_classes = (EdgeAuthentication,)
    permission_classes = (AllowAny,)  # EdgeAuthentication admits only edges

    def post(self, request: Request) -> HttpResponse:
        """Return the next credential of the edge, if the present one ends soon."""
        edge: Any = request.auth  # an Edge, as above
        now = timezone.now()
        secret = renew_credential(
            RENEWAL, edge=edge, secret=secret_of(request), now=now
        )
        body = NewCredential(secret).to_bytes()
        response = HttpResponse(body, content_type="application/json")
        response["Cache-Control"] = "no-store"
        return response


class RouteTableView(APIView):
    """`GET /api/edge/v1/routes`."""

    authentication_classes = (EdgeAuthentication,)
    permission_classes = (AllowAny,)  # EdgeAuthentication admits only edges

    def get(self, request: Request) -> HttpResponse:
        """Return the whole table, or 304 if the edge has it."""
        edge: Any = request.auth  # an Edge, as above
        now = timezone.now()
        note_status(edge, status=_status_of(request), now=now)
        table = ROUTE_TABLE.table(
            epoch=edge.ingest_epoch, revision=edge.routes_revision, now=now
        )
        save_carried(
            edge,
            lambda: (route.service for route in table.routes),
            key=f"{edge.ingest_epoch} {table.etag}",
            now=now,
        )
        known = parse_etags(request.headers.get("If-None-Match", ""))
        unchanged = table.etag in known or "*" in known
        response = (
            HttpResponse(status=HTTPStatus.NOT_MODIFIED)
            if unchanged
            else HttpResponse(table.body, content_type="application/json")
        )
        response["ETag"] = table.etag
        response["Cache-Control"] = "no-cache"
        if renewal_is_due(edge, secret=secret_of(request), now=now):
            response[RENEWAL_HEADER] = "1"
        return response


def _status_of(request: Request) -> EdgeStatus | None:
    """Return the status in a request's header; None if it is not of the agreed form."""
    try:
        return EdgeStatus.from_bytes(request.headers.get(STATUS_HEADER, "").encode())
    except ContractError:
        return None
