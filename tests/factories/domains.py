"""Verified domain claims."""

from accounts.models import Account
from products.domains.models import DomainClaim
from products.domains.names import base_name, registrable_name
from tests.factories import NOW


def claimed(account: Account, name: str, **fields: object) -> DomainClaim:
    """Create an account's claim on a name; verified by a TXT record unless `fields` say otherwise."""
    values = {
        "state": "verified",
        "method": "dns",
        "requested_at": NOW,
        "requested_by": "Sam",
        "verified_at": NOW,
        "used_at": NOW,
    }
    return DomainClaim.objects.create(
        account=account,
        name=name,
        registrable_name=registrable_name(name),
        **values | fields,
    )


def pending(account: Account, name: str, **fields: object) -> DomainClaim:
    """Create an account's pending claim on a name."""
    without = {"state": "pending", "method": "", "verified_at": None, "used_at": None}
    return claimed(account, name, **without | fields)


def claim_unless_claimed(account: Account, domain: str) -> None:
    """Give an account the verified claim on the registrable name of a domain."""
    name = registrable_name(domain) or base_name(domain)
    if not DomainClaim.objects.filter(name=name, state="verified").exists():
        claimed(account, name)
