"""Links from findings to where they are fixed."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from products.compatibility.findings import Finding
from products.domains.names import registrable_name
from products.services.kinds import KINDS
from products.services.models import Version
from products.web.help import rule_url
from products.web.parts import label_of

# How the template calls a severity.
SEVERITY_WORDS = {"blocks": "blocks", "warning": "warning", "info": "note"}


@dataclass(frozen=True, slots=True)
class LinkedFinding:
    """A finding with the URL of its field; empty if there is nothing to edit."""

    finding: Finding
    severity: str
    url: str
    label: str

    @property
    def help_url(self) -> str:
        """Return the address of the page about its rule."""
        return rule_url(self.finding.rule)


def linked_findings(
    findings: Iterable[Finding],
    version: Version,
    *,
    editable: bool,
    here: tuple[str, str] | None = None,
) -> list[LinkedFinding]:
    """Return findings with their links; `here` is the kind and name of the part on the page."""
    return [
        LinkedFinding(
            finding,
            SEVERITY_WORDS[finding.severity],
            _url(finding, version, here) if editable else "",
            _label(finding),
        )
        for finding in findings
    ]


def claim_url(domain: str) -> str:
    """Return where a domain can be claimed, with the name filled in."""
    return f"{reverse('domains')}?{urlencode({'claim': registrable_name(domain)})}"


def _part_of(finding: Finding) -> tuple[str, str] | None:
    if finding.backend is not None:
        return "backend", finding.backend
    if finding.header is not None:
        return "header", finding.header
    return None


def _url(finding: Finding, version: Version, here: tuple[str, str] | None) -> str:
    part = _part_of(finding)
    if part is None or finding.field is None:
        return ""
    anchor = f"#id_{finding.field}"
    if part == here:
        return anchor
    page = reverse("edit_part", args=[version.service_id, version.number, *part])
    # With the field's name in the query, the page opens the section that has the field.
    return f"{page}?field={finding.field}{anchor}"


def _label(finding: Finding) -> str:
    part = _part_of(finding)
    if part is None or finding.field is None:
        return ""
    return f"{label_of(KINDS[part[0]], finding.field)} of {part[1]}"
