"""Reads about edges and usage."""

from products.metering.queries.current_usage import (
    ActivityTotals,
    CurrentUsage,
    OpenConnections,
    current_usage,
    open_connections,
)
from products.metering.queries.edges import (
    active_edges,
    complete_to,
    current_epoch,
    edge_of,
    unknown_since,
)
from products.metering.queries.periods import PeriodMismatch, differences
from products.metering.queries.usage import (
    ConnectionTotals,
    DeliveryTotals,
    Usage,
    open_disputes,
    totals_between,
    usage_of,
)

__all__ = [
    "ActivityTotals",
    "ConnectionTotals",
    "CurrentUsage",
    "DeliveryTotals",
    "OpenConnections",
    "PeriodMismatch",
    "Usage",
    "active_edges",
    "complete_to",
    "current_epoch",
    "current_usage",
    "differences",
    "edge_of",
    "open_connections",
    "open_disputes",
    "totals_between",
    "unknown_since",
    "usage_of",
]
