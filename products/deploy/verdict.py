"""What the gates look at and what they answer."""

from dataclasses import dataclass
from enum import StrEnum

from accounts.actor import Actor
from accounts.policy import AccountAccess, Decision
from products.compatibility.findings import Problem
from products.compatibility.version_config import VersionConfig


class CheckOutcome(StrEnum):
    """What a gate answers."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """One gate's answer; of a failed one, what would make it pass and who can do that."""

    number: int
    code: str
    title: str
    state: CheckOutcome
    reason: str
    remedy: str = ""
    who: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The whole decision: allowed only where no gate failed."""

    allowed: bool
    uses_websockets: bool
    gates: tuple[GateAnswer, ...]
    warnings: tuple[Problem, ...]
    sees_configuration: bool = (
        True  # False: the last gates are not shown to this person
    )

    @property
    def failed(self) -> tuple[GateAnswer, ...]:
        """Return the gates that stand in the way."""
        return tuple(gate for gate in self.gates if gate.state is CheckOutcome.FAILED)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return one sentence for each failed gate."""
        return tuple(gate.reason for gate in self.failed)


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """What the account has of the product: on or off, and whether it was stopped (gates 2, 3)."""

    is_on: bool
    blocked_reason: str = ""


@dataclass(frozen=True, slots=True)
class DeployFacts:
    """All that the gates look at, as read from the database at one moment."""

    actor: Actor
    account_name: str
    suspended: bool
    suspension_reason: str
    here: AccountAccess
    answers: tuple[Decision, ...]  # of the policy, to deploying the service
    product: ProductFacts
    switched_on: bool
    uses_websockets: bool
    problems: tuple[Problem, ...]  # what the rules find, where they are asked
    config: VersionConfig
    service_id: str
    active: bool
    taken_domains: tuple[str, ...]
    superusers: tuple[str, ...] = ()  # read only where something failed
    configurers: tuple[str, ...] = ()
