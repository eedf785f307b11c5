"""May a live service carry WebSockets now? The gates that ask no person, as the edge needs them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from products.compatibility.findings import Severity
from products.compatibility.rules import all_findings
from products.deploy.decision import WEBSOCKETS, product_facts
from products.deploy.verdict import ProductFacts
from products.enablement.models import DRAIN_TIME, Enablement, ServiceProduct
from products.enablement.queries import (
    last_closed_by_account,
    last_switched_off,
    products_on_by_service,
)
from products.services.describe import version_config
from products.services.models import Version

DRAIN_MODES: dict[str, Literal["keep", "drain", "cut"]] = {
    "keep": "keep",
    "drain": "drain",
    "cut": "cut",
}


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """The edge's answer for one service, and what becomes of its open connections."""

    allowed: bool
    refusal: str = ""
    open_connections: Literal["keep", "drain", "cut"] = "keep"
    drain_until: datetime | None = None


def route_statuses(versions: Sequence[Version]) -> dict[str, RouteStatus]:
    """Answer for live versions, by service; five queries for any number that come `with_parts`.

    Account active, product on and not stopped, switch on, no rule broken: the first gate that
    fails gives the sentence that a refused client reads (R12). Rules change with products, so they
    are asked again here. R9 is checked by the edge when it connects.
    """
    standing = _Standing.of(versions)
    return {version.service_id: _carriage(version, standing) for version in versions}


@dataclass(frozen=True, slots=True)
class _Standing:
    """What accounts and services have on, and how they last had it off."""

    products: Mapping[str, ProductFacts]
    disabled: Mapping[str, Enablement]
    on: Mapping[str, frozenset[str]]
    switched_off: Mapping[str, ServiceProduct]

    @classmethod
    def of(cls, versions: Sequence[Version]) -> "_Standing":
        accounts = {version.service.account_id for version in versions}
        services = [version.service_id for version in versions]
        products = product_facts(accounts)
        without = [key for key in accounts if not products[key].is_on]
        return cls(
            products=products,
            disabled=last_closed_by_account(without, WEBSOCKETS),
            on=products_on_by_service(services),
            switched_off=last_switched_off(services, WEBSOCKETS),
        )


def _carriage(version: Version, standing: _Standing) -> RouteStatus:
    account = version.service.account
    if account.suspended_at is not None:
        return RouteStatus(
            allowed=False, refusal="This account is suspended.", open_connections="cut"
        )
    product = standing.products[account.pk]
    if not product.is_on:
        return _after_disable(standing.disabled.get(account.pk))
    if product.blocked_reason:
        return RouteStatus(allowed=False, refusal=product.blocked_reason)
    on = standing.on.get(version.service_id, frozenset())
    if WEBSOCKETS not in on:
        return _after_switch(standing.switched_off.get(version.service_id))
    broken = [
        p
        for p in all_findings(version_config(version), on)
        if p.severity is Severity.BLOCKS
    ]
    return RouteStatus(allowed=not broken, refusal=broken[0].message if broken else "")


def _after_disable(closed: Enablement | None) -> RouteStatus:
    refusal = "WebSockets is not enabled for this account."
    if closed is None or not closed.drain_mode:
        return RouteStatus(allowed=False, refusal=refusal, open_connections="cut")
    return RouteStatus(
        allowed=False,
        refusal=refusal,
        open_connections=DRAIN_MODES[closed.drain_mode],
        drain_until=closed.drain_until,
    )


def _after_switch(last: ServiceProduct | None) -> RouteStatus:
    refusal = "WebSockets is not switched on for this service."
    if last is None or last.ends_at is None:
        return RouteStatus(allowed=False, refusal=refusal, open_connections="cut")
    return RouteStatus(
        allowed=False,
        refusal=refusal,
        open_connections="drain",
        drain_until=last.ends_at + DRAIN_TIME,
    )
