"""The triggers that keep price versions and their tiers as they are once published."""

from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.triggers import GuardRule, guard, unequal

_FIXED = (
    *("id", "plan_id", "number", "currency", "meter", "unit_size", "unit_name"),
    *("unit_mode", "fee_micros", "included_units", "proration", "effective_from"),
    *("from_month", "is_example"),
)
_SET_AGAIN = " OR ".join(
    f"(OLD.{column} IS NOT NULL AND OLD.{column} IS DISTINCT FROM NEW.{column})"
    for column in ("effective_to", "withdrawn_at")
)
_SET_AGAIN += " OR (OLD.effective_to IS NOT NULL AND OLD.to_month <> NEW.to_month)"
_OVERLAPS = """EXISTS (
  SELECT 1 FROM catalogue_priceversion AS other
  WHERE other.plan_id = NEW.plan_id AND other.meter = NEW.meter
    AND other.withdrawn_at IS NULL
    AND (other.effective_to IS NULL OR other.effective_to > NEW.effective_from)
    AND (NEW.effective_to IS NULL OR NEW.effective_to > other.effective_from))"""
# The last tier has no limit, so a price is complete with it.
_IS_COMPLETE = """EXISTS (
  SELECT 1 FROM catalogue_tier AS other
  WHERE other.price_version_id = NEW.price_version_id AND other.up_to IS NULL)"""
PRICES: Final = guard(
    "catalogue_priceversion",
    GuardRule(
        "price book: a published price is not changed, and prices do not overlap",
        update=f"{unequal(_FIXED)} OR {_SET_AGAIN}",
        insert=_OVERLAPS,
    ),
)
TIERS: Final = guard(
    "catalogue_tier",
    GuardRule("price book: the tiers of a price are not changed", insert=_IS_COMPLETE),
)
# Two transactions do not see each other's rows, so on PostgreSQL a constraint looks as well.
_NO_OVERLAP = """
ALTER TABLE catalogue_priceversion ADD CONSTRAINT prices_do_not_overlap EXCLUDE USING gist (
  plan_id WITH =, meter WITH =, tstzrange(effective_from, effective_to) WITH &&
) WHERE (withdrawn_at IS NULL)"""


def install(connection: BaseDatabaseWrapper) -> None:
    """Install the triggers; on PostgreSQL also the constraint, if it is absent."""
    PRICES.install(connection)
    TIERS.install(connection)
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
        cursor.execute(
            "SELECT 1 FROM pg_constraint WHERE conname = 'prices_do_not_overlap'"
        )
        if cursor.fetchone() is None:
            cursor.execute(_NO_OVERLAP)
