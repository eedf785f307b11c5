"""Open and close an enablement, and what the audit trail keeps of it each time.

Every way to get a product and to lose it again comes through here, below its `recorded_change`.
"""

from datetime import datetime

from accounts.audit.vocabulary import Event
from accounts.change import Trail
from accounts.models import Account
from products.catalogue.models import Product
from products.enablement.commands.requests import grant_requests
from products.enablement.models import DRAIN_TIME, BudgetBlock, Enablement
from products.enablement.queries import (
    BUDGET_USED_UP,
    Block,
    BlockedBy,
    block_of,
    budget_blocks,
    current,
    last_closed,
    price_of,
    trial_minutes_used,
)
from products.enablement.refusals import already_disabled, already_enabled


def require_disabled(account: Account, product: Product) -> Enablement | None:
    """Raise AlreadyEnabled if the account has the product; a trial of it is returned."""
    enablement = current(account.pk, product.pk)
    if enablement is not None and not enablement.is_trial:
        raise already_enabled(enablement, product)
    return enablement


def require_enabled(account: Account, product: Product) -> Enablement:
    """Return the account's open enablement of the product. Raises AlreadyDisabled."""
    enablement = current(account.pk, product.pk)
    if enablement is not None:
        return enablement
    raise already_disabled(account, product, last_closed(account.pk, product.pk))


def open_enablement(
    trail: Trail, enablement: Enablement, *, trial: Enablement | None = None
) -> None:
    """Save a new enablement, which replaces a `trial` if there is one, and grant the requests for it.

    Notes trial.converted for the trial, product.enabled, bill.changed except for a trial,
    product.blocked if the budget refuses its connections, and product_request.granted for each open
    request.
    """
    product = enablement.product
    budget_block = budget_blocks(enablement.account_id).get(product.pk)
    before = block_of(trial, budget_block)
    if trial is not None:
        _convert_trial(trail, trial, enablement)
    enablement.save(force_insert=True)
    target = ("product", product.pk, product.name)
    trail.note(
        Event.PRODUCT_ENABLED,
        target=target,
        product=product.pk,
        before={"state": "trial" if trial else "disabled"},
        after={
            "state": "enabled",
            "enablement": enablement.pk,
            "source": enablement.source,
            "plan": enablement.plan.name,
            "agreed_text": enablement.agreed_text,
            "agreed_record_hash": enablement.agreed_record_hash,
            "agreed_locale": enablement.agreed_locale,
        },
        reason=enablement.reason,
        agreed_text_hash=enablement.agreed_text_hash,
    )
    if not enablement.is_trial:
        trail.note(
            Event.BILL_CHANGED,
            target=target,
            product=product.pk,
            before={"billed": False},
            after=bill_facts(enablement, enablement.starts_at),
            agreed_text_hash=enablement.agreed_text_hash,
        )
    block = block_of(enablement, budget_block)
    if block is not None and block != before:
        _note_block(trail, enablement.account_id, product, block)
    grant_requests(
        trail,
        account_id=enablement.account_id,
        product=product,
        by=enablement.started_by,
        now=enablement.starts_at,
    )


def _convert_trial(trail: Trail, trial: Enablement, following: Enablement) -> None:
    """End a trial where its successor starts; open connections continue."""
    now = following.starts_at
    used = trial_minutes_used(trial, now)
    trial.ends_at, trial.ended_by = now, following.started_by
    trial.trial_used_minutes = used
    trial.save(update_fields=["ends_at", "ended_by", "trial_used_minutes"])
    product = trial.product
    trail.note(
        Event.TRIAL_CONVERTED,
        target=("product", product.pk, product.name),
        product=product.pk,
        before={"enablement": trial.pk, "used_minutes": used},
        after={
            "enablement": following.pk,
            "source": following.source,
            "plan": following.plan.name,
        },
    )


def close_enablement(
    trail: Trail,
    enablement: Enablement,
    *,
    ended_by: str,
    drain_mode: str,
    now: datetime,
    reason: str = "",
) -> None:
    """End an enablement. New connections are refused from now on; `drain_mode` is for open ones.

    The services keep their switch. Notes product.disabled, and bill.changed except for a trial.
    """
    if enablement.is_trial:
        enablement.trial_used_minutes = trial_minutes_used(enablement, now)
    drains = drain_mode == Enablement.DrainMode.DRAIN
    enablement.ends_at = now
    enablement.ended_by = ended_by
    enablement.drain_mode = drain_mode
    enablement.drain_until = now + DRAIN_TIME if drains else None
    enablement.save(
        update_fields=[
            *("ends_at", "ended_by", "drain_mode", "drain_until", "trial_used_minutes")
        ]
    )
    product = enablement.product
    target = ("product", product.pk, product.name)
    trail.note(
        Event.PRODUCT_DISABLED,
        target=target,
        product=product.pk,
        before={"state": "enabled", "enablement": enablement.pk},
        after={
            "state": "disabled",
            "source": enablement.source,
            "drain_mode": drain_mode,
        },
        reason=reason,
    )
    if enablement.is_trial:
        return
    trail.note(
        Event.BILL_CHANGED,
        target=target,
        product=product.pk,
        before=bill_facts(enablement, now),
        after=_no_longer_billed(enablement, now),
    )


def block_ended_trial(
    trail: Trail, trial: Enablement, *, reason: str, now: datetime
) -> None:
    """Refuse new connections of a trial that ended; open ones drain. Notes product.blocked."""
    trial.blocked_at, trial.blocked_reason = now, reason
    trial.save(update_fields=["blocked_at", "blocked_reason"])
    block = Block(BlockedBy.TRIAL, reason)
    _note_block(trail, trial.account_id, trial.product, block)


def block_for_budget(
    trail: Trail, account: Account, product: Product, now: datetime
) -> bool:
    """Refuse new connections of a product, also if it is enabled only later.

    Open connections continue. Tells whether it is new. Notes product.blocked; of a product that is
    disabled it says so, and no one gets a notice until it is enabled.
    """
    _, is_new = BudgetBlock.objects.get_or_create(
        account=account, product=product, defaults={"blocked_at": now}
    )
    if is_new:
        block = Block(BlockedBy.BUDGET, BUDGET_USED_UP)
        _note_block(trail, account.pk, product, block)
    return is_new


def unblock_for_budget(trail: Trail, account: Account, product: Product) -> bool:
    """Let the budget no longer refuse new connections of a product; tell whether it did.

    Notes product.unblocked.
    """
    rows = BudgetBlock.objects.filter(account=account, product=product)
    if not rows.delete()[0]:
        return False
    trail.note(
        Event.PRODUCT_UNBLOCKED,
        target=("product", product.pk, product.name),
        product=product.pk,
        before={"blocked_by": BlockedBy.BUDGET},
        after={"blocked_by": "", "state": _state_of(account.pk, product)},
    )
    return True


def _note_block(trail: Trail, account_id: str, product: Product, block: Block) -> None:
    trail.note(
        Event.PRODUCT_BLOCKED,
        target=("product", product.pk, product.name),
        product=product.pk,
        before={"blocked_by": ""},
        after={
            "blocked_by": block.by,
            "reason": block.reason,
            "state": _state_of(account_id, product),
        },
    )


def _state_of(account_id: str, product: Product) -> str:
    return "disabled" if current(account_id, product.pk) is None else "enabled"


def _no_longer_billed(enablement: Enablement, now: datetime) -> dict[str, object]:
    if enablement.drain_mode == Enablement.DrainMode.KEEP:
        return {"billed": False, "open_connections": enablement.drain_mode}
    until = enablement.drain_until or now
    return {"billed": False, "billed_until": until.isoformat()}


def bill_facts(enablement: Enablement, when: datetime) -> dict[str, object]:
    """Return what the account is billed under an enablement at an instant, for a bill.changed entry.

    Every such entry has this on one side. On the other it has `billed` False and, if the product
    was removed, `billed_until`; or `open_connections` "keep", billed until they close. Entries of
    before may lack keys: packages noted `plan` alone.
    """
    price = price_of(enablement, when)
    return {
        "billed": True,
        "source": enablement.source,
        "plan": price.plan.name if price else enablement.plan.name,
        "price_version": price.pk if price else "",
        "price_number": price.number if price else 0,
        "currency": price.currency if price else "",
    }
