"""What an actor may see of an account: its members, invitations, tokens and services.

Of a service only the id, the name and the account are known here (`service_access`).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from allauth.mfa.models import Authenticator
from django.db.models import Case, Q, QuerySet, When

from accounts.actor import Actor
from accounts.errors import Invalid, NotFound
from accounts.models import Account, ApiToken, Invitation, Membership, Notice
from accounts.policy import (
    UNLIMITED,
    AccountAccess,
    decide,
    load_access,
    members_with,
    require,
    visible_services,
)
from accounts.roles import (
    LEVELS_FOR,
    AccessLevel,
    Permission,
    Role,
)
from accounts.security_policy import FACTORS, has_factor
from accounts.service_access import existing_services, levels_on, users_with_access

# In the order of a list of members.
SUPERUSERS_FIRST = Case(When(role=Role.SUPERUSER, then=0), default=1)
NO_SUCH_MEMBER = "This person is not a member of this account."
NO_SUCH_INVITATION = "Invitation not found."
NO_SUCH_TOKEN = "API token not found."  # noqa: S105 - a sentence


@dataclass(frozen=True, slots=True)
class ServiceName:
    """A service's id and name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A member's access level on one service."""

    service: ServiceName
    level: AccessLevel


def account_of(actor: Actor) -> Account:
    """Return the account that the actor acts in; raises NotFound for a non-member."""
    return account_in(load_access(actor, actor.account_id))


def account_in(access: AccountAccess) -> Account:
    """Return the account of an actor whose access was read; raises NotFound for a non-member."""
    access.require(Permission.ACCOUNT_READ)
    if access.account is not None:
        return access.account
    account = Account.objects.filter(pk=access.actor.account_id).first()
    if account is None:
        raise NotFound("Account not found.")
    return account


def account_for(actor: Actor, permission: Permission) -> Account:
    """Return the actor's account if they have a permission in it; asked before a body is read."""
    access = load_access(actor, actor.account_id)
    account = account_in(access)
    access.require(permission)
    return account


def require_own_account(account: Account, named: object) -> None:
    """Raise Invalid if a body names another account, whether it exists or not."""
    if named not in (None, "", account.pk):
        raise Invalid(
            "customer_id: This is not your account's ID.", field="customer_id"
        )


def members_of(actor: Actor, account: Account) -> QuerySet[Membership]:
    """Return the account's members by name. Raises NotFound for a non-member."""
    require(actor, Permission.MEMBER_READ, account)
    return (
        Membership.objects.select_related("user", "account")
        .filter(account=account)
        .order_by("user__name", "pk")
    )


def matching_members(rows: QuerySet[Membership], text: str) -> QuerySet[Membership]:
    """Keep the members whose name or address contains a text, or whose id it is."""
    return rows.filter(
        Q(user__name__icontains=text)
        | Q(user__email__icontains=text)
        | Q(pk=text)
        | Q(user_id=text)
    )


def members_without_factor(account_id: str) -> QuerySet[Membership]:
    """Return the members who can open the account and have no second factor, by name."""
    return members_with(Permission.ACCOUNT_READ, account_id).exclude(has_factor())


def configurers_of(account_id: str) -> QuerySet[Membership]:
    """Return the members who may configure at least one existing service, by name."""
    with_access = users_with_access(
        account_services(account_id).values("pk"),
        LEVELS_FOR[Permission.SERVICE_CONFIGURE],
    )
    return members_with(Permission.SERVICE_CONFIGURE, account_id).filter(
        UNLIMITED | Q(user_id__in=with_access)
    )


def member_of(actor: Actor, account: Account, membership_id: str) -> Membership:
    """Return one member; raises NotFound if there is none with this id."""
    member = members_of(actor, account).filter(pk=membership_id).first()
    if member is None:
        raise NotFound(NO_SUCH_MEMBER)
    return member


def open_invitations(actor: Actor, account: Account) -> QuerySet[Invitation]:
    """Return invitations that are neither accepted nor withdrawn, newest first; also expired ones."""
    require(actor, Permission.MEMBER_READ, account)
    return _open_invitations(account.pk)


def open_invitations_in(access: AccountAccess) -> QuerySet[Invitation]:
    """Return `open_invitations` to an actor whose access was read."""
    access.require(Permission.MEMBER_READ)
    return _open_invitations(access.actor.account_id)


def _open_invitations(account_id: str) -> QuerySet[Invitation]:
    return Invitation.objects.filter(
        account_id=account_id, accepted_at=None, revoked_at=None
    ).order_by("-created_at", "pk")


def invitation_of(actor: Actor, account: Account, invitation_id: str) -> Invitation:
    """Return one open invitation; raises NotFound if there is none with this id."""
    invitation = open_invitations(actor, account).filter(pk=invitation_id).first()
    if invitation is None:
        raise NotFound(NO_SUCH_INVITATION)
    return invitation


def own_token(actor: Actor) -> ApiToken:
    """Return the token that acts, whatever its scope; raises NotFound for other actors."""
    row = ApiToken.objects.select_related("user", "account").filter(pk=actor.id).first()
    if row is None:
        raise NotFound(NO_SUCH_TOKEN)
    require(actor, Permission.TOKEN_SELF, row)
    return row


def own_membership(actor: Actor) -> Membership:
    """Return the membership of a token's owner, whatever the token's scope.

    Raises NotFound for an automation token.
    """
    token = own_token(actor)
    if token.is_automation:
        raise NotFound("This token belongs to the account, not to a user.")
    return Membership.objects.select_related("user", "account").get(
        account_id=token.account_id, user_id=token.user_id
    )


def tokens_of_account(actor: Actor, account: Account) -> QuerySet[ApiToken]:
    """Return all tokens in the account that are not revoked; needs the permission to see them."""
    require(actor, Permission.TOKEN_READ, account)
    return _tokens(actor)


def open_invitations_of(member: Membership) -> QuerySet[Invitation]:
    """Return the open invitations that a member sent for the account."""
    return Invitation.objects.filter(
        account_id=member.account_id,
        inviter_id=member.user_id,
        accepted_at=None,
        revoked_at=None,
    ).order_by("pk")


def active_tokens_of(member: Membership, now: datetime) -> QuerySet[ApiToken]:
    """Return a member's tokens for the account that are neither revoked nor expired."""
    return ApiToken.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now),
        account_id=member.account_id,
        user_id=member.user_id,
        revoked_at=None,
    ).order_by("name", "pk")


def tokens_of(actor: Actor) -> QuerySet[ApiToken]:
    """Return the actor's own tokens in the account that are not revoked, newest first.

    An automation token has itself alone.
    """
    own = Q(user_id=actor.user_id) if actor.user_id else Q(pk=actor.id)
    return _tokens(actor).filter(own)


def automation_tokens_of(actor: Actor) -> QuerySet[ApiToken]:
    """Return the account's automation tokens that are not revoked; raises Forbidden."""
    account = account_of(actor)
    require(actor, Permission.TOKEN_READ, account)
    return _tokens(actor).filter(user=None)


def automation_tokens_to_manage(actor: Actor) -> QuerySet[ApiToken]:
    """Return the account's automation tokens; none if the actor may not manage them."""
    if not decide(actor, Permission.TOKEN_MANAGE, account_of(actor)).allowed:
        return ApiToken.objects.none()
    return _tokens(actor).filter(user=None)


def automation_token_of(actor: Actor, token_id: str) -> ApiToken:
    """Return an automation token; raises Forbidden and NotFound."""
    token = automation_tokens_of(actor).filter(pk=token_id).first()
    if token is None:
        raise NotFound(NO_SUCH_TOKEN)
    return token


def tokens_of_others(actor: Actor) -> QuerySet[ApiToken]:
    """Return other members' tokens in the account; none if the actor may not manage them."""
    if not decide(actor, Permission.TOKEN_MANAGE, account_of(actor)).allowed:
        return ApiToken.objects.none()
    return _tokens(actor).exclude(user=None).exclude(user_id=actor.user_id)


def matching_tokens(rows: QuerySet[ApiToken], text: str) -> QuerySet[ApiToken]:
    """Keep the tokens whose name, or whose owner's name, contains a text, or whose id it is."""
    return rows.filter(
        Q(name__icontains=text) | Q(user__name__icontains=text) | Q(pk=text)
    )


def token_of(actor: Actor, token_id: str) -> ApiToken:
    """Return a token that the actor may see; raises NotFound if there is none with this id."""
    if token_id == actor.id:
        return own_token(actor)
    mine = Q(user_id=actor.user_id)
    if decide(actor, Permission.TOKEN_READ, account_of(actor)).allowed:
        mine = Q()
    token = _tokens(actor).filter(mine, pk=token_id).first()
    if token is None:
        raise NotFound(NO_SUCH_TOKEN)
    return token


def _tokens(actor: Actor) -> QuerySet[ApiToken]:
    account = account_of(actor)
    return (
        ApiToken.objects.select_related("user")
        .filter(account=account, revoked_at=None)
        .order_by("-created_at", "pk")
    )


def account_services(account_id: str) -> QuerySet[Any]:
    """Return the account's services that are not deleted, without a permission check; for commands."""
    return existing_services().filter(account_id=account_id)


def services_of(
    actor: Actor, ids: Collection[str] | None = None
) -> tuple[ServiceName, ...]:
    """Return the services that the actor may see, by name; of those with some ids, if given."""
    rows = visible_services(existing_services(), actor)
    return _names(rows if ids is None else rows.filter(pk__in=ids))


def find_services(
    actor: Actor, text: str, limit: int
) -> tuple[int, tuple[ServiceName, ...]]:
    """Return how many visible services have a text in their name or as their id, and the first ones."""
    rows = visible_services(existing_services(), actor)
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(pk=text))
    return rows.count(), _names(rows, limit)


def grants_in(
    account_id: str, user_ids: Iterable[str] | None = None
) -> Mapping[str, tuple[Grant, ...]]:
    """Return the access levels on the account's services, by user id; two queries.

    Those of some users only, if `user_ids` is given. Checks no permission: the caller has checked
    that the actor may see the members.
    """
    services = account_services(account_id)
    held = list(levels_on(services.values("pk"), user_ids))
    names = {
        service.id: service
        for service in _names(services.filter(pk__in={each for _, each, _ in held}))
    }
    granted: dict[str, list[Grant]] = {}
    for user_id, service_id, level in held:
        granted.setdefault(user_id, []).append(Grant(names[service_id], level))
    return {
        user_id: tuple(sorted(grants, key=lambda grant: grant.service.name))
        for user_id, grants in granted.items()
    }


def other_superusers(membership: Membership) -> QuerySet[Membership]:
    """Return the account's other superusers (R22)."""
    return Membership.objects.filter(
        account_id=membership.account_id,
        role=Role.SUPERUSER,
        user__is_active=True,
        disabled_at=None,
    ).exclude(pk=membership.pk)


def is_only_superuser(membership: Membership) -> bool:
    """Return whether the account would be left without a superuser if this member were none (R22)."""
    is_one = membership.role == Role.SUPERUSER and membership.disabled_at is None
    return is_one and not other_superusers(membership).exists()


def second_factors_of(user_ids: Iterable[str]) -> Mapping[str, str]:
    """Return the names of second factors by user id; users without one are left out."""
    names = {"totp": "Authenticator", "webauthn": "Passkey"}
    rows = Authenticator.objects.filter(user_id__in=list(user_ids), type__in=FACTORS)
    return {
        key: names[kind]
        for key, kind in rows.order_by("type").values_list("user_id", "type")
    }


def notices_of(user_id: str) -> QuerySet[Notice]:
    """Return a person's own notices, of all accounts."""
    return Notice.objects.filter(user_id=user_id).select_related("account")


def is_open(invitation: Invitation, now: datetime) -> bool:
    """Return whether an invitation can still be accepted."""
    unused = invitation.accepted_at is None and invitation.revoked_at is None
    return unused and now < invitation.expires_at


def _names(rows: QuerySet[Any], limit: int | None = None) -> tuple[ServiceName, ...]:
    found = rows.order_by("name", "pk").values_list("pk", "name")[:limit]
    return tuple(ServiceName(pk, name) for pk, name in found)


def account_with_id(account_id: str) -> Account:
    """Return the account that staff named. Raises Invalid for an unknown id."""
    account = Account.objects.filter(pk=account_id).first()
    if account is None:
        raise Invalid("No account with this ID.", field="account")
    return account
