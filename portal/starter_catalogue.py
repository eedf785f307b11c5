"""The catalogue that a new portal starts with; staff keep it in the admin from then on.

The prices are examples: nobody publishes the real ones.
"""

from typing import Any

from products.catalogue.commands import NewPrice
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
        "limitations": "Does not go with shielding or the Next-Gen WAF. Of a host only Name, "
        "Address, Enable TLS and Override Host are honoured. Origin certificates must be signed "
        "by a public certification authority. The log line is written when a connection is "
        "accepted; it knows neither duration nor bytes.",
        "documentation_url": f"{DOCS}/websockets",
        "purchase_mode": "direct",
        "position": 20,
    },
    "ngwaf": {
        "name": "Next-Gen WAF",
        "purpose": "Inspects requests and blocks attacks before they reach your servers.",
        "limitations": "Does not go with WebSockets on the same service.",
    },
    "fanout": {
        "name": "Fanout",
        "purpose": "Publishes messages to many held-open connections at once.",
    },
    "image_optimizer": {
        "name": "Image Optimizer",
        "purpose": "Resizes and re-encodes images at the edge, on request.",
    },
    "brotli_compression": {
        "name": "Brotli Compression",
        "purpose": "Smaller text responses for browsers that understand Brotli.",
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
        "purpose": "Tells people from scripts, and lets you decide what scripts may do.",
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
    unit_size=1_000_000,
    unit_name="million minutes",
    steps=(
        PriceTier(up_to=10, unit_price_nanos=600_000_000),
        PriceTier(up_to=100, unit_price_nanos=500_000_000),
        PriceTier(up_to=None, unit_price_nanos=400_000_000),
    ),
    is_example=True,
)
BANDWIDTH = NewPrice(
    currency="USD",
    meter="bandwidth",
    unit_size=1_000_000_000,
    unit_name="GB",
    steps=(
        PriceTier(up_to=100, unit_price_nanos=0),
        PriceTier(up_to=10_000, unit_price_nanos=120_000_000),
        PriceTier(up_to=None, unit_price_nanos=80_000_000),
    ),
    is_example=True,
)

# Product, plan's kind, plan's name, its price where it has one of its own.
PLANS: tuple[tuple[str, str, str, NewPrice | None], ...] = (
    ("delivery", "direct", "Delivery standard", BANDWIDTH),
    ("websockets", "direct", "WebSockets standard", CONNECTION_TIME),
    *(
        (slug, "package", "Edge Complete", None)
        for slug in PRODUCTS
        if slug != "delivery"
    ),
)


def product_fields(slug: str, position: int) -> dict[str, Any]:
    """Return a product's fields for the catalogue, with what most of them share."""
    shared = {"purchase_mode": "sales", "per_service": True, "position": position}
    return shared | PRODUCTS[slug]
