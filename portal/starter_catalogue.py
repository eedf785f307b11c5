"""The catalogue of a new portal; staff change it in the admin.

The prices are examples, because the real ones are not published.
"""

from typing import Any

from products.catalogue.prices import NewPrice
from products.catalogue.tiers import PriceTier

DOCS = "https://docs.fastly.com/products"

PRODUCTS: dict[str, dict[str, Any]] = {
    "delivery": {
        "name": "Delivery",
        "purpose": "Carries your visitors' requests through the edge to your servers.",
        "purchase_mode": "always",
        "per_service": False,
        "position": 10,
    },
    "websockets": {
        "name": "WebSockets",
        "purpose": "Long-lived, two-way connections from your clients to your own servers, "
        "through the edge.",
        "limitations": "Can't be used together with shielding or the Next-Gen WAF. Only these "
        "backend settings apply: Name, Address, Enable TLS, Override Host. Origin certificates "
        "must be signed by a public certification authority. Each connection is logged once, "
        "when it is accepted, so the line has no duration or byte count.",
        "documentation_url": f"{DOCS}/websockets",
        "purchase_mode": "direct",
        "position": 20,
    },
    "ngwaf": {
        "name": "Next-Gen WAF",
        "purpose": "Inspects requests and blocks attacks before they reach your servers.",
        "limitations": "Can't be used together with WebSockets on the same service.",
    },
    "fanout": {
        "name": "Fanout",
        "purpose": "Publishes messages to many open connections.",
        "service_type": "wasm",
    },
    "image_optimizer": {
        "name": "Image Optimizer",
        "purpose": "Resizes and re-encodes images at the edge, on request.",
        "service_type": "vcl",
    },
    "brotli_compression": {
        "name": "Brotli Compression",
        "purpose": "Smaller text responses for browsers that understand Brotli.",
        "service_type": "vcl",
    },
    "domain_inspector": {
        "name": "Domain Inspector",
        "purpose": "Traffic figures for each of your domains.",
    },
    "origin_inspector": {
        "name": "Origin Inspector",
        "purpose": "Traffic figures for each of your origins.",
    },
    "log_explorer_insights": {
        "name": "Log Explorer & Insights",
        "purpose": "Searches and charts what your services log.",
    },
    "bot_management": {
        "name": "Bot Management",
        "purpose": "Tells people from bots and lets you decide what bots can do.",
    },
    "ddos_protection": {
        "name": "DDoS Protection",
        "purpose": "Absorbs floods before they reach your servers.",
    },
    "api_discovery": {
        "name": "API Discovery",
        "purpose": "Finds the APIs that your services expose.",
    },
}

CONNECTION_TIME = NewPrice(
    currency="USD",
    meter="connection_time",
    tiers=(
        PriceTier(up_to=10, unit_price_nanos=600_000_000),
        PriceTier(up_to=100, unit_price_nanos=500_000_000),
        PriceTier(up_to=None, unit_price_nanos=400_000_000),
    ),
    is_example=True,
)
BANDWIDTH = NewPrice(
    currency="USD",
    meter="bandwidth",
    tiers=(
        PriceTier(up_to=100, unit_price_nanos=0),
        PriceTier(up_to=10_000, unit_price_nanos=120_000_000),
        PriceTier(up_to=None, unit_price_nanos=80_000_000),
    ),
    is_example=True,
)

# Product, kind and name of the plan, and its price if it has one.
PLANS: tuple[tuple[str, str, str, NewPrice | None], ...] = (
    ("delivery", "direct", "Delivery standard", BANDWIDTH),
    ("websockets", "direct", "WebSockets standard", CONNECTION_TIME),
    *(
        (slug, "package", "Edge Complete", None)
        for slug in PRODUCTS
        if slug != "delivery"
    ),
)

# Product and name of the trial, its days and its cap in connection minutes.
TRIALS: tuple[tuple[str, str, int, int], ...] = (
    ("websockets", "WebSockets trial", 14, 1_000_000),
)


def product_fields(slug: str, position: int) -> dict[str, Any]:
    """Return the fields of a product, including the defaults."""
    shared = {"purchase_mode": "sales", "per_service": True, "position": position}
    return shared | PRODUCTS[slug]
