"""Assigns contracts: currency, billing zone, payment terms and the buyer, from a month on."""

import zoneinfo
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, recorded_change
from accounts.commands.reasons import clean_reason
from accounts.errors import Conflict, Invalid
from accounts.models import Account
from accounts.roles import Permission
from products.billing.models import DEFAULT_PAYMENT_TERMS_DAYS, Contract, Invoice
from products.billing.queries.terms import CurrencyConflict, contract_of, terms_of
from products.calendars import Calendar, calendar_of
from products.catalogue.commands import describe_price
from products.catalogue.models import PriceVersion
from products.catalogue.money import CURRENCY_NEEDED, is_currency
from products.catalogue.queries import direct_prices_from, start_for
from products.months import Month

MAX_PAYMENT_TERMS_DAYS = 365
MAX_TEXT_LENGTHS = {"buyer": 500, "tax_note": 300}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractTerms:
    """What a contract says, apart from prices and packages."""

    currency: str = "USD"
    billing_zone: str = "UTC"
    payment_terms_days: int = DEFAULT_PAYMENT_TERMS_DAYS
    buyer: str = ""
    tax_note: str = ""


def assign_contract(
    actor: Actor,
    *,
    account: Account,
    terms: ContractTerms,
    from_month: Month,
    reason: str,
    now: datetime,
) -> Contract:
    """Assign a contract to an account from a month on; it replaces the earlier one then.

    A change of the billing zone takes effect at the start of a later month, for usage and bills.
    The month before keeps its zone, and the new one starts where it ends. Raises Forbidden unless
    the actor is staff; Invalid for an unknown currency or zone, a currency in which a product has
    no prices, impossible payment terms, too long a text, a month that is over, or a zone that
    would change within the running month; Conflict if the month is already invoiced. Notes
    contract.assigned, billing_zone.changed with price.published for each announced price that
    starts at another instant in the new zone, and billing_currency.changed.
    """
    reason = clean_reason(reason)
    _check(terms)
    with recorded_change(
        actor, Permission.CONTRACT_ASSIGN, on=account, now=now
    ) as trail:
        account.refresh_from_db(fields=["billing_zone", "zone_changes"])
        calendar = calendar_of(account)
        _check_month(account, calendar, terms, from_month, trail.now)
        before = contract_of(account.pk, from_month)
        announced = direct_prices_from(trail.now, account=account).next
        contract = Contract.objects.create(
            account=account,
            from_month=str(from_month),
            reason=reason,
            assigned_at=trail.now,
            assigned_by=actor.words,
            **asdict(terms),
        )
        changed = calendar.with_change(from_month, terms.billing_zone)
        account.zone_changes = [list(each) for each in changed.changes]
        account.save(update_fields=["zone_changes"])
        _check_prices(account, from_month)
        _note(trail, contract, before, calendar.zone_in(from_month))
        _note_moved_prices(trail, account, announced)
    return contract


def _note_moved_prices(
    trail: Trail, account: Account, announced: Mapping[str, PriceVersion]
) -> None:
    """Note again each announced price that starts at another instant in the new zone."""
    for slug, price in announced.items():
        start = start_for(price, account)
        if start != price.effective_from:
            trail.note(
                Event.PRICE_PUBLISHED,
                target=("price_version", price.pk, str(price)),
                product=slug,
                before=describe_price(price),
                after=describe_price(price) | {"effective_from": start.isoformat()},
            )


def _check(terms: ContractTerms) -> None:
    if not is_currency(terms.currency):
        raise Invalid(CURRENCY_NEEDED, field="currency")
    if terms.billing_zone not in zoneinfo.available_timezones():
        raise Invalid("Enter a time zone, such as Europe/Berlin.", field="billing_zone")
    if not 0 <= terms.payment_terms_days <= MAX_PAYMENT_TERMS_DAYS:
        raise Invalid(
            f"Enter 0 to {MAX_PAYMENT_TERMS_DAYS} days.", field="payment_terms_days"
        )
    for field, longest in MAX_TEXT_LENGTHS.items():
        text = getattr(terms, field)
        if len(text) > longest or "\0" in text:
            raise Invalid(f"Enter at most {longest} characters.", field=field)


def _check_month(
    account: Account,
    calendar: Calendar,
    terms: ContractTerms,
    from_month: Month,
    now: datetime,
) -> None:
    running = calendar.month_at(now)
    if from_month < running:
        raise Invalid("Choose the running month or a later one.", field="from_month")
    if from_month == running and terms.billing_zone != calendar.zone_in(running):
        raise Invalid(
            "The billing time zone can change at the start of the next month.",
            field="from_month",
        )
    billed = Invoice.objects.filter(
        account=account, month__gte=str(from_month), status=Invoice.Status.FINAL
    )
    if billed.exists():
        raise Conflict(f"{from_month} is already invoiced.")


def _check_prices(account: Account, month: Month) -> None:
    """Refuse a currency in which the account's products have no prices: they could not be billed."""
    try:
        terms_of(account, month)
    except CurrencyConflict as conflict:
        raise Invalid(conflict.message, field="currency") from conflict


def _note(trail: Trail, contract: Contract, before: Contract | None, zone: str) -> None:
    target = ("contract", str(contract.pk), str(contract))
    trail.note(
        Event.CONTRACT_ASSIGNED,
        target=target,
        after={
            "from_month": contract.from_month,
            "currency": contract.currency,
            "billing_zone": contract.billing_zone,
            "payment_terms_days": contract.payment_terms_days,
            "buyer": contract.buyer,
            "tax_note": contract.tax_note,
        },
        reason=contract.reason,
    )
    if contract.billing_zone != zone:
        trail.note(
            Event.BILLING_ZONE_CHANGED,
            target=target,
            before={"billing_zone": zone},
            after={"billing_zone": contract.billing_zone},
        )
    if before is not None and contract.currency != before.currency:
        trail.note(
            Event.BILLING_CURRENCY_CHANGED,
            target=target,
            before={"currency": before.currency},
            after={"currency": contract.currency},
        )
