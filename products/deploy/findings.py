"""What the rules find in a version, for the editor: the gate's own answers, asked of nobody."""

from dataclasses import dataclass

from products.compatibility.findings import Problem, Severity
from products.compatibility.rules import all_findings
from products.compatibility.version_config import VersionConfig, uses_websockets
from products.deploy import probes
from products.deploy.decision import WEBSOCKETS
from products.enablement.queries import products_on
from products.services.describe import version_config
from products.services.models import Version


@dataclass(frozen=True, slots=True)
class Findings:
    """All findings of a version, the gravest first; none are asked where it uses no WebSockets."""

    uses_websockets: bool
    problems: tuple[Problem, ...]

    @property
    def blocking(self) -> tuple[Problem, ...]:
        """Return what stands in the way of activation."""
        return tuple(p for p in self.problems if p.severity is Severity.BLOCKS)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Return what is without effect, or should be known."""
        return tuple(p for p in self.problems if p.severity is Severity.WARNING)

    @property
    def notes(self) -> tuple[Problem, ...]:
        """Return what is only to be known."""
        return tuple(p for p in self.problems if p.severity is Severity.INFO)


def findings_of(version: Version, *, instead: VersionConfig | None = None) -> Findings:
    """Return the findings of a version, or of what it would be; dials no origin.

    Of certificates it knows what the last probe within the minute saw.
    """
    config = instead or version_config(version)
    on = products_on(version.service)
    if not uses_websockets(config, WEBSOCKETS in on):
        return Findings(uses_websockets=False, problems=())
    order = list(Severity)
    problems = all_findings(
        config, on | {WEBSOCKETS}, probes.cached_certificates(config)
    )
    return Findings(
        uses_websockets=True,
        problems=tuple(
            sorted(problems, key=lambda problem: order.index(problem.severity))
        ),
    )
