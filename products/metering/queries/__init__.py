"""Reads about edges and usage."""

from products.metering.queries.current_usage import (
    ActivityTotals,
    CurrentUsage,
    current_usage,
    open_connections,
)
from products.metering.queries.edges import (
    complete_to,
    current_epoch,
    edge_of,
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
    "ConnectionTotals",
    "CurrentUsage",
    "DeliveryTotals",
    "Usage",
    "complete_to",
    "current_epoch",
    "current_usage",
    "differences",
    "edge_of",
    "open_connections",
    "totals_between",
    "unknown_since",
    "usage_of",
]
