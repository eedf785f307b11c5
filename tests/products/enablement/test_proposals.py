"""With STAFF_TWO_PERSONS one member of staff proposes a change and another approves it."""

import time
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounts.audit.models import AuditEvent
from accounts.audit.vocabulary import Event
from accounts.commands.accounts import (
    AlreadySuspended,
    propose_suspension,
    suspend_account,
)
from accounts.commands.proposals import (
    LIFETIME,
    ApprovalNeeded,
    OwnProposal,
    ProposalClosed,
    approve,
    decline,
)
from accounts.errors import Forbidden, NotFound
from accounts.models import Proposal, User
from products.catalogue.models import PriceVersion
from products.catalogue.prices import NewPrice
from products.catalogue.tiers import PriceTier
from products.enablement.commands import assign_package, change_price
from products.enablement.commands.proposals import propose_package, propose_price
from products.enablement.models import Enablement
from tests.factories import NOW
from tests.factories.accounts import UserFactory, staff_actor
from tests.factories.sessions import confirm
from tests.factories.trail import noted
from tests.products.web.conftest import text_of

LATER = NOW + timedelta(hours=1)


@pytest.fixture(autouse=True)
def two_persons(settings):
    settings.STAFF_TWO_PERSONS = True


@pytest.fixture
def standard_price():
    return NewPrice("USD", "bandwidth", (PriceTier(10, 10**9), PriceTier(None, 10**8)))


def browser(actor):
    """Sign an actor in, who has just re-authenticated."""
    client = Client()
    client.force_login(User.objects.get(pk=actor.user_id))
    confirm(client, actor.user_id, time.time())
    return client


@pytest.fixture
def stu(db):
    return staff_actor(UserFactory.create(name="Stu", is_staff=True))


@pytest.fixture
def proposal(ada, acme):
    return propose_suspension(ada, account=acme, reason="Unpaid.", now=NOW)


def is_active(account):
    account.refresh_from_db()
    return account.is_active


def test_staff_alone_suspend_no_account_assign_no_package_and_publish_no_price(
    ada, acme, package, standard_price
):
    with pytest.raises(ApprovalNeeded):
        suspend_account(ada, account=acme, reason="Unpaid.", now=NOW)
    with pytest.raises(ApprovalNeeded):
        assign_package(ada, account=acme, plan=package, now=NOW)
    with pytest.raises(ApprovalNeeded):
        change_price(
            ada,
            plan=package,
            price=standard_price,
            effective_from=NOW + timedelta(days=40),
            now=NOW,
        )

    assert is_active(acme)
    assert not Enablement.objects.exists()
    assert noted(acme.pk) == []


def test_a_proposal_changes_nothing_until_another_approves_it(ada, acme, stu, proposal):
    before = is_active(acme)

    approve(stu, proposal=proposal, now=LATER)

    entry = AuditEvent.objects.get(action=Event.ACCOUNT_SUSPENDED)
    proposal.refresh_from_db()
    assert (before, is_active(acme)) == (True, False)
    assert entry.actor_id == stu.user_id
    assert entry.actor_label == "Stu, as proposed by Ada"
    assert (proposal.outcome, proposal.decided_by_id) == ("approved", stu.user_id)
    assert noted("platform") == ["approval.requested", "approval.granted"]


def test_no_one_approves_their_own_proposal(ada, acme, proposal):
    with pytest.raises(OwnProposal):
        approve(ada, proposal=proposal, now=LATER)

    assert is_active(acme)
    assert noted("platform") == ["approval.requested"]


@pytest.mark.parametrize("later", [LIFETIME, LIFETIME + timedelta(days=9)])
def test_a_proposal_expires(acme, stu, proposal, later):
    with pytest.raises(ProposalClosed):
        approve(stu, proposal=proposal, now=NOW + later)

    assert is_active(acme)


def test_a_declined_proposal_is_not_approved(acme, stu, proposal):
    decline(stu, proposal=proposal, reason="They paid.", now=LATER)

    with pytest.raises(ProposalClosed):
        approve(stu, proposal=proposal, now=LATER)

    assert is_active(acme)
    assert noted("platform") == ["approval.requested", "approval.refused"]


def test_a_member_of_an_account_decides_nothing(sam, acme, proposal):
    for decide in (approve, lambda *a, **k: decline(*a, reason="No.", **k)):
        with pytest.raises((Forbidden, NotFound)):
            decide(sam, proposal=proposal, now=LATER)

    assert is_active(acme)


def test_the_proposal_of_someone_who_left_the_staff_is_not_carried_out(
    ada, acme, stu, proposal
):
    User.objects.filter(pk=ada.user_id).update(is_staff=False)

    with pytest.raises((Forbidden, NotFound)):
        approve(stu, proposal=proposal, now=LATER)

    assert is_active(acme)
    assert Proposal.objects.get().outcome == ""


def test_a_proposal_that_its_command_refuses_stays_open(acme, stu, proposal, settings):
    settings.STAFF_TWO_PERSONS = False
    suspend_account(stu, account=acme, reason="Again.", now=NOW)

    with pytest.raises(AlreadySuspended):
        approve(stu, proposal=proposal, now=LATER)

    assert Proposal.objects.get().outcome == ""


def test_an_approved_package_is_assigned_and_an_approved_price_published(
    ada, acme, stu, package, standard_price
):
    from_then = NOW + timedelta(days=40)
    proposals = [
        propose_package(ada, account=acme, plan=package, reason="Contract 7.", now=NOW),
        propose_price(
            ada,
            plan=package,
            price=standard_price,
            effective_from=from_then,
            lines=["All: 1 USD"],
            now=NOW,
        ),
    ]

    for proposal in proposals:
        approve(stu, proposal=proposal, now=LATER)

    version = PriceVersion.objects.filter(plan=package).latest("effective_from")
    assert Enablement.objects.get().reason == "Contract 7."
    assert version.effective_from == from_then
    assert version.tiers.count() == len(standard_price.tiers)


def test_the_admin_proposes_and_another_member_of_staff_approves(ada, acme, stu):
    suspend = reverse("admin:accounts_account_suspend", args=[acme.pk])

    browser(ada).post(suspend, {"reason": "Unpaid."})
    proposal = Proposal.objects.get()
    page = reverse("admin:accounts_proposal_change", args=[proposal.pk])
    approving = reverse("admin:accounts_proposal_approve", args=[proposal.pk])
    own = browser(ada).get(page)
    refused = browser(ada).post(approving, {"understood": "on"})
    offered = browser(stu).get(page)
    done = browser(stu).post(approving, {"understood": "on"})

    assert approving.encode() not in own.content
    assert refused.status_code == 400
    assert approving.encode() in offered.content
    assert done.status_code == 303
    assert not is_active(acme)


def test_the_admin_lists_proposals_by_state_and_shows_what_is_approved(
    ada, acme, stu, proposal
):
    page = reverse("admin:accounts_proposal_changelist")
    decline_it = reverse("admin:accounts_proposal_decline", args=[proposal.pk])
    client = browser(stu)

    with time_machine.travel(LATER, tick=False):
        listed = {
            state: text_of(client.get(page, {"state": state}))
            for state in ("open", "approved", "expired")
        }
        approving = client.get(
            reverse("admin:accounts_proposal_approve", args=[proposal.pk])
        )
        own = text_of(browser(ada).get(decline_it))

    assert "Suspend the account Acme" in listed["open"]
    assert "Suspend the account Acme" not in listed["approved"] + listed["expired"]
    assert "Proposed by Ada" in text_of(approving)
    assert "Withdraw: Suspend the account Acme" in own
    assert "members can read" not in own
