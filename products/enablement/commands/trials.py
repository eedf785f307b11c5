"""Start a trial, once per account and product (R18); the sweep gives notice of its end and ends it."""

import logging
from datetime import datetime, timedelta

from django.db import DatabaseError

from accounts.actor import Actor
from accounts.audit.vocabulary import Event
from accounts.change import Trail, Unchanged, recorded_change
from accounts.commands.reasons import clean_reason
from accounts.errors import Conflict, RefusalError
from accounts.models import Account
from accounts.roles import Permission
from products.catalogue.models import Plan, Product
from products.catalogue.queries import trial_plans
from products.enablement.agreements import trial_terms
from products.enablement.commands.account import Agreement, NotAgreed
from products.enablement.commands.enablements import block_ended_trial, open_enablement
from products.enablement.models import DRAIN_TIME, TRIAL_NOTICE, Enablement
from products.enablement.queries import (
    current,
    running_trials,
    trial_minutes_used,
    trial_of,
)
from products.enablement.refusals import NoTrial, trial_refusal

logger = logging.getLogger(__name__)
JOB = Actor.system("end-trials")


class TrialChanged(Conflict):
    """The text agreed to names another trial than that of now; the page shows the new one."""

    code = "trial_changed"
    field = "agree"

    def __init__(self) -> None:
        super().__init__(
            "The trial changed after you reviewed it. Review it again and confirm."
        )


def start_trial(
    actor: Actor,
    *,
    account: Account,
    product: Product,
    agreement: Agreement,
    now: datetime,
) -> Enablement:
    """Start the trial of a product for an account, and keep what was agreed to.

    Raises Forbidden unless the actor is a superuser of the account; TrialUsed, AlreadyEnabled,
    NoTrial, NotAgreed, TrialChanged. Notes trial.started and product.enabled.
    """
    with recorded_change(
        actor,
        Permission.PRODUCT_ENABLE,
        on=account,
        now=now,
        lock=Plan.objects.filter(product=product),
    ) as trail:
        plan = trial_plans(product.pk).get(product.pk)
        if refusal := trial_refusal(
            product,
            enablement=current(account.pk, product.pk),
            trial=trial_of(account.pk, product.pk),
            plan=plan,
        ):
            raise refusal
        assert plan is not None  # noqa: S101 - else it is refused
        terms = trial_terms(account, plan, now=trail.now, locale=agreement.locale)
        if not agreement.text_hash:
            raise NotAgreed("Confirm how the trial ends.", field="agree")
        if agreement.text_hash != terms.text_hash:
            raise TrialChanged
        trial = Enablement(
            account=account,
            product=product,
            plan=plan,
            source=Enablement.Source.TRIAL,
            starts_at=trail.now,
            started_by=actor.words,
            trial_ends_at=trail.now + timedelta(days=plan.trial_days or 0),
            trial_minutes=plan.trial_minutes,
        )
        trail.note(
            Event.TRIAL_STARTED,
            target=("product", product.pk, product.name),
            product=product.pk,
            after=_facts(trial),
            agreed_text_hash=agreement.text_hash,
        )
        open_enablement(trail, terms.keep(trial))
    return trial


def end_trial(
    actor: Actor, *, account: Account, product: Product, reason: str, now: datetime
) -> Enablement:
    """End an account's running trial before its time; what follows is as at its end.

    Raises Forbidden unless the actor is staff; NoTrial unless a trial runs; Invalid without a
    reason. Notes trial.ended, of which those who see costs get a notice, and product.blocked.
    """
    reason = clean_reason(reason)
    with recorded_change(
        actor, Permission.PACKAGE_ASSIGN, on=account, now=now
    ) as trail:
        rows = running_trials().filter(account=account, product=product)
        trial = rows.select_related("product").select_for_update(of=("self",)).first()
        if trial is None:
            raise NoTrial(f"{account.name} has no running trial of {product.name}.")
        used = trial_minutes_used(trial, trail.now)
        _end(trail, trial, used, "Tollgate ended it.", trail.now, note=reason)
    return trial


def check_trials(now: datetime) -> int:
    """Check the running trials of every account; return of how many accounts."""
    done = 0
    accounts = Account.objects.filter(pk__in=running_trials().values("account"))
    for account in accounts.order_by("pk"):
        try:
            check_account_trials(JOB, account=account, now=now)
            done += 1
        except (RefusalError, DatabaseError):
            logger.exception(
                "The trials of an account could not be checked.",
                extra={"account_id": account.pk},
            )
    return done


def check_account_trials(actor: Actor, *, account: Account, now: datetime) -> None:
    """End the account's trials at their end or cap, and give notice of those that end soon, once.

    New connections are refused from then on; open ones drain. Raises Forbidden. Notes trial.ended
    and product.blocked, or trial.ending.
    """
    with recorded_change(actor, Permission.TRIAL_END, on=account, now=now) as trail:
        trials = running_trials().filter(account=account).select_related("product")
        changed = [
            _check(trail, trial, trail.now)
            for trial in trials.select_for_update(of=("self",)).order_by("pk")
        ]
        if not any(changed):
            raise Unchanged


def _check(trail: Trail, trial: Enablement, now: datetime) -> bool:
    """End a trial or give notice of its end, if it is time; tell whether anything changed."""
    assert trial.trial_ends_at is not None  # noqa: S101 - a constraint says so
    used = trial_minutes_used(trial, now)
    if now >= trial.trial_ends_at:
        _end(trail, trial, used, "Its time is over.", now)
    elif trial.trial_minutes is not None and (used or 0) >= trial.trial_minutes:
        _end(trail, trial, used, f"Its {trial.trial_minutes:,} minutes are used.", now)
    elif trial.trial_warned_at is None and now >= trial.trial_ends_at - TRIAL_NOTICE:
        trial.trial_warned_at = now
        trial.save(update_fields=["trial_warned_at"])
        trail.note(
            Event.TRIAL_ENDING,
            target=("product", trial.product.pk, trial.product.name),
            product=trial.product.pk,
            after=_facts(trial),
        )
    else:
        return False
    return True


def _end(
    trail: Trail,
    trial: Enablement,
    used: int | None,
    reason: str,
    now: datetime,
    *,
    note: str = "",
) -> None:
    product = trial.product
    trial.trial_used_minutes = used
    trial.drain_mode = Enablement.DrainMode.DRAIN
    trial.drain_until = now + DRAIN_TIME
    trial.save(update_fields=["trial_used_minutes", "drain_mode", "drain_until"])
    trail.note(
        Event.TRIAL_ENDED,
        target=("product", product.pk, product.name),
        product=product.pk,
        before=_facts(trial),
        after={"reason": reason, "used_minutes": used},
        reason=note,
    )
    block_ended_trial(
        trail,
        trial,
        reason=f"The trial ended. {reason} A superuser can purchase {product.name}.",
        now=now,
    )


def _facts(trial: Enablement) -> dict[str, object]:
    assert trial.trial_ends_at is not None  # noqa: S101 - a constraint says so
    return {
        "enablement": trial.pk,
        "ends_at": trial.trial_ends_at.isoformat(),
        "cap_minutes": trial.trial_minutes,
    }
