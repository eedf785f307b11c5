"""Host names as sets: what a name covers, and the names that no account can claim; pure.

A claim covers a name and every name below it. So two names overlap if they are equal, or if one is
below the other. Sources: the Public Suffix List (https://publicsuffix.org/list/), with its private
section; RFC 6761 and the registry of special-use domain names.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from publicsuffixlist import PublicSuffixList

from products import protocol

WILDCARD = "*."
LOCALHOST = "localhost"
# Names that no public name server answers for.
SPECIAL_USE_NAMES = (
    "alt",
    "arpa",
    "example",
    "internal",
    "invalid",
    "local",
    LOCALHOST,
    "onion",
    "test",
)


@cache
def _public_suffixes() -> PublicSuffixList:
    """Return the list that the package contains; nothing is downloaded."""
    return PublicSuffixList()


def base_name(domain: str) -> str:
    """Return a domain without its wildcard: `shop.example` of `*.shop.example`."""
    return domain.removeprefix(WILDCARD)


def registrable_name(domain: str) -> str:
    """Return the public suffix and one label of a domain; "" if it has no such label."""
    return _public_suffixes().privatesuffix(base_name(domain)) or ""


def is_at_or_below(name: str, upper: str) -> bool:
    """Tell whether a name equals another one or is below it."""
    return name == upper or name.endswith(f".{upper}")


def overlaps(one: str, other: str) -> bool:
    """Tell whether two names are equal, or one is below the other."""
    return is_at_or_below(one, other) or is_at_or_below(other, one)


def names_above(name: str) -> tuple[str, ...]:
    """Return a name and all names above it, the longest first."""
    labels = name.split(".")
    return tuple(".".join(labels[start:]) for start in range(len(labels)))


@dataclass(frozen=True, slots=True)
class ClaimedName:
    """A verified claim: the account's name, and whether names below it are covered too."""

    name: str
    account_id: str
    covers_below: bool

    def covers(self, domain: str) -> bool:
        """Tell whether the claim covers a domain of a version."""
        if self.covers_below:
            return is_at_or_below(domain, self.name)
        return domain == self.name


def ownership_problem(
    name: str, *, platform: Iterable[str], allow_special_use: bool
) -> str:
    """Say why no account can own a name without wildcard; "" if one can.

    `platform` are the platform's own hosts. Names below localhost never lead to the platform.
    """
    if problem := protocol.host_problem(name):
        return problem
    is_special = any(is_at_or_below(name, special) for special in SPECIAL_USE_NAMES)
    if not registrable_name(name):
        problem = f"{name} is a public suffix or a single label. Use a name below it."
    elif is_special and not allow_special_use:
        problem = f"{name} is not a name of the public DNS. Use a public name."
    elif not is_at_or_below(name, LOCALHOST) and any(
        overlaps(name, host) for host in platform
    ):
        problem = f"{name} belongs to this platform. Use a name of your own."
    return problem
