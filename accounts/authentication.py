"""From a request to an actor: the session of a browser, or the `Fastly-Key` of an API call."""

from datetime import UTC, datetime, timedelta
from typing import Any

from allauth.account.authentication import get_authentication_records
from django.db.models import F, Q
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.actor import Actor, ActorType, Context, Interface, TokenScope
from accounts.errors import Conflict, NotFound
from accounts.models import ApiToken, Membership, User
from accounts.tokens import digests

SESSION_ACCOUNT = "account_id"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Writing the time of every use would make each read a write; a minute is close enough for people.
LAST_USED_WRITE_INTERVAL = timedelta(minutes=1)


class NoAccount(NotFound):
    """The person is signed in and belongs to no account."""

    code = "no_account"


class NoLongerMember(Conflict):
    """The account that the person's pages were about is theirs no longer."""

    code = "left_account"


def client_address(request: HttpRequest) -> str:
    """Return the peer's address; forwarded headers are the middleware's business, not ours."""
    return str(request.META.get("REMOTE_ADDR", ""))


def context_of(request: HttpRequest, interface: Interface) -> Context:
    """Return where a request comes from, with the newest proof of identity in its session."""
    user = getattr(request, "user", None)
    records = (
        get_authentication_records(request, user) if hasattr(request, "session") else []
    )
    newest: dict[str, Any] = records[-1] if records else {}
    proved = [record["at"] for record in records if record.get("reauthenticated")]
    return Context(
        interface=interface,
        request_id=getattr(request, "id", ""),
        ip=client_address(request),
        user_agent=request.headers.get("User-Agent", "")[:300],
        auth_method=str(newest.get("type") or newest.get("method", "")),
        reauth_at=datetime.fromtimestamp(proved[-1], UTC) if proved else None,
    )


def memberships_of(request: HttpRequest) -> list[Membership]:
    """Return the signed-in person's memberships, by account name; read once a request."""
    cached: list[Membership] | None = getattr(request, "_memberships", None)
    if cached is None:
        cached = list(
            Membership.objects.select_related("account")
            .filter(user_id=request.user.pk, user__is_active=True)
            .order_by("account__name", "account_id")
        )
        request._memberships = cached  # type: ignore[attr-defined]  # noqa: SLF001
    return cached


def current_membership(request: HttpRequest) -> Membership | None:
    """Return the membership whose account the session has chosen, else the first one."""
    mine = memberships_of(request)
    chosen = request.session.get(SESSION_ACCOUNT)
    return next((m for m in mine if m.account_id == chosen), mine[0] if mine else None)


def actor_of(request: HttpRequest) -> Actor:
    """Return the person in the browser, acting in the session's account.

    Raises NoAccount for somebody who belongs to none (the platform's staff, say), and NoLongerMember
    for a change that was meant for an account they were taken out of: it is not made in another.
    """
    membership = current_membership(request)
    if membership is None:
        raise NoAccount(
            "You are in no account. Ask a superuser of one for an invitation."
        )
    _bind_session_account(request, membership)
    user = request.user
    assert isinstance(user, User)  # noqa: S101 - views behind sign-in only
    return Actor.user(
        user_id=user.pk,
        label=str(user),
        email=user.email,
        account_id=membership.account_id,
        context=context_of(request, Interface.WEB),
    )


def _bind_session_account(request: HttpRequest, membership: Membership) -> None:
    """Bind the session of somebody with several accounts to the one that is shown to them."""
    chosen = request.session.get(SESSION_ACCOUNT)
    if chosen == membership.account_id:
        return
    if chosen or len(memberships_of(request)) > 1:
        request.session[SESSION_ACCOUNT] = membership.account_id
    if chosen and request.method not in SAFE_METHODS:
        raise NoLongerMember(
            "You are in the account that this page was about no longer. Nothing was changed; from "
            f"now on you act in {membership.account.name}."
        )


def staff_actor_of(request: HttpRequest) -> Actor:
    """Return one of the platform's staff at work in the admin; the policy checks the flag."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101 - the admin lets nobody else in
    return Actor.staff(
        user_id=user.pk,
        label=str(user),
        email=user.email,
        context=context_of(request, Interface.ADMIN),
    )


def token_actor(token: ApiToken, context: Context) -> Actor:
    """Return the actor behind a token; its owner's rights are looked up at each question."""
    return Actor(
        type=ActorType.TOKEN,
        id=token.pk,
        label=f"{token.user} ({token.name})",
        user_id=token.user_id,
        email=token.user.email,
        account_id=token.account_id,
        token_scope=TokenScope(token.scope),
        token_services=frozenset(token.services),
        context=context,
    )


def find_token(secret: str, now: datetime) -> ApiToken | None:
    """Return the live token of a secret, whose owner still is in its account."""
    return (
        ApiToken.objects.select_related("user", "account")
        .filter(
            Q(expires_at=None) | Q(expires_at__gt=now),
            digest__in=digests(secret),
            revoked_at=None,
            user__is_active=True,
            user__memberships__account=F("account"),
        )
        .first()
    )


class TokenRequest(Request):
    """A call by key, as views are given it: `auth` is who acts, `data` the body's fields."""

    auth: Actor
    data: dict[str, Any]


class FastlyKeyAuthentication(BaseAuthentication):
    """Authenticate an API call by its `Fastly-Key` header alone, never by a cookie."""

    def authenticate(self, request: Request) -> tuple[User, Actor] | None:
        """Return (owner, actor), None without a key; raise AuthenticationFailed for a bad one."""
        secret = request.headers.get("Fastly-Key", "")
        if not secret:
            return None
        now = timezone.now()
        token = find_token(secret, now)
        if token is None:
            raise AuthenticationFailed("Provided credentials are missing or invalid")
        if (
            token.last_used_at is None
            or now - token.last_used_at > LAST_USED_WRITE_INTERVAL
        ):
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
        context = context_of(request._request, Interface.API)  # noqa: SLF001
        return token.user, token_actor(token, context)

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        """Name the scheme, so that a missing key is a 401 and not a 403."""
        return "Fastly-Key"
