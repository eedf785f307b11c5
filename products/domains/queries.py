"""Reads about domain claims: an account's own, and who owns the domains of versions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from django.conf import settings
from django.db.models import Q, QuerySet, Value

from accounts.actor import Actor
from accounts.errors import NotFound
from accounts.models import Account
from accounts.policy import require
from accounts.prepared import PreparedQuery
from accounts.queries import account_of
from accounts.roles import Permission
from products.domains.models import ActiveDomain, DomainClaim, claimed_name
from products.domains.names import (
    ClaimedName,
    base_name,
    names_above,
    overlaps,
    ownership_problem,
    registrable_name,
)
from products.services.models import Service

_ACTIVE = "active"  # the kind of a row of an active domain beside those of claims


class OwnershipProblem(StrEnum):
    """Why an account cannot use a domain."""

    REFUSED = "refused"  # no account can
    TAKEN = "taken"  # it overlaps another account's claim
    UNVERIFIED = "unverified"  # the account has no verified claim that covers it


@dataclass(frozen=True, slots=True)
class DomainFinding:
    """A domain that an account cannot use, why, and how to fix it."""

    domain: str
    problem: OwnershipProblem
    reason: str
    remedy: str


def verification_is_off() -> bool:
    """Tell whether the operator has switched the verification of claims off."""
    return bool(settings.DOMAIN_VERIFICATION == "off")


def name_problem(name: str) -> str:
    """Say why no account can claim a name; "" if one can."""
    return ownership_problem(
        name,
        platform=settings.PLATFORM_NAMES,
        allow_special_use=verification_is_off(),
    )


def claims_of(
    actor: Actor, account: Account, *, search: str = ""
) -> "QuerySet[DomainClaim]":
    """Return an account's claims by name, those that contain a text. Raises NotFound."""
    require(actor, Permission.DOMAIN_READ, account)
    rows = DomainClaim.objects.filter(account=account).order_by("name")
    return rows.filter(name__contains=search.lower()) if search else rows


def claim_of(actor: Actor, claim_id: str) -> DomainClaim:
    """Return one claim of the actor's account. Raises NotFound."""
    claim = claims_of(actor, account_of(actor)).filter(pk=claim_id).first()
    if claim is None:
        raise NotFound("Domain claim not found.")
    return claim


def _overlapping(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the names and the registrable names of claims that may overlap some names.

    Those above a name are found by name. Those below it have the same registrable name.
    """
    above: set[str] = set()
    registrable: set[str] = set()
    for name in names:
        above |= set(names_above(name))
        registrable.add(registrable_name(name))
    return sorted(above), sorted(registrable - {""})


def owner_of(name: str, *, other_than: Account) -> DomainClaim | None:
    """Return another account's verified claim that overlaps a name."""
    above, registrable = _overlapping([name])
    rows = DomainClaim.objects.filter(
        Q(name__in=above) | Q(registrable_name__in=registrable),
        state=DomainClaim.State.VERIFIED,
    ).exclude(account=other_than)
    found = rows.select_related("account").order_by("name")
    return next((row for row in found if overlaps(row.name, name)), None)


def active_domains(claim: DomainClaim) -> "QuerySet[ActiveDomain]":
    """Return the domains of the account's active versions that a claim covers, by name."""
    return ActiveDomain.objects.filter(
        Q(name=claim.name) | Q(name__endswith=f".{claim.name}"),
        service__account_id=claim.account_id,
    ).order_by("name")


def active_names(claim: DomainClaim) -> list[str]:
    """Return the names of these domains."""
    return list(active_domains(claim).values_list("name", flat=True))


def visible_active_domains(
    actor: Actor, claim: DomainClaim
) -> "QuerySet[ActiveDomain]":
    """Return those domains that are in services that the actor may see, with the services."""
    visible = Service.objects.visible_to(actor).values("pk")
    return active_domains(claim).filter(service__in=visible).select_related("service")


@dataclass(frozen=True, slots=True)
class Ownership:
    """The verified claims that matter for some domains, and the services that have them now."""

    claims: tuple[ClaimedName, ...] = ()
    services: Mapping[str, str] = field(default_factory=dict)  # by domain

    def uncovered(self, domains: Iterable[str], account_id: str) -> tuple[str, ...]:
        """Return the domains that no claim of an account covers."""
        own = [claim for claim in self.claims if claim.account_id == account_id]
        return tuple(
            domain
            for domain in domains
            if not any(claim.covers(domain) for claim in own)
        )

    def findings(
        self, domains: Iterable[str], account_id: str
    ) -> tuple[DomainFinding, ...]:
        """Return why an account cannot use some domains.

        If verification is off, a domain without a claim can be used: activation claims it.
        """
        others = [claim for claim in self.claims if claim.account_id != account_id]
        found = (
            _finding(domain, others) for domain in self.uncovered(domains, account_id)
        )
        return tuple(each for each in found if each is not None)


def _owners(
    domains: Sequence[str],
    above: Sequence[str],
    registrable: Sequence[str],
    account_ids: Sequence[str],
) -> "QuerySet[Any, Any]":
    """Compose the query of the claims and active domains that matter."""
    claims = DomainClaim.objects.filter(
        Q(account__in=account_ids)
        | Q(name__in=above)
        | Q(registrable_name__in=registrable),
        state=DomainClaim.State.VERIFIED,
    )
    active = ActiveDomain.objects.filter(name__in=domains)
    return claims.values_list("name", "account_id", "method").union(
        active.values_list("name", "service_id", Value(_ACTIVE)), all=True
    )


_OWNERSHIP: Final = PreparedQuery(_owners)


def read_ownership(
    domains: Iterable[str], account_ids: Collection[str] = ()
) -> Ownership:
    """Read who owns some domains, and the claims of some accounts; one query, or none.

    The names can be what someone types: no account owns one with a null byte, which PostgreSQL
    refuses.
    """
    domains = sorted({domain for domain in domains if "\0" not in domain})
    if not domains and not account_ids:
        return Ownership()
    above, registrable = _overlapping({base_name(domain) for domain in domains})
    found = _OWNERSHIP.rows(domains, above, registrable, sorted(account_ids))
    return Ownership(
        tuple(claimed_name(*row) for row in found if row[2] != _ACTIVE),
        {name: service_id for name, service_id, kind in found if kind == _ACTIVE},
    )


def _finding(domain: str, others: Iterable[ClaimedName]) -> DomainFinding | None:
    name = base_name(domain)
    is_off = verification_is_off()
    # If verification is off, activation claims the registrable name.
    wanted = registrable_name(name) if is_off else name
    if problem := name_problem(name):
        return DomainFinding(
            domain, OwnershipProblem.REFUSED, problem, f"Remove {domain}."
        )
    if any(overlaps(claim.name, wanted) for claim in others):
        return DomainFinding(
            domain,
            OwnershipProblem.TAKEN,
            f"The domain {domain} belongs to another account.",
            f"Remove {domain} from this version. If it is yours, contact support.",
        )
    if is_off:
        return None
    return DomainFinding(
        domain,
        OwnershipProblem.UNVERIFIED,
        f"The domain {domain} is not verified for this account.",
        f"Claim {registrable_name(name)} on the Domains page and verify it.",
    )
