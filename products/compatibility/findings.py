"""What a compatibility rule reports: a finding, its severity, and how to fix it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

SOURCE = "https://docs.fastly.com/products/websockets"  # edition of 2025-11-04


class Severity(StrEnum):
    """Whether a finding prevents a deployment."""

    BLOCKS = "blocks"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place where a rule applies: what it is about, and the remedy.

    `backend` or `header` names the part and `field` its setting, as the API calls it.
    """

    code: str
    severity: Severity
    rule: str  # its number in the rulebook
    source: str
    message: str
    remedy: str
    backend: str | None = None
    header: str | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What is the same for every finding of one rule."""

    code: str
    severity: Severity
    number: str

    def finding(
        self,
        message: str,
        remedy: str,
        *,
        backend: str | None = None,
        header: str | None = None,
        field: str | None = None,
    ) -> Finding:
        """Return a finding of this rule."""
        return Finding(
            code=self.code,
            severity=self.severity,
            rule=self.number,
            source=SOURCE,
            message=message,
            remedy=remedy,
            backend=backend,
            header=header,
            field=field,
        )


def blockers(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that prevent a deployment."""
    return tuple(each for each in findings if each.severity is Severity.BLOCKS)
