"""Records sign-in and changes of a user's login in the audit trail; allauth makes the changes.

A login belongs to the user, so each entry is in the chain of every account that they belong to.
Entries of staff, and of users without an account, are in the platform's chain.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypedDict

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, record_refusal, recorded_change
from accounts.commands.users import masked
from accounts.models import ApiToken, Membership, User
from accounts.policy import PLATFORM, OwnLogin
from accounts.roles import Permission

FACTOR_NAMES: Final = {
    Authenticator.Type.TOTP: "authenticator app",
    Authenticator.Type.WEBAUTHN: "passkey",
}


def chains_of(user: User) -> list[str]:
    """Return the accounts, or the platform, whose chains record the user's login."""
    accounts = Membership.objects.filter(user=user).order_by("account_id")
    chains = list(accounts.values_list("account_id", flat=True))
    return [*chains, PLATFORM.account_id] if user.is_staff or not chains else chains


class LoginChains(TypedDict):
    """A login as `recorded_change` takes it: the resource, and every chain that records it."""

    on: OwnLogin
    also: list[str]


def own_login(user: User) -> LoginChains:
    """Return what a change of the user's login is recorded on."""
    chains = chains_of(user)
    return {"on": OwnLogin(user.pk, chains[0]), "also": chains}


@contextlib.contextmanager
def recorded_login_change(actor: Actor, *, user: User, now: datetime) -> Iterator[None]:
    """Run what changes the user's second factors or email addresses, and note what it changed.

    Raises NotFound for another user's login. Notes second_factor.*, recovery_codes.* and email.*,
    or nothing if nothing changed.
    """
    with recorded_change(
        actor, Permission.LOGIN_OWN, **own_login(user), now=now
    ) as trail:
        before = _read_login(user)
        yield
        changes = list(_changes(before, _read_login(user)))
        if not changes:
            raise Unchanged
        for event, after in changes:
            _note(trail, event, user, after)


def note_login(actor: Actor, *, user: User, event: Event, now: datetime) -> None:
    """Note that a user signed in or out, re-authenticated or viewed their recovery codes.

    Raises NotFound for another user's login.
    """
    with recorded_change(
        actor, Permission.LOGIN_OWN, **own_login(user), now=now
    ) as trail:
        _note(trail, event, user)


def note_failed_login(
    actor: Actor, *, user: User, event: Event, reason: str, now: datetime
) -> None:
    """Note a failed authentication as this user; allauth's rate limits bound how often."""
    for chain in chains_of(user):
        record_refusal(
            actor,
            event,
            on=OwnLogin(user.pk, chain),
            target=_target(user),
            reasons=[reason],
            now=now,
        )


def set_password(
    actor: Actor,
    *,
    user: User,
    password: str,
    event: Event,
    keep_tokens: bool,
    now: datetime,
) -> None:
    """Set a user's password, which allauth has checked, and revoke their API tokens unless kept.

    Raises NotFound for another user's login. Notes the event (password.changed or password.reset),
    and token.revoked for each token, in its account.
    """
    user.set_password(password)  # slow on purpose, so before the transaction
    user.password_changed_at = now
    with recorded_change(
        actor, Permission.LOGIN_OWN, **own_login(user), now=now
    ) as trail:
        user.save(update_fields=["password", "password_changed_at"])
        _note(trail, event, user)
        if not keep_tokens:
            _revoke_tokens(trail, user, now=trail.now)


def end_sessions(
    actor: Actor, *, user: User, sessions: Iterable[UserSession], now: datetime
) -> None:
    """End some of the user's own sessions.

    Raises NotFound for another user's login. Notes session.ended for each.
    """
    with recorded_change(
        actor, Permission.LOGIN_OWN, **own_login(user), now=now
    ) as trail:
        found = [each for each in sessions if each.user_id == user.pk]
        if not found:
            raise Unchanged
        for session in found:
            after = {"signed_in_at": session.created_at.isoformat(timespec="seconds")}
            session.end()
            _note(trail, Event.SESSION_ENDED, user, after)


def _revoke_tokens(trail: Trail, user: User, *, now: datetime) -> None:
    """Revoke the user's tokens for the accounts that they belong to; others are refused anyway."""
    tokens = ApiToken.objects.select_for_update().filter(
        user=user, revoked_at=None, account_id__in=list(trail.entries)
    )
    for token in tokens.order_by("pk"):
        token.revoked_at = now
        token.save(update_fields=["revoked_at"])
        trail.note(
            Event.TOKEN_REVOKED,
            target=("token", token.pk, token.name),
            account_id=token.account_id,
        )


@dataclass(frozen=True, slots=True)
class _Login:
    """A user's second factors (name by id), recovery codes (id and seed) and email addresses."""

    factors: Mapping[int, tuple[str, str]]
    recovery_codes: tuple[tuple[int, str], ...]
    addresses: Mapping[str, bool]  # address: whether it is verified


def _read_login(user: User) -> _Login:
    rows = Authenticator.objects.filter(user=user).order_by("pk")
    return _Login(
        {
            row.pk: (FACTOR_NAMES[row.type], str(row.data.get("name", "")))
            for row in rows
            if row.type in FACTOR_NAMES
        },
        tuple(
            (row.pk, str(row.data.get("seed", "")))
            for row in rows
            if row.type == Authenticator.Type.RECOVERY_CODES
        ),
        dict(EmailAddress.objects.filter(user=user).values_list("email", "verified")),
    )


Change = tuple[Event, Mapping[str, str] | None]


def _changes(before: _Login, after: _Login) -> Iterator[Change]:
    yield from _factor_changes(before.factors, after.factors)
    if after.recovery_codes and after.recovery_codes != before.recovery_codes:
        yield Event.RECOVERY_CODES_GENERATED, None
    elif before.recovery_codes and not after.recovery_codes:
        yield Event.RECOVERY_CODES_REMOVED, None
    yield from _address_changes(before.addresses, after.addresses)


def _factor_changes(
    before: Mapping[int, tuple[str, str]], after: Mapping[int, tuple[str, str]]
) -> Iterator[Change]:
    for key in sorted(after.keys() - before.keys()):
        yield Event.SECOND_FACTOR_ENABLED, _factor(after[key])
    for key in sorted(before.keys() - after.keys()):
        yield Event.SECOND_FACTOR_DISABLED, _factor(before[key])
    for key in sorted(before.keys() & after.keys()):
        if before[key] != after[key]:
            yield Event.SECOND_FACTOR_RENAMED, _factor(after[key])


def _factor(factor: tuple[str, str]) -> dict[str, str]:
    kind, name = factor
    return {"second_factor": kind} | ({"name": name} if name else {})


def _address_changes(
    before: Mapping[str, bool], after: Mapping[str, bool]
) -> Iterator[Change]:
    confirmed = {key for key, known in after.items() if known and not before.get(key)}
    requested = after.keys() - before.keys() - confirmed
    cancelled = {key for key in before.keys() - after.keys() if not before[key]}
    for event, addresses in (
        (Event.EMAIL_CHANGED, confirmed),
        (Event.EMAIL_CHANGE_REQUESTED, requested),
        (Event.EMAIL_CHANGE_CANCELLED, cancelled),
    ):
        for address in sorted(addresses):
            yield event, {"email": masked(address)}


def _target(user: User) -> tuple[str, str, str]:
    return ("user", user.pk, str(user))


def _note(
    trail: Trail, event: Event, user: User, after: Mapping[str, str] | None = None
) -> None:
    """Note an event in each of the user's chains."""
    for chain in trail.entries:
        trail.note(event, target=_target(user), after=after, account_id=chain)
