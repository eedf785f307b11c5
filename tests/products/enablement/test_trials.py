"""Trials (R18): once per account and product, with an end and a cap, and a purchase afterwards."""

from datetime import timedelta

import pytest
from django.db import IntegrityError

from accounts.audit.models import AuditEvent
from accounts.commands.notices import make_notices
from accounts.errors import Conflict, Forbidden, Invalid, NotFound
from accounts.models import OutgoingMail
from products.billing.queries.terms import terms_of
from products.catalogue.commands import add_plan
from products.catalogue.models import Plan, Product
from products.deploy.commands import activate
from products.deploy.routes import routes_of
from products.enablement.agreements import text_hash
from products.enablement.commands import (
    Agreement,
    assign_package,
    check_trials,
    disable,
    enable,
    enable_for_service,
    end_trial,
    request_product,
    start_trial,
)
from products.enablement.commands.account import NotAgreed
from products.enablement.commands.trials import TrialChanged
from products.enablement.models import DRAIN_TIME, Enablement
from products.enablement.queries import assignable_plans, state_of
from products.enablement.refusals import AlreadyEnabled, NoTrial, TrialUsed
from products.months import Month
from tests.concurrency import together
from tests.factories import NOW
from tests.factories.enablement import block_by_budget, entitle
from tests.factories.services import ServiceFactory
from tests.factories.trail import noted
from tests.factories.usage import connection_usage
from tests.factories.world import CATALOGUE, agreed, agreed_to_trial, load_catalogue

DAYS, CAP = 14, 1_000
END = NOW + timedelta(days=DAYS)
MONTH = str(Month.at(NOW, "UTC"))


def offer(product, *, days=DAYS, minutes=CAP):
    return add_plan(
        CATALOGUE,
        product=product,
        kind="trial",
        name="WebSockets trial",
        trial_days=days,
        trial_minutes=minutes,
        now=NOW,
    )


@pytest.fixture
def offered(websockets):
    """Return the plan of a trial of WebSockets."""
    return offer(websockets)


def begin(actor, account, product, *, now=NOW):
    return start_trial(
        actor,
        account=account,
        product=product,
        agreement=agreed_to_trial(account, product),
        now=now,
    )


@pytest.fixture
def trial(sam, acme, websockets, offered):
    """Return Acme's trial of WebSockets, started by Sam."""
    return begin(sam, acme, websockets)


def use(acme, minutes, *, at=NOW):
    service = ServiceFactory.create(account=acme)
    connection_usage(service, at, minutes, month=MONTH)


def checked(acme, now):
    """Run the sweep, and return the events that it noted."""
    before = noted(acme.pk)
    check_trials(now)
    return noted(acme.pk)[len(before) :]


def test_a_superuser_starts_a_trial_and_the_exact_agreement_is_kept(acme, trial, sam):
    assert trial.agreed_text == (
        f"I understand that the trial of WebSockets for Acme ({acme.pk}) ends 14 days after it "
        "starts, or once 1,000 connection minutes are used. Until then WebSockets is free; "
        "bandwidth counts as delivery traffic. When the trial ends, new connections are refused "
        "and open ones are closed after 60 seconds; nothing is purchased unless a superuser does "
        "it. The account can try WebSockets once."
    )
    assert trial.agreed_text_hash == text_hash(trial.agreed_text)
    assert (trial.started_by, trial.trial_ends_at, trial.trial_minutes) == (
        sam.label,
        END,
        CAP,
    )
    assert noted(acme.pk) == ["trial.started", "product.enabled"]


@pytest.mark.parametrize(
    ("who", "error"),
    [("eve", Forbidden), ("bo", Forbidden), ("ada", Forbidden), ("stan", NotFound)],
)
def test_no_other_role_starts_a_trial(request, who, error, acme, websockets, offered):
    with pytest.raises(error):
        begin(request.getfixturevalue(who), acme, websockets)

    assert not Enablement.objects.exists()


@pytest.mark.parametrize(
    ("text", "error"), [("", NotAgreed), ("Another text.", TrialChanged)]
)
def test_a_trial_needs_the_agreement_to_its_text(
    sam, acme, websockets, offered, text, error
):
    with pytest.raises(error):
        start_trial(
            sam,
            account=acme,
            product=websockets,
            agreement=Agreement.to(text),
            now=NOW,
        )


def test_a_product_without_a_trial_and_one_that_is_enabled_cannot_be_tried(
    sam, acme, websockets
):
    agreement = Agreement.to("Any text.")
    with pytest.raises(NoTrial):
        start_trial(sam, account=acme, product=websockets, agreement=agreement, now=NOW)
    offer(websockets)
    entitle(sam, acme, websockets)
    with pytest.raises(AlreadyEnabled):
        begin(sam, acme, websockets)


def test_an_account_tries_a_product_once_for_ever(sam, acme, websockets, trial):
    with pytest.raises(TrialUsed, match="Sam started the trial of WebSockets on"):
        begin(sam, acme, websockets)
    disable(sam, account=acme, product=websockets, drain_mode="cut", now=NOW)
    with pytest.raises(TrialUsed):
        begin(sam, acme, websockets)


def test_a_product_on_trial_can_be_requested(una, acme, websockets, trial):
    asked = request_product(una, account=acme, product=websockets, now=NOW)

    assert asked.state == "open"


def test_connections_of_a_trial_cannot_continue_after_it(sam, acme, websockets, trial):
    with pytest.raises(Invalid) as refused:
        disable(sam, account=acme, product=websockets, drain_mode="keep", now=NOW)

    assert refused.value.field == "drain_mode"


def test_the_database_refuses_a_second_trial(trial):
    trial.ends_at = NOW
    trial.save()
    trial.pk = "another"
    with pytest.raises(IntegrityError):
        trial.save(force_insert=True)


@pytest.mark.django_db(transaction=True)
def test_of_two_starts_at_the_same_time_one_counts(sam, acme):
    load_catalogue()
    websockets = Product.objects.get(pk="websockets")
    offer(websockets)

    outcomes = together(*[lambda: begin(sam, acme, websockets)] * 2)

    assert sorted(isinstance(each, TrialUsed) for each in outcomes) == [False, True]
    assert noted(acme.pk).count("trial.started") == 1


def test_three_days_before_the_end_there_is_one_notice(acme, bo, trial):
    assert checked(acme, END - timedelta(days=3, seconds=1)) == []
    assert checked(acme, END - timedelta(days=3)) == ["trial.ending"]
    assert checked(acme, END - timedelta(days=2)) == []
    make_notices(now=NOW)
    subjects = OutgoingMail.objects.filter(to="bo@example.com")
    assert any("The trial of WebSockets ends on" in each.subject for each in subjects)


@pytest.mark.parametrize(
    ("minutes", "at", "reason"),
    [
        (0, END, "Its time is over."),
        (CAP, NOW + timedelta(days=1), "Its 1,000 minutes are used."),
    ],
)
def test_the_sweep_ends_a_trial_at_its_end_or_cap(acme, trial, minutes, at, reason):
    if minutes:
        use(acme, minutes)
    acme.refresh_from_db()
    revision = acme.routes_revision

    assert checked(acme, at) == ["trial.ended", "product.blocked"]

    trial.refresh_from_db()
    acme.refresh_from_db()
    assert (trial.blocked_at, trial.ends_at) == (at, None)
    assert reason in trial.blocked_reason
    assert (trial.drain_mode, trial.drain_until) == ("drain", at + DRAIN_TIME)
    assert (trial.trial_used_minutes, trial.trial_ended_at) == (minutes, at)
    assert acme.routes_revision == revision + 1
    assert checked(acme, at + timedelta(days=1)) == []


def test_a_trial_below_its_cap_and_one_without_a_cap_continue(
    sam, acme, websockets, globex, stan, offered
):
    begin(sam, acme, websockets)
    use(acme, CAP - 1)
    Plan.objects.filter(pk=offered.pk).update(trial_minutes=None)
    begin(stan, globex, websockets)
    use(globex, CAP * 9)

    assert checked(acme, NOW + timedelta(days=2)) == []
    assert "trial.ended" not in noted(globex.pk)


def test_usage_before_the_trial_does_not_count(acme, trial):
    use(acme, 2 * CAP, at=NOW - timedelta(minutes=2 * CAP))

    assert checked(acme, NOW + timedelta(minutes=1)) == []


def test_a_trial_that_a_budget_blocks_ends_too(acme, trial):
    block_by_budget(acme)

    assert checked(acme, END) == ["trial.ended", "product.blocked"]
    assert state_of(acme, trial.product, END).block.by == "trial"


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_the_same_time_end_a_trial_once(sam, acme):
    load_catalogue()
    websockets = Product.objects.get(pk="websockets")
    offer(websockets)
    begin(sam, acme, websockets)

    outcomes = together(*[lambda: check_trials(END)] * 3)

    assert not any(isinstance(each, Exception) for each in outcomes)
    assert noted(acme.pk).count("trial.ended") == 1
    assert noted(acme.pk).count("product.blocked") == 1


@pytest.mark.parametrize("ended", [False, True])
def test_a_purchase_replaces_a_running_or_ended_trial(
    sam, acme, websockets, trial, ended
):
    use(acme, 30)
    if ended:
        check_trials(END)
    at = END + timedelta(days=1) if ended else NOW + timedelta(days=1)
    before = len(noted(acme.pk))

    bought = enable(
        sam,
        account=acme,
        product=websockets,
        agreement=agreed(acme, websockets),
        now=at,
    )

    trial.refresh_from_db()
    assert (trial.ends_at, trial.ended_by) == (at, sam.label)
    assert trial.trial_ended_at == (END if ended else at)
    assert trial.trial_used_minutes == 30
    assert bought.source == "direct"
    assert state_of(acme, websockets, at).block is None
    assert noted(acme.pk)[before:] == [
        "trial.converted",
        "product.enabled",
        "bill.changed",
    ]
    enabled = AuditEvent.objects.filter(action="product.enabled").latest("sequence")
    assert enabled.body["before"] == {"state": "trial"}
    assert state_of(acme, websockets, at).trial == trial


def test_staff_assign_a_package_in_place_of_a_trial(ada, acme, websockets, trial):
    plan = Plan.objects.get(product=websockets, kind="package")
    assert plan in assignable_plans(acme)

    assign_package(ada, account=acme, plan=plan, now=NOW + timedelta(days=1))

    assert "trial.converted" in noted(acme.pk)


def test_minutes_of_a_trial_are_free_and_those_after_a_purchase_are_billed(
    sam, acme, websockets, trial
):
    at = NOW + timedelta(days=1)
    enable(
        sam,
        account=acme,
        product=websockets,
        agreement=agreed(acme, websockets),
        now=at,
    )

    segments = terms_of(acme, Month.at(NOW, "UTC")).segments

    mine = [each for each in segments if each.product == "websockets"]
    assert [(each.is_trial, each.starts_at, each.ends_at) for each in mine] == [
        (True, NOW, at),
        (False, at, Month.at(NOW, "UTC").ends_at("UTC")),
    ]


def test_an_ended_trial_refuses_new_connections_and_drains_open_ones(
    eve, acme, echo, draft, websockets, trial
):
    activate(eve, version=draft, now=NOW)
    enable_for_service(eve, service=echo, product=websockets, now=NOW)
    [route] = routes_of([acme.pk], NOW)[acme.pk]
    assert route.websockets

    check_trials(END)

    [route] = routes_of([acme.pk], END)[acme.pk]
    assert (route.websockets, route.drain_mode) == (False, "drain")
    assert route.drain_until == END + DRAIN_TIME


@pytest.mark.parametrize(
    ("kind", "fields", "field"),
    [
        ("trial", {}, "trial_days"),
        ("trial", {"trial_days": 0}, "trial_days"),
        ("trial", {"trial_days": 367}, "trial_days"),
        ("trial", {"trial_days": 1, "trial_minutes": 0}, "trial_minutes"),
        ("package", {"trial_days": 1}, "kind"),
        ("direct", {"trial_minutes": 1}, "kind"),
    ],
)
def test_only_a_trial_has_days_and_a_cap(websockets, kind, fields, field):
    with pytest.raises(Invalid) as refused:
        add_plan(
            CATALOGUE, product=websockets, kind=kind, name="New", now=NOW, **fields
        )

    assert refused.value.field == field


def test_a_product_has_one_trial(websockets, offered):
    with pytest.raises(Conflict, match="already has a trial"):
        add_plan(
            CATALOGUE,
            product=websockets,
            kind="trial",
            name="Another",
            trial_days=1,
            now=NOW,
        )


def test_staff_end_a_trial_with_a_reason_that_the_account_reads(
    sam, ada, acme, websockets, offered
):
    trial = start_trial(
        sam,
        account=acme,
        product=websockets,
        agreement=agreed_to_trial(acme, websockets),
        now=NOW,
    )
    with pytest.raises(Invalid):
        end_trial(ada, account=acme, product=websockets, reason=" ", now=NOW)

    end_trial(ada, account=acme, product=websockets, reason="Abuse.", now=NOW)

    trial.refresh_from_db()
    assert (trial.blocked_at, trial.drain_mode) == (NOW, "drain")
    assert trial.trial_ended_at == NOW
    make_notices(now=NOW)
    bodies = OutgoingMail.objects.values_list("body", flat=True)
    assert any("ended the trial of WebSockets: Abuse." in body for body in bodies)
    with pytest.raises(NoTrial):
        end_trial(ada, account=acme, product=websockets, reason="Abuse.", now=NOW)
