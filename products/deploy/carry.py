"""May a live service carry WebSockets now? The gates that ask no person, as the edge needs them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from products.compatibility.problem import Severity
from products.compatibility.rules import check
from products.deploy.gate import WEBSOCKETS, product_facts
from products.enablement.models import Enablement, ServiceProduct
from products.enablement.queries import last_closed, products_on
from products.services.describe import describe
from products.services.models import Version

# A service that is switched off lets its tunnels go on as long as a disabled account does.
CLOSINGS: dict[str, Literal["keep", "drain", "cut"]] = {
    "keep": "keep",
    "drain": "drain",
    "cut": "cut",
}
SWITCH_DRAIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Carriage:
    """The edge's answer for one service, and what becomes of its open connections."""

    allowed: bool
    refusal: str = ""
    open_connections: Literal["keep", "drain", "cut"] = "keep"
    drain_until: datetime | None = None


def carriage_of(version: Version) -> Carriage:
    """Answer for a live version: account active, product on and not stopped, switch on, no rule broken.

    The first gate that fails gives the sentence that a refused client reads (R12). Rules change
    with products, so they are asked again here. R9 is checked by the edge when it connects.
    """
    account = version.service.account
    if account.suspended_at is not None:
        return Carriage(
            allowed=False, refusal="This account is suspended.", open_connections="cut"
        )
    product = product_facts(account.pk)
    if not product.is_on:
        return _after_disable(last_closed(account.pk, WEBSOCKETS))
    if product.blocked_reason:
        return Carriage(allowed=False, refusal=product.blocked_reason)
    on = products_on(version.service)
    if WEBSOCKETS not in on:
        return _after_switch(version)
    broken = [p for p in check(describe(version), on) if p.severity is Severity.BLOCKS]
    return Carriage(allowed=not broken, refusal=broken[0].message if broken else "")


def _after_disable(closed: Enablement | None) -> Carriage:
    refusal = "WebSockets is not enabled for this account."
    if closed is None or not closed.closing:
        return Carriage(allowed=False, refusal=refusal, open_connections="cut")
    return Carriage(
        allowed=False,
        refusal=refusal,
        open_connections=CLOSINGS[closed.closing],
        drain_until=closed.drain_until,
    )


def _after_switch(version: Version) -> Carriage:
    refusal = "WebSockets is not switched on for this service."
    last = (
        ServiceProduct.objects.filter(service=version.service, product_id=WEBSOCKETS)
        .exclude(ends_at=None)
        .order_by("-ends_at")
        .first()
    )
    if last is None or last.ends_at is None:
        return Carriage(allowed=False, refusal=refusal, open_connections="cut")
    return Carriage(
        allowed=False,
        refusal=refusal,
        open_connections="drain",
        drain_until=last.ends_at + SWITCH_DRAIN,
    )
