"""What staff read about a member: what they can do in the account and on a service, and why not."""

from typing import Any, Final

from django.db.models import Q

from accounts.actor import Context, Interface
from accounts.models import Membership
from accounts.policy import load_access
from products.deploy.decision import decide_deployment
from products.services.models import Service, Version
from products.web.entitlements import abilities_of, acting_as

SERVICES_SHOWN: Final = 10


def member_facts(person: Membership, sought: str) -> dict[str, Any]:
    """Return the template variables of a member's page.

    If one service of the account has the ID or a part of the name that is sought, it is asked
    about, and its newest version is checked as for a deployment by the member, without a probe.
    """
    them = acting_as(person, Context(interface=Interface.ADMIN))
    services = _services(person.account_id, sought)
    service = services[0] if len(services) == 1 else None
    newest = Version.objects.select_related("service__account").filter(service=service)
    version = newest.order_by("number").last() if service else None
    access = load_access(them, person.account_id)
    return {
        "abilities": abilities_of(access, person, service),
        "sought": sought,
        "services": services,
        "service": service,
        "version": version,
        "deployment": decide_deployment(them, version=version) if version else None,
    }


def _services(account_id: str, sought: str) -> list[Service]:
    """Return the first services by name that match what is sought; none if nothing is."""
    if not sought:
        return []
    rows = Service.objects.filter(account=account_id, deleted_at=None)
    exact = list(rows.filter(Q(pk=sought) | Q(name=sought)))
    found = rows.filter(name__icontains=sought).order_by("name", "pk")
    return exact or list(found[:SERVICES_SHOWN])
