"""`/api/v1/domain-claims`: the account's claims on domains."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenRequest
from accounts.body_text import OwnBodyReader, TextField
from accounts.queries import account_for, account_of
from accounts.roles import Permission
from products.api.services import valid
from products.domains.commands import claim_domain, release_claim, verify_claim
from products.domains.models import MAX_NAME_LENGTH, DomainClaim
from products.domains.queries import claim_of, claims_of
from products.domains.verification import proof_of

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100


class ClaimsQuery(serializers.Serializer[Any]):
    """Which claims to list: those that contain a text, after a name."""

    search = serializers.CharField(
        default="", allow_blank=True, max_length=MAX_NAME_LENGTH
    )
    after = serializers.CharField(
        default="", allow_blank=True, max_length=MAX_NAME_LENGTH
    )
    limit = serializers.IntegerField(
        default=DEFAULT_LIMIT, min_value=1, max_value=MAX_LIMIT
    )


class ClaimReader(OwnBodyReader):
    """The name to claim."""

    name = TextField(max_length=MAX_NAME_LENGTH)


class DomainClaims(APIView):
    """`GET` and `POST /api/v1/domain-claims`."""

    def get(self, request: TokenRequest) -> Response:
        """List the claims by name, a page at a time."""
        asked = valid(ClaimsQuery(data=request.query_params.dict()))
        actor = request.auth
        rows = claims_of(actor, account_of(actor), search=asked["search"])
        # One more than requested shows whether there are more.
        found = list(rows.filter(name__gt=asked["after"])[: asked["limit"] + 1])
        shown = found[: asked["limit"]]
        following = shown[-1].name if len(found) > len(shown) else ""
        return Response(
            {
                "data": [claim_to_json(claim) for claim in shown],
                "meta": {"next": _next_url(request, asked, following)},
            }
        )

    def post(self, request: TokenRequest) -> Response:
        """Claim a domain; a claim that the account already has is returned."""
        account = account_for(request.auth, Permission.DOMAIN_CLAIM)
        name = valid(ClaimReader(data=request.data))["name"]
        claim = claim_domain(
            request.auth,
            account=account,
            name=name,
            now=timezone.now(),
        )
        return Response(claim_to_json(claim), HTTPStatus.CREATED)


class DomainClaimDetail(APIView):
    """`GET` and `DELETE /api/v1/domain-claims/{id}`."""

    def get(self, request: TokenRequest, claim_id: str) -> Response:
        """Return one claim."""
        return Response(claim_to_json(claim_of(request.auth, claim_id)))

    def delete(self, request: TokenRequest, claim_id: str) -> Response:
        """Release a claim that no active version needs."""
        claim = claim_of(request.auth, claim_id)
        release_claim(request.auth, claim=claim, now=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)


class VerifyDomainClaim(APIView):
    """`POST /api/v1/domain-claims/{id}/verify`."""

    def post(self, request: TokenRequest, claim_id: str) -> Response:
        """Look for the proof now; 409 `proof_not_found` says what was found."""
        claim = claim_of(request.auth, claim_id)
        verified = verify_claim(request.auth, claim=claim, now=timezone.now())
        return Response(claim_to_json(verified))


def claim_to_json(claim: DomainClaim) -> dict[str, Any]:
    """Return a claim; `http` is null if the operator accepts TXT records only."""
    proof = proof_of(claim.name, claim.token)
    by_http = {"url": proof.http_url, "body": proof.http_body}
    return {
        "id": claim.pk,
        "name": claim.name,
        "state": claim.state,
        "proof": {
            "dns": {"name": proof.dns_name, "value": proof.dns_value},
            "http": by_http if settings.DOMAIN_VERIFICATION == "http" else None,
        },
        "problem": claim.problem or None,
        "requested_at": claim.requested_at,
        "expires_at": claim.expires_at
        if claim.state == DomainClaim.State.PENDING
        else None,
        "verified_at": claim.verified_at,
    }


def _next_url(request: Request, asked: dict[str, Any], after: str) -> str:
    if not after:
        return ""
    query = urlencode(asked | {"after": after})
    return request.build_absolute_uri(f"{request.path}?{query}")
