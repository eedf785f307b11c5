"""Claim, verify and release domains; staff move and revoke claims; a sweep keeps them current.

Each change locks the platform's chain besides the account's. So two overlapping claims cannot be
verified at the same time, on either database.
"""

import contextlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Q

from accounts.actor import Actor
from accounts.audit.vocabulary import Event, Outcome
from accounts.change import Trail, Unchanged, recorded_change
from accounts.commands.mail import queue_mail
from accounts.commands.reasons import clean_reason
from accounts.errors import Conflict, Invalid, LimitReached, NotFound
from accounts.models import Account
from accounts.policy import PLATFORM, members_with, require
from accounts.rate_limit import consume, seconds_left
from accounts.roles import Permission
from accounts.sweep_time import while_time_is_left
from accounts.tokens import new_secret
from products.domains.models import (
    MAX_PROBLEM_LENGTH,
    PENDING_LIFETIME,
    UNUSED_LIFETIME,
    ActiveDomain,
    DomainClaim,
)
from products.domains.names import base_name, names_above, registrable_name
from products.domains.queries import (
    active_names,
    name_problem,
    owner_of,
    read_ownership,
    verification_is_off,
)
from products.domains.verification import (
    ProofMissing,
    proof_of,
    require_http_token,
    require_txt_record,
)

State = DomainClaim.State
Method = DomainClaim.Method
# Locked with the account's own chain by every change of claims.
SERIALISED: Final = (PLATFORM.account_id,)
SWEEP: Final = Actor.system("check-domain-claims")
MAX_PENDING_CLAIMS = 100
# Customers choose the hosts that are asked, so that checks must not serve for scans.
CHECKS_PER_HOUR = 60
CHECK_INTERVAL = timedelta(minutes=10)
USE_INTERVAL = timedelta(days=1)
CONTEST_INTERVAL = timedelta(days=1)
# Each check takes up to some seconds.
MAX_CHECKS_PER_SWEEP = 20
BATCH = 1_000
EXPIRED = f"It was not verified within {PENDING_LIFETIME.days} days."
UNUSED = (
    f"No active version used it for {UNUSED_LIFETIME.days} days, and its proof was no longer "
    "found."
)


class NameTaken(Conflict):
    """The name overlaps another account's verified claim."""

    code = "domain_taken"


class NameCovered(Conflict):
    """A verified claim of the same account covers the name."""

    code = "domain_covered"


class NameInUse(Conflict):
    """An active version uses a domain that the claim covers."""

    code = "domain_in_use"


class ProofNotFound(Conflict):
    """The proof was not found; the message says what was found."""

    code = "proof_not_found"


class TooManyClaims(Conflict):
    """The account has too many pending claims."""

    code = "too_many_claims"


class ClaimEnded(Conflict):
    """The claim is lost, or not verified."""

    code = "claim_ended"


def claim_domain(
    actor: Actor, *, account: Account, name: str, now: datetime
) -> DomainClaim:
    """Claim a name and the names below it; a claim that the account already has is returned.

    The claim is pending until its proof is found; if verification is off, it is verified. Raises
    Forbidden; Invalid for a name that no account can own; NameTaken, NameCovered, TooManyClaims.
    Notes domain_claim.requested, domain_claim.verified, or domain_claim.refused for a name that is
    taken. Then the account that has it gets an email, at most once a day.
    """
    name = _cleaned(name)
    owner = None
    with recorded_change(
        actor, Permission.DOMAIN_CLAIM, on=account, also=SERIALISED, now=now
    ) as trail:
        claim = _claim_on(account, name)
        if claim.is_verified or claim.is_pending(trail.now):
            raise Unchanged
        _require_free(account, name)
        owner = owner_of(name, other_than=account)
        if owner is not None:
            _refuse(trail, claim, owner, trail.now)
        else:
            _start(trail, claim, actor, trail.now)
    if owner is not None:
        raise _taken(name)
    return claim


def verify_claim(actor: Actor, *, claim: DomainClaim, now: datetime) -> DomainClaim:
    """Look for a claim's proof now, and verify the claim if it is there.

    Takes up to some seconds. Raises Forbidden; ProofNotFound, which is kept on the claim;
    ClaimEnded, NameTaken, LimitReached. Notes domain_claim.verified or domain_claim.refused.
    """
    require(actor, Permission.DOMAIN_CLAIM, claim)
    if claim.is_verified:
        return claim
    if consume(f"domain-checks:{claim.account_id}", CHECKS_PER_HOUR) < 0:
        raise LimitReached(
            "This account has used its checks for this hour.",
            retry_after_seconds=seconds_left(),
        )
    return _check(actor, claim, now)


def release_claim(actor: Actor, *, claim: DomainClaim, now: datetime) -> None:
    """Give a claim up. Raises Forbidden, and NameInUse. Notes domain_claim.released."""
    with recorded_change(
        actor, Permission.DOMAIN_CLAIM, on=claim, also=SERIALISED, now=now
    ) as trail:
        row = _locked(claim)
        used = active_names(row) if row.is_verified else []
        if used:
            raise NameInUse(
                f"{used[0]} is in an active version. Deactivate the version, or remove the "
                "domain from it, before you release the claim."
            )
        trail.note(
            Event.DOMAIN_CLAIM_RELEASED,
            target=_target(row),
            before={"state": row.state},
        )
        row.delete()


def revoke_claim(
    actor: Actor, *, claim: DomainClaim, reason: str, now: datetime
) -> DomainClaim:
    """End a claim, by staff; edges stop serving the names under it.

    Raises Forbidden, Invalid without a reason, ClaimEnded. Notes domain_claim.lost, of
    which the account's superusers get a notice.
    """
    with recorded_change(
        actor, Permission.DOMAIN_MANAGE, on=claim, also=SERIALISED, now=now
    ) as trail:
        reason = clean_reason(reason)
        row = _locked(claim)
        if row.state == State.LOST:
            raise ClaimEnded(f"The claim on {row} has already ended.")
        _lose(trail, row, reason, trail.now)
    return row


def move_claim(
    actor: Actor, *, claim: DomainClaim, to: Account, reason: str, now: datetime
) -> DomainClaim:
    """Move a verified claim to another account, by staff, and return that account's claim.

    The account that had it loses its claims below the name too, and edges stop serving its names.
    Raises Forbidden, Invalid without a reason or for the same account, ClaimEnded, and NameCovered
    if the account also has a claim above the name. Notes domain_claim.moved in the trails of both,
    whose superusers get a notice.
    """
    also = [*SERIALISED, to.pk]
    with recorded_change(
        actor, Permission.DOMAIN_MANAGE, on=claim, also=also, now=now
    ) as trail:
        reason = clean_reason(reason)
        row = _locked(claim)
        if row.account_id == to.pk:
            raise Invalid("The claim already belongs to this account.", field="account")
        if not row.is_verified:
            raise ClaimEnded(f"The claim on {row} is not verified.")
        for each in _claims_moved_with(row):
            _lose(trail, each, reason, trail.now, event=Event.DOMAIN_CLAIM_MOVED)
        moved = _claim_on(to, row.name)
        _reset(moved, actor, trail.now)
        _set_verified(moved, Method.STAFF, trail.now)
        trail.note(
            Event.DOMAIN_CLAIM_MOVED,
            target=_target(moved),
            after={"state": moved.state},
            reason=reason,
            account_id=to.pk,
        )
    return moved


def claim_domains_of_activation(
    trail: Trail,
    *,
    account: Account,
    domains: Iterable[str],
    actor: Actor,
    now: datetime,
) -> None:
    """Claim the registrable names of domains that are not claimed, if verification is off.

    A step of activation: the caller has locked the platform's chain and has refused domains of
    other accounts. Notes domain_claim.verified for each new claim.
    """
    if not verification_is_off():
        return
    domains = tuple(domains)
    missing = read_ownership(domains).uncovered(domains, account.pk)
    for name in sorted({registrable_name(domain) for domain in missing}):
        claim = _claim_on(account, name)
        _reset(claim, actor, now)
        _set_verified(claim, Method.OFF, now)
        _note_verified(trail, claim)


def sweep_claims(*, now: datetime) -> None:
    """End claims that expired or are no longer used, and check those that are due.

    What is left to check after about 20 seconds waits for the next sweep.
    """
    rows = DomainClaim.objects.select_related("account")
    _save_use(now)
    expired = rows.filter(state=State.PENDING, requested_at__lte=now - PENDING_LIFETIME)
    for claim in expired.order_by("requested_at")[:BATCH]:
        _end(claim, EXPIRED, now)
    due = rows.filter(state=State.PENDING).filter(
        Q(checked_at=None) | Q(checked_at__lte=now - CHECK_INTERVAL)
    )
    unused = rows.filter(
        Q(checked_at=None) | Q(checked_at__lte=now - USE_INTERVAL),
        state=State.VERIFIED,
        used_at__lte=now - UNUSED_LIFETIME,
    )
    pending = due.order_by("checked_at", "pk")[:MAX_CHECKS_PER_SWEEP]
    for claim in while_time_is_left(pending):
        with contextlib.suppress(Conflict, NotFound):
            _check(SWEEP, claim, now)
    verified = unused.order_by("used_at", "pk")[:MAX_CHECKS_PER_SWEEP]
    for claim in while_time_is_left(verified):
        _renew_or_end(claim, now)


# Steps


def _cleaned(name: str) -> str:
    name = base_name(name.strip().lower().removesuffix("."))
    if problem := name_problem(name):
        raise Invalid(problem, field="name")
    return name


def _claim_on(account: Account, name: str) -> DomainClaim:
    """Return the account's claim on a name, or a new one that is not saved."""
    known = DomainClaim.objects.filter(account=account, name=name).first()
    return known or DomainClaim(account=account, name=name, state=State.LOST)


def _locked(claim: DomainClaim) -> DomainClaim:
    rows = DomainClaim.objects.select_for_update(of=("self",))
    row = rows.select_related("account").filter(pk=claim.pk).first()
    if row is None:
        raise NotFound("Domain claim not found.")
    return row


def _require_free(account: Account, name: str) -> None:
    """Refuse a claim that the account's own claims make unnecessary, or one too many."""
    upper = DomainClaim.objects.filter(
        account=account, name__in=names_above(name), state=State.VERIFIED
    ).first()
    if upper is not None and upper.covers(name):
        raise NameCovered(f"Your verified claim on {upper} covers {name}.")
    pending = DomainClaim.objects.filter(account=account, state=State.PENDING)
    if pending.count() >= MAX_PENDING_CLAIMS:
        raise TooManyClaims(
            f"An account can have at most {MAX_PENDING_CLAIMS} pending claims. "
            "Verify or release one first."
        )


def _start(trail: Trail, claim: DomainClaim, actor: Actor, now: datetime) -> None:
    """Save a new claim, or one that was lost, as pending; verified if verification is off."""
    _reset(claim, actor, now)
    claim.save()
    trail.note(
        Event.DOMAIN_CLAIM_REQUESTED,
        target=_target(claim),
        after={"state": claim.state},
    )
    if verification_is_off():
        _set_verified(claim, Method.OFF, now)
        _note_verified(trail, claim)


def _reset(claim: DomainClaim, actor: Actor, now: datetime) -> None:
    """Make a claim pending, with a new token; the caller saves it."""
    claim.state, claim.token = State.PENDING, new_secret()
    claim.registrable_name = registrable_name(claim.name)
    claim.requested_at, claim.requested_by = now, actor.words
    claim.checked_at = claim.verified_at = claim.lost_at = None
    claim.method = claim.problem = claim.lost_reason = ""


def _set_verified(claim: DomainClaim, method: Method, now: datetime) -> None:
    claim.state, claim.method, claim.problem = State.VERIFIED, method, ""
    claim.verified_at = claim.used_at = now
    claim.save()


def _note_verified(trail: Trail, claim: DomainClaim) -> None:
    after = {"state": claim.state, "method": claim.method}
    trail.note(Event.DOMAIN_CLAIM_VERIFIED, target=_target(claim), after=after)


def _refuse(
    trail: Trail, claim: DomainClaim, owner: DomainClaim, now: datetime
) -> None:
    """Note a refused claim, and tell the account that has the name, at most once a day."""
    trail.note(
        Event.DOMAIN_CLAIM_REFUSED,
        target=_target(claim),
        after={"reasons": ["The name belongs to another account."]},
        outcome=Outcome.REFUSED,
    )
    last = owner.contested_at
    if last is not None and now - last < CONTEST_INTERVAL:
        return
    DomainClaim.objects.filter(pk=owner.pk).update(contested_at=now)
    _mail_superusers(
        owner.account,
        f"Another account asked for {claim}",
        f"Another account asked for the domain {claim}. It was refused, because your claim on "
        f"{owner} covers or overlaps it. If you expected this, contact support.",
        now,
    )


def _taken(name: str) -> NameTaken:
    return NameTaken(
        f"{name} belongs to another account. If it is yours, contact support."
    )


def _ended(claim: DomainClaim) -> ClaimEnded:
    return ClaimEnded(f"The claim on {claim} has ended. Claim the domain again.")


def _check(actor: Actor, claim: DomainClaim, now: datetime) -> DomainClaim:
    """Look for the proof outside of any transaction, then verify the claim."""
    if not claim.is_pending(now):
        raise _ended(claim)
    try:
        method = _found_proof(claim)
    except ProofMissing as missing:
        # What a check found is no change of the claim, and has no entry.
        DomainClaim.objects.filter(pk=claim.pk).update(
            checked_at=now, problem=str(missing)[:MAX_PROBLEM_LENGTH]
        )
        raise ProofNotFound(str(missing)) from missing
    owner = None
    with recorded_change(
        actor, Permission.DOMAIN_CLAIM, on=claim, also=SERIALISED, now=now
    ) as trail:
        row = _locked(claim)
        if row.is_verified:
            raise Unchanged
        if row.token != claim.token or not row.is_pending(trail.now):
            raise _ended(row)
        owner = owner_of(row.name, other_than=row.account)
        if owner is not None:
            _refuse(trail, row, owner, trail.now)
        else:
            row.checked_at = trail.now
            _set_verified(row, method, trail.now)
            _note_verified(trail, row)
    if owner is not None:
        raise _taken(row.name)
    return row


def _found_proof(claim: DomainClaim) -> Method:
    """Return how the proof was found. Raises ProofMissing."""
    proof = proof_of(claim.name, claim.token)
    mode = settings.DOMAIN_VERIFICATION
    if mode == "off":
        return Method.OFF
    try:
        require_txt_record(proof, servers=settings.DNS_SERVERS)
    except ProofMissing as missing:
        if mode != "http":
            raise
        try:
            require_http_token(
                claim.name, proof, allowed_private=settings.PRIVATE_ORIGINS
            )
        except ProofMissing as also_missing:
            raise ProofMissing(f"{missing} {also_missing}") from missing
        return Method.HTTP
    return Method.DNS


def _claims_moved_with(claim: DomainClaim) -> list[DomainClaim]:
    """Return the account's verified claims at or below a claim's name. Raises NameCovered."""
    own = DomainClaim.objects.select_for_update(of=("self",)).select_related("account")
    own = own.filter(account=claim.account_id, state=State.VERIFIED).order_by("pk")
    above = names_above(claim.name)[1:]
    upper = own.filter(name__in=above).first()
    if upper is not None:
        raise NameCovered(
            f"{claim.account} also has the claim on {upper}. Move or revoke that one first."
        )
    below = Q(name=claim.name) | Q(name__endswith=f".{claim.name}")
    return list(own.filter(below))


def _lose(
    trail: Trail,
    claim: DomainClaim,
    reason: str,
    now: datetime,
    *,
    event: Event = Event.DOMAIN_CLAIM_LOST,
) -> None:
    """End a claim within a change: edges stop serving its names. Superusers get a notice."""
    used = active_names(claim) if claim.is_verified else []
    before = claim.state
    ActiveDomain.objects.filter(name__in=used).delete()
    claim.state, claim.lost_at, claim.lost_reason = State.LOST, now, reason
    claim.save(update_fields=["state", "lost_at", "lost_reason"])
    trail.note(
        event,
        target=_target(claim),
        before={"state": before},
        after={"state": claim.state, "domains": used},
        reason=reason,
    )


def _mail_superusers(account: Account, subject: str, body: str, now: datetime) -> None:
    """Email an account about what is no entry of its trail: another account asked for its name."""
    for member in members_with(Permission.MEMBER_MANAGE, account.pk):
        queue_mail(
            account=account,
            to=member.user.email,
            subject=subject,
            body=f"{body}\n",
            now=now,
        )


def _target(claim: DomainClaim) -> tuple[str, str, str]:
    return ("domain_claim", claim.pk, claim.name)


# Steps of the sweep


def _end(claim: DomainClaim, reason: str, now: datetime) -> None:
    """End a claim that is in the same state as when it was read."""
    with recorded_change(
        SWEEP, Permission.DOMAIN_CLAIM, on=claim, also=SERIALISED, now=now
    ) as trail:
        row = DomainClaim.objects.select_for_update(of=("self",)).filter(
            pk=claim.pk, state=claim.state, used_at=claim.used_at
        )
        found = row.select_related("account").first()
        if found is None:
            raise Unchanged
        _lose(trail, found, reason, trail.now)


def _renew_or_end(claim: DomainClaim, now: datetime) -> None:
    """Keep a claim whose proof is still there; end it after a week without."""
    rows = DomainClaim.objects.filter(pk=claim.pk, state=State.VERIFIED)
    if _has_proof(claim):
        rows.update(used_at=now, checked_at=now)
    elif claim.used_at and claim.used_at <= now - UNUSED_LIFETIME - PENDING_LIFETIME:
        _end(claim, UNUSED, now)
    else:
        rows.update(checked_at=now)


def _has_proof(claim: DomainClaim) -> bool:
    if claim.method not in {Method.DNS, Method.HTTP}:
        return False
    try:
        _found_proof(claim)
    except ProofMissing:
        return False
    return True


def _save_use(now: datetime) -> None:
    """Save the claims that active versions use, of those not looked at for a day."""
    rows = DomainClaim.objects.filter(
        state=State.VERIFIED, used_at__lte=now - USE_INTERVAL
    )
    claims = list(
        rows.order_by("used_at", "pk").values_list("pk", "account", "name")[:BATCH]
    )
    active = ActiveDomain.objects.filter(
        service__account__in={account for _, account, _ in claims}
    ).values_list("service__account", "name")
    used = {
        (account, upper)
        for account, name in active
        for upper in names_above(base_name(name))
    }
    found = [pk for pk, account, name in claims if (account, name) in used]
    DomainClaim.objects.filter(pk__in=found).update(used_at=now)
