"""Fault 15: a version is activated while the product is disabled for the account."""

import random
import time
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest

from accounts.audit.models import AuditEvent
from products.deploy.commands import DeploymentBlocked, activate, deactivate
from products.deploy.decision import decide_deployment
from products.enablement.commands import disable, enable_for_service
from tests.concurrency import together
from tests.factories import NOW
from tests.factories.enablement import entitle

LATER = NOW + timedelta(hours=1)
STEPS = (
    "product.enabled",
    "product.disabled",
    "version.activated",
    "deployment.refused",
)
LONGEST_START_SECONDS = 0.03


@pytest.fixture
def committed(transactional_db, sam, eve, acme, echo, draft, websockets):
    """Return a function that prepares a round: WebSockets is on, and the draft is not active."""

    def prepare():
        entitle(sam, acme, websockets)
        enable_for_service(eve, service=echo, product=websockets, now=NOW)

    return prepare


def after(seconds, call):
    time.sleep(seconds)
    return call()


def steps_since(account, sequence):
    rows = AuditEvent.objects.filter(
        account_id=account.pk, sequence__gt=sequence, action__in=STEPS
    )
    return tuple(rows.order_by("sequence").values_list("action", flat=True))


@pytest.mark.parametrize(
    ("seed", "rounds"),
    [(1, 15), pytest.param(None, 10_000, marks=pytest.mark.nightly)],
)
def test_no_schedule_ends_in_an_active_version_that_nothing_says_is_not_entitled(
    committed, sam, eve, acme, draft, websockets, note_figures, seed, rounds
):
    seed = seed if seed is not None else random.randrange(10**9)
    note_figures(f"seed {seed}")
    chance = random.Random(seed)
    activating = partial(activate, eve, version=draft, now=LATER)
    disabling = partial(
        disable, sam, account=acme, product=websockets, drain_mode="cut", now=LATER
    )
    seen: Counter[tuple[str, ...]] = Counter()

    for _ in range(rounds):
        committed()
        last = AuditEvent.objects.filter(account_id=acme.pk).count()
        starts = [chance.uniform(0, LONGEST_START_SECONDS) for _ in range(2)]
        activated, disabled = together(
            partial(after, starts[0], activating), partial(after, starts[1], disabling)
        )

        assert not isinstance(disabled, Exception), disabled
        draft.refresh_from_db()
        steps = steps_since(acme, last)
        seen[steps] += 1
        if draft.active:
            assert steps == ("version.activated", "product.disabled")
            failed = decide_deployment(eve, version=draft).failed
            assert "product_enabled" in [check.code for check in failed]
            deactivate(eve, version=draft, now=LATER)
        else:
            assert isinstance(activated, DeploymentBlocked), activated
            # The fourth of equal refusals within an hour has no entry.
            assert steps[:1] == ("product.disabled",)
            assert steps[1:] in [("deployment.refused",), ()]

    note_figures(
        ", ".join(f"{count} {steps[0]} first" for steps, count in seen.items())
    )
    assert sum(seen.values()) == rounds
