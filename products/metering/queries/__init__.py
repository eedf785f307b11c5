"""What is known of edges and of usage."""

from products.metering.queries.edges import (
    complete_to,
    current_epoch,
    edge_of,
    live_edges,
    unknown_since,
)
from products.metering.queries.live import (
    Live,
    OpenConnections,
    Seen,
    live,
    open_connections,
)
from products.metering.queries.periods import Difference, differences
from products.metering.queries.usage import (
    Delivery,
    Figures,
    Usage,
    figures_between,
    open_conflicts,
    usage_of,
)

__all__ = [
    "Delivery",
    "Difference",
    "Figures",
    "Live",
    "OpenConnections",
    "Seen",
    "Usage",
    "complete_to",
    "current_epoch",
    "differences",
    "edge_of",
    "figures_between",
    "live",
    "live_edges",
    "open_conflicts",
    "open_connections",
    "unknown_since",
    "usage_of",
]
