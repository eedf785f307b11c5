"""Grants credits and lets them expire."""

from datetime import date, datetime

from accounts.actor import Actor
from accounts.audit.chain import MAX_INTEGER
from accounts.audit.vocabulary import Event
from accounts.change import Unchanged, recorded_change
from accounts.commands.reasons import clean_reason
from accounts.errors import Invalid
from accounts.models import Account
from accounts.roles import Permission
from products.billing.commands.lines import money_fact
from products.billing.models import Credit, CreditEntry
from products.billing.queries.credits import expired_credits, usable_currencies
from products.catalogue.money import CURRENCY_NEEDED, Money, is_currency, unit_of


def grant_credit(
    actor: Actor,
    *,
    account: Account,
    amount: Money,
    reason: str,
    now: datetime,
    expires_on: date | None = None,
) -> Credit:
    """Grant an account a credit, which its next invoices use.

    Raises Forbidden unless the actor is staff; Invalid without a reason, and for an amount, a
    currency or a date that cannot be, or a currency in which it could never be used. Notes
    credit.granted.
    """
    reason = clean_reason(reason)
    if amount.micros <= 0:
        raise Invalid("Enter an amount above zero.", field="amount")
    if amount.micros > MAX_INTEGER:
        raise Invalid("Enter a smaller amount.", field="amount")
    if not is_currency(amount.currency):
        raise Invalid(CURRENCY_NEEDED, field="currency")
    if amount != Money.rounded(amount.amount, amount.currency):
        smallest = unit_of(amount.currency)
        raise Invalid(
            f"Enter a multiple of {smallest}, the smallest amount of {amount.currency}.",
            field="amount",
        )
    if expires_on is not None and expires_on < now.date():
        raise Invalid("Choose a day in the future.", field="expires_on")
    with recorded_change(actor, Permission.CREDIT_GRANT, on=account, now=now) as trail:
        currencies = sorted(usable_currencies(account, trail.now))
        if amount.currency not in currencies:
            raise Invalid(
                f"The account has nothing to bill in {amount.currency}. Enter {' or '.join(currencies)}.",
                field="currency",
            )
        credit = add_credit(
            Credit(
                account=account,
                source=Credit.Source.GRANT,
                currency=amount.currency,
                amount_micros=amount.micros,
                reason=reason,
                expires_on=expires_on,
                granted_at=trail.now,
                granted_by=actor.words,
            )
        )
        trail.note(
            Event.CREDIT_GRANTED,
            target=("credit", str(credit.pk), str(credit)),
            after={
                "amount": money_fact(amount),
                "expires_on": expires_on.isoformat() if expires_on else "",
            },
            reason=reason,
        )
    return credit


def expire_credits(actor: Actor, *, account: Account, now: datetime) -> None:
    """Enter what is left of expired credits as expired, once no invoice can use them.

    Raises Forbidden. Notes credit.expired per credit.
    """
    with recorded_change(
        actor, Permission.INVOICE_MANAGE, on=account, now=now
    ) as trail:
        expired = expired_credits(account.pk, trail.now)
        if not expired:
            raise Unchanged
        for credit, left in expired:
            CreditEntry.objects.create(
                credit=credit,
                account=account,
                kind=CreditEntry.Kind.EXPIRED,
                amount_micros=-left,
                at=trail.now,
            )
            trail.note(
                Event.CREDIT_EXPIRED,
                target=("credit", str(credit.pk), str(credit)),
                after={"amount": money_fact(Money(left, credit.currency))},
            )


def add_credit(credit: Credit) -> Credit:
    """Save a new credit with its first entry; a step of commands."""
    credit.save(force_insert=True)
    CreditEntry.objects.create(
        credit=credit,
        account_id=credit.account_id,
        kind=CreditEntry.Kind.GRANTED,
        amount_micros=credit.amount_micros,
        at=credit.granted_at,
    )
    return credit
