"""What a rule of the rulebook finds: a problem, how grave, and how to mend it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from products.compatibility.version_config import OriginCertificate, VersionConfig


class Severity(StrEnum):
    """Whether a finding stands in the way of a deployment."""

    BLOCKS = "blocks"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place where a rule is not met, in the rule's own words."""

    message: str
    fix: str
    backend: str | None = None
    header: str | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A finding together with what is true of every finding of its rule."""

    code: str
    severity: Severity
    rule: str
    source: str
    message: str
    fix: str
    backend: str | None = None
    header: str | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class RuleInput:
    """All that a rule may look at."""

    config: VersionConfig
    products: frozenset[str]
    certificates: tuple[OriginCertificate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: its number in the rulebook, its weight, its source, and its question."""

    code: str
    severity: Severity
    number: str
    source: str
    find: Callable[[RuleInput], Iterable[Finding]]

    def problems(self, situation: RuleInput) -> tuple[Problem, ...]:
        """Ask the rule."""
        return tuple(self._problem(finding) for finding in self.find(situation))

    def _problem(self, finding: Finding) -> Problem:
        return Problem(
            code=self.code,
            severity=self.severity,
            rule=self.number,
            source=self.source,
            message=finding.message,
            fix=finding.fix,
            backend=finding.backend,
            header=finding.header,
            field=finding.field,
        )
