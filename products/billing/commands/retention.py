"""Deletes usage records of months that were closed long ago and that no bill needs any more."""

import logging
from datetime import datetime

from accounts.models import Account
from products.billing.commands.uninvoiced import mark_uninvoiced
from products.billing.queries.completeness import (
    lacks_invoice,
    months_to_invoice,
    needs_usage,
)
from products.billing.queries.terms import month_at
from products.metering.commands import (
    deletable_periods,
    delete_old_voided,
    delete_records,
)
from products.metering.queries.periods import owners_of
from products.months import Month

logger = logging.getLogger(__name__)


def delete_old_usage(*, now: datetime) -> int:
    """Delete the usage records of months that are older than the setting, and return how many.

    Records stay for as long as metering needs them, see `deletable_periods`, and while a bill of
    their month or of those beside needs them, see `needs_usage`: a record can be part of several.
    """
    deleted = delete_old_voided(now)
    periods = deletable_periods(now)
    owners = owners_of({each.service for each in periods})
    account_ids = {key: owner.account_id for key, owner in owners.items()}
    accounts = Account.objects.in_bulk(set(account_ids.values()))
    months = {
        (account_ids[each.service], month)
        for each in periods
        if each.service in account_ids
        for month in each.months_beside
    }
    needed = {pair for pair in months if needs_usage(accounts[pair[0]], pair[1], now)}
    for account_id, month in sorted((key, str(month)) for key, month in needed):
        logger.warning(
            "Old usage records stay until the month is invoiced.",
            extra={"account_id": account_id, "month": month},
        )
        _mark(accounts[account_id], Month.read(month), now)
    for period in periods:
        account_id = account_ids.get(period.service, "")
        if not needed & {(account_id, month) for month in period.months_beside}:
            deleted += delete_records(period, now)
    return deleted


def _mark(account: Account, month: Month, now: datetime) -> None:
    """Mark a month that the sweep of invoices no longer tries, although it has something to bill."""
    is_tried = month in months_to_invoice(month_at(account, now))
    if not is_tried and lacks_invoice(account, month, now):
        mark_uninvoiced(account, month, now)
