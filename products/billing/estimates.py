"""What a month would cost at a price of the catalogue."""

from products.billing.rating import Estimate, estimate
from products.catalogue.models import PriceVersion
from products.catalogue.queries import tiered_price


def estimated(price: PriceVersion, *, connections: int, seconds_each: int) -> Estimate:
    """Return what a number of connections of equal length would cost in a month."""
    return estimate(
        connections,
        seconds_each,
        tiered_price(price),
        currency=price.currency,
        included=price.included_units * price.unit_size,
    )
