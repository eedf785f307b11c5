"""Finds the actor of a request: by session, or by the `Fastly-Key` header of an API call."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.actor import Actor, ActorType, Context, Interface, TokenScope
from accounts.date_formats import minute_text
from accounts.errors import Conflict, Forbidden, NotFound
from accounts.models import ApiToken, Membership, Notice, User
from accounts.optional_write import update_if_free
from accounts.prepared import PreparedQuery, columns_of, loaded
from accounts.security_policy import has_second_factor, has_strict_role
from accounts.tokens import digest, digests

# The attribute of a request in which a middleware keeps the token for the view.
FOUND_TOKEN = "found_token"  # noqa: S105 - a name
SESSION_ACCOUNT = "account_id"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Writing the time of every use would make each API read a write. A minute is exact enough.
LAST_USED_WRITE_INTERVAL = timedelta(minutes=1)


class NoAccount(NotFound):
    """The user is signed in and belongs to no account."""

    code = "no_account"


class NoLongerMember(Conflict):
    """The user no longer belongs to the account that their session had chosen."""

    code = "left_account"


class SecondFactorNeeded(Forbidden):
    """The owner of the token has no second factor, which the operator or an account requires."""

    code = "second_factor_needed"


class UserBackend(AuthenticationBackend):  # type: ignore[misc]
    """Checks passwords as allauth does; every page reads the user of its session."""

    def get_user(self, user_id: str) -> User | None:
        """Return the user of a session; None if they are not active or do not exist."""
        found = _USER.first(user_id)
        return found if found is not None and found.is_active else None


_USER = PreparedQuery(lambda user_id: User.objects.filter(pk=user_id))


def client_address(request: HttpRequest) -> str:
    """Return the client's address; a middleware has already applied forwarded headers."""
    return str(request.META.get("REMOTE_ADDR", ""))


def context_of(request: HttpRequest, interface: Interface) -> Context:
    """Return where a request comes from, with the newest authentication of its session."""
    user = getattr(request, "user", None)
    records = (
        get_authentication_records(request, user) if hasattr(request, "session") else []
    )
    newest: dict[str, Any] = records[-1] if records else {}
    confirmed = [record["at"] for record in records if record.get("reauthenticated")]
    return Context(
        interface=interface,
        request_id=getattr(request, "id", ""),
        ip=client_address(request),
        user_agent=request.headers.get("User-Agent", "")[:300],
        auth_method=str(newest.get("type") or newest.get("method", "")),
        reauth_at=datetime.fromtimestamp(confirmed[-1], UTC) if confirmed else None,
    )


def memberships_by_name(user_id: str | None) -> QuerySet[Membership]:
    """Return a user's memberships, by account name."""
    return (
        Membership.objects.select_related("account", "user")
        .filter(user_id=user_id)
        .order_by("account__name", "account_id")
    )


def active_memberships(user_id: str | None) -> QuerySet[Membership]:
    """Return the memberships by which a user can do something, by account name."""
    return memberships_by_name(user_id).filter(user__is_active=True, disabled_at=None)


def default_membership(memberships: Sequence[Membership]) -> Membership | None:
    """Return the membership of a user in the account they chose last, else the one joined first.

    So an account that someone else adds the user to does not become their default.
    """
    last = next(
        (m for m in memberships if m.account_id == m.user.last_account_id), None
    )
    return last or min(memberships, key=lambda m: m.created_at, default=None)


def choose_account(request: HttpRequest, membership: Membership) -> None:
    """Show an account in this session from now on, and first after the next sign-in."""
    request.session[SESSION_ACCOUNT] = membership.account_id
    update_if_free(
        User.objects.filter(pk=membership.user_id),
        {"last_account_id": membership.account_id},
        what="which account a user chose last",
    )


def signed_in_user(request: HttpRequest) -> User:
    """Return the user of a page that requires sign-in."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101 - for the type alone
    return user


def _with_unread(user_id: str) -> "QuerySet[Membership]":
    """Compose the query of `memberships_of`."""
    unread = (
        Notice.objects.filter(user_id=OuterRef("user_id"), read_at=None)
        .order_by()
        .values("user_id")
        .values(number=Count("pk"))
    )
    rows = active_memberships(user_id)
    return rows.annotate(unread=Coalesce(Subquery(unread), 0))


_MEMBERSHIPS = PreparedQuery(_with_unread)


def memberships_of(request: HttpRequest) -> list[Membership]:
    """Return the signed-in user's memberships, by account name; read once per request.

    Each has `unread`, the number of the user's notices that they have not read.
    """
    cached: list[Membership] | None = getattr(request, "_memberships", None)
    if cached is None:
        user_id = request.user.pk
        cached = _MEMBERSHIPS.rows(user_id) if user_id else []
        request._memberships = cached  # type: ignore[attr-defined]  # noqa: SLF001
    return cached


def current_membership(request: HttpRequest) -> Membership | None:
    """Return the membership in the account chosen by the session, or else the default one."""
    mine = memberships_of(request)
    chosen = request.session.get(SESSION_ACCOUNT)
    found = next((m for m in mine if m.account_id == chosen), None)
    return found or default_membership(mine)


def actor_of(request: HttpRequest) -> Actor:
    """Return the signed-in user, acting in the session's account.

    Raises NoAccount for a user without an account (staff, for example). Raises NoLongerMember for a
    change sent for an account that the user has left, so that it is not made in another one.
    """
    membership = current_membership(request)
    if membership is None:
        raise NoAccount(
            "You don't belong to an account. Ask a superuser for an invitation."
        )
    _bind_session_account(request, membership)
    return user_actor(membership, context_of(request, Interface.WEB))


def user_actor(membership: Membership, context: Context) -> Actor:
    """Return a member as an actor in the account of the membership."""
    user = membership.user
    return Actor.user(
        user_id=user.pk,
        label=str(user),
        email=user.email,
        account_id=membership.account_id,
        context=context,
    )


def login_actor(request: HttpRequest, user: User, context: Context) -> Actor:
    """Return a user as the actor of what concerns their login, which needs no account.

    Staff without an account act as staff.
    """
    memberships = list(memberships_by_name(user.pk))
    chosen = request.session.get(SESSION_ACCOUNT) if hasattr(request, "session") else ""
    default = default_membership(memberships)
    if user.is_staff and default is None:
        return staff_actor(user, context)
    found = next((row for row in memberships if row.account_id == chosen), default)
    return Actor.user(
        user_id=user.pk,
        label=str(user),
        email=user.email,
        account_id=found.account_id if found is not None else "",
        context=context,
    )


def _bind_session_account(request: HttpRequest, membership: Membership) -> None:
    """Store the shown account in the session, for a user with several accounts."""
    chosen = request.session.get(SESSION_ACCOUNT)
    if chosen == membership.account_id:
        return
    if chosen or len(memberships_of(request)) > 1:
        request.session[SESSION_ACCOUNT] = membership.account_id
    if chosen and request.method not in SAFE_METHODS:
        raise NoLongerMember(
            "You no longer belong to that account. Nothing was changed. "
            f"You are now in {membership.account.name}."
        )


def staff_actor_of(request: HttpRequest) -> Actor:
    """Return the member of staff who uses the admin; the policy checks that they are staff."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101 - the admin requires sign-in
    return staff_actor(user, context_of(request, Interface.ADMIN))


def staff_actor(user: User, context: Context) -> Actor:
    """Return a member of staff as an actor."""
    return Actor.staff(
        user_id=user.pk, label=str(user), email=user.email, context=context
    )


def token_actor(token: ApiToken, context: Context) -> Actor:
    """Return the actor of a token; the permissions are read for each request."""
    return Actor(
        type=ActorType.TOKEN,
        id=token.pk,
        label=token.label,
        user_id=token.user_id or "",
        email=token.user.email if token.user else "",
        account_id=token.account_id,
        token_scope=TokenScope(token.scope),
        token_services=frozenset(token.services),
        context=context,
    )


def _tokens(digests_of_secret: Sequence[str]) -> "QuerySet[Any, Any]":
    """Compose the query of the active tokens of a secret, with their owners."""
    membership = Membership.objects.filter(
        account_id=OuterRef("account_id"),
        user_id=OuterRef("user_id"),
        disabled_at=None,
    )
    return ApiToken.objects.filter(
        Q(user=None) | Q(Exists(membership), user__is_active=True),
        digest__in=digests_of_secret,
        revoked_at=None,
    ).values_list(
        *_TOKEN_COLUMNS,
        *columns_of(User, "user__"),
        "account__second_factor_required",
    )


_TOKEN_COLUMNS = columns_of(ApiToken)
_TOKEN = PreparedQuery(_tokens)


def find_token(secret: str, now: datetime) -> ApiToken | None:
    """Return the active token of a secret, if its owner is still a member of its account.

    An automation token has no owner who could leave.
    """
    row = _TOKEN.first(digests(secret))
    if row is None:
        return None
    token = loaded(ApiToken, row[: len(_TOKEN_COLUMNS)])
    if token.expires_at is not None and token.expires_at <= now:
        return None
    token.user = loaded(User, row[len(_TOKEN_COLUMNS) : -1]) if token.user_id else None
    token.account_requires_factor = bool(row[-1])
    return token


def _why_inactive(secret: str, now: datetime) -> str:
    """Return why a secret cannot be used, and what to do. Only who has the secret can ask."""
    token = ApiToken.objects.filter(digest__in=digests(secret)).first()
    if token is None:
        return "There is no such API token. Check that it is complete."
    if token.revoked_at is not None:
        return "This API token was revoked. Create another."
    if token.expires_at is not None and token.expires_at <= now:
        at = minute_text(token.expires_at, UTC)
        return f"This API token expired on {at}. Create another."
    return "The owner of this API token can no longer use the account."


def _require_second_factor(token: ApiToken) -> None:
    """Raise SecondFactorNeeded for a token whose owner must have a second factor, and has none.

    Of the owner's accounts only that of the token counts: the policy of another one must not stop
    what runs in this one.
    """
    owner = token.user
    if owner is None or not (
        settings.SECOND_FACTOR_REQUIRED or token.account_requires_factor
    ):
        return  # most calls end here, without a query
    is_needed = token.account_requires_factor or has_strict_role(
        owner, active_memberships(owner.pk)
    )
    if is_needed and not has_second_factor(owner):
        raise SecondFactorNeeded(
            "The owner of this token must add a second factor in the portal first."
        )


class TokenRequest(Request):
    """An API call with a token: `auth` is the actor, `data` the fields of the body."""

    auth: Actor
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NoUser:
    """Takes the place of the user whom the framework expects: the token that has none."""

    pk: str
    is_authenticated: bool = True


class FastlyKeyAuthentication(BaseAuthentication):
    """Authenticate an API call by its `Fastly-Key` header alone, never by a cookie."""

    def authenticate(self, request: Request) -> tuple[User | NoUser, Actor] | None:
        """Return (owner, actor), or None without a token; raise AuthenticationFailed for a bad one."""
        secret = request.headers.get("Fastly-Key", "")
        if not secret:
            return None
        now = timezone.now()
        # A middleware may have found it already.
        token = getattr(request._request, FOUND_TOKEN, None) or find_token(secret, now)  # noqa: SLF001
        if token is None:
            raise AuthenticationFailed(_why_inactive(secret, now))
        _require_second_factor(token)
        context = context_of(request._request, Interface.API)  # noqa: SLF001
        if (
            token.last_used_at is None
            or now - token.last_used_at > LAST_USED_WRITE_INTERVAL
        ):
            update_if_free(
                ApiToken.objects.filter(pk=token.pk),
                {
                    # With the current pepper, so that the earlier one can be removed.
                    "digest": digest(secret),
                    "last_used_at": now,
                    "last_used_ip": context.ip,
                },
                what="when a token was last used",
            )
        return token.user or NoUser(token.pk), token_actor(token, context)

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        """Return the scheme, so that a missing token gives a 401 and not a 403."""
        return "Fastly-Key"
