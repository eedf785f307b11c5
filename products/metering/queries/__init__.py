"""Reads about edges and usage."""

from products.metering.queries.current_usage import (
    ActivityTotals,
    CurrentUsage,
    current_usage,
    open_connections,
)
from products.metering.queries.daily import (
    Bounds,
    RoundingExample,
    UsageAtBounds,
    rounding_example,
    usage_at,
)
from products.metering.queries.edges import (
    Freshness,
    complete_to,
    current_epoch,
    edge_of,
    freshness,
    unknown_since,
)
from products.metering.queries.periods import differences
from products.metering.queries.usage import (
    ConnectionTotals,
    DeliveryTotals,
    Usage,
    totals_between,
    usage_of,
)

__all__ = [
    "ActivityTotals",
    "Bounds",
    "ConnectionTotals",
    "CurrentUsage",
    "DeliveryTotals",
    "Freshness",
    "RoundingExample",
    "Usage",
    "UsageAtBounds",
    "complete_to",
    "current_epoch",
    "current_usage",
    "differences",
    "edge_of",
    "freshness",
    "open_connections",
    "rounding_example",
    "totals_between",
    "unknown_since",
    "usage_at",
    "usage_of",
]
