"""Changes of staff that need two persons: one proposes, another approves, and it is carried out.

With `STAFF_TWO_PERSONS` the commands in question refuse an actor who has no approval. What a
proposal carries out is registered by its kind; its arguments are plain values.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from django.conf import settings

from accounts import policy
from accounts.actor import Actor, ActorType
from accounts.audit.vocabulary import Event
from accounts.authentication import staff_actor
from accounts.change import recorded_change
from accounts.commands.reasons import clean_reason
from accounts.errors import Conflict
from accounts.models import Account, Proposal
from accounts.policy import PLATFORM
from accounts.roles import Permission

LIFETIME: Final = timedelta(days=3)


class ProposalKind(StrEnum):
    """What can be proposed."""

    SUSPEND_ACCOUNT = "suspend_account"
    ASSIGN_PACKAGE = "assign_package"
    PUBLISH_PRICE = "publish_price"


# What carries out a proposal: the actor, the arguments and the time.
CarryOut = Callable[[Actor, Mapping[str, Any], datetime], None]
_CARRY_OUT: dict[ProposalKind, CarryOut] = {}


class ApprovalNeeded(Conflict):
    """The change needs the approval of a second member of staff."""

    code = "approval_needed"


class ProposalClosed(Conflict):
    """The proposal was decided, or has expired."""

    code = "proposal_closed"


class OwnProposal(Conflict):
    """Members of staff can't approve what they proposed themselves."""

    code = "own_proposal"


@dataclass(frozen=True, slots=True)
class ProposedChange:
    """A change to propose; `summary` is what the second person reads, also over several lines."""

    kind: ProposalKind
    summary: str
    arguments: Mapping[str, Any]
    account: Account | None = None


def register(kind: ProposalKind, carry_out: CarryOut) -> None:
    """Say what carries out the proposals of a kind."""
    _CARRY_OUT[kind] = carry_out


def needs_approval() -> bool:
    """Tell whether the operator wants two persons for these changes."""
    return bool(settings.STAFF_TWO_PERSONS)


def require_approval(staff: Actor) -> None:
    """Refuse an actor of the staff who has no second person. Raises ApprovalNeeded."""
    is_staff = staff.type is ActorType.STAFF
    if needs_approval() and is_staff and not staff.second_person:
        raise ApprovalNeeded("This needs the approval of a second member of staff.")


def propose(
    actor: Actor, *, change: ProposedChange, reason: str = "", now: datetime
) -> Proposal:
    """Propose a change to the other members of staff; nothing is changed yet.

    Raises Forbidden, and Invalid for too long a reason. Notes approval.requested for the platform.
    """
    reason = clean_reason(reason, required=False)
    with recorded_change(
        actor, Permission.PROPOSAL_DECIDE, on=PLATFORM, now=now
    ) as trail:
        proposal = Proposal.objects.create(
            kind=change.kind,
            summary=change.summary,
            arguments=dict(change.arguments),
            account=change.account,
            reason=reason,
            proposed_by_id=actor.user_id,
            proposed_at=trail.now,
            expires_at=trail.now + LIFETIME,
        )
        trail.note(
            Event.APPROVAL_REQUESTED,
            target=_target(proposal),
            after={"expires_at": proposal.expires_at.isoformat()},
            reason=reason,
        )
    return proposal


def proposed(proposal: Proposal) -> str:
    """Return what the person who proposed it is shown."""
    return (
        f"Proposed: {proposal.title}. Another member of staff has to approve it until "
        f"{proposal.expires_at:%Y-%m-%d %H:%M} UTC. Nothing was changed yet."
    )


def approve(actor: Actor, *, proposal: Proposal, now: datetime) -> None:
    """Carry out a proposed change as the actor together with its proposer.

    Both must be staff now. If the command refuses, the proposal stays open. Raises Forbidden,
    OwnProposal, ProposalClosed, and what the command raises. Notes what the command notes, and
    approval.granted for the platform.
    """
    policy.require(actor, Permission.PROPOSAL_DECIDE, PLATFORM)
    row = _open(proposal, now)
    if actor.user_id == row.proposed_by_id:
        raise OwnProposal("Another member of staff has to approve it.")
    proposer = staff_actor(row.proposed_by, actor.context)
    policy.require(proposer, Permission.PROPOSAL_DECIDE, PLATFORM)
    both = replace(
        actor,
        label=f"{actor.label}, as proposed by {proposer.label}",
        second_person=proposer.user_id,
    )
    _CARRY_OUT[ProposalKind(row.kind)](both, row.arguments, now)
    _decide(actor, row, Proposal.Outcome.APPROVED, Event.APPROVAL_GRANTED, "", now)


def decline(actor: Actor, *, proposal: Proposal, reason: str, now: datetime) -> None:
    """Decline a proposal, or withdraw one's own; nothing is changed.

    Raises Forbidden, Invalid without a reason, ProposalClosed. Notes approval.refused.
    """
    reason = clean_reason(reason)
    policy.require(actor, Permission.PROPOSAL_DECIDE, PLATFORM)
    row = _open(proposal, now)
    _decide(actor, row, Proposal.Outcome.DECLINED, Event.APPROVAL_REFUSED, reason, now)


def _open(proposal: Proposal, now: datetime) -> Proposal:
    row = Proposal.objects.select_related("proposed_by").get(pk=proposal.pk)
    if not row.is_open(now):
        raise ProposalClosed("This proposal was decided already, or has expired.")
    return row


def _decide(
    actor: Actor,
    row: Proposal,
    outcome: "Proposal.Outcome",
    event: Event,
    reason: str,
    now: datetime,
) -> None:
    with recorded_change(
        actor, Permission.PROPOSAL_DECIDE, on=PLATFORM, now=now
    ) as trail:
        decided = Proposal.objects.filter(pk=row.pk, outcome="").update(
            outcome=outcome,
            decided_by_id=actor.user_id,
            decided_at=trail.now,
            decision_reason=reason,
        )
        if not decided:
            raise ProposalClosed("Someone else decided this proposal meanwhile.")
        trail.note(
            event,
            target=_target(row),
            after={"proposed_by": row.proposed_by_id},
            reason=reason,
        )


def _target(proposal: Proposal) -> tuple[str, str, str]:
    return ("proposal", proposal.pk, proposal.title)
