"""What activation would find, as pages show it: one list, with links to what it is about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.urls import reverse

from products.compatibility.findings import Finding, Severity
from products.compatibility.version_config import MissingPart
from products.deploy.checks import Fix, FixPage
from products.deploy.decision import DeployDecision
from products.domains.names import registrable_name
from products.services.kinds import KINDS, Kind
from products.services.kinds.fields import Values
from products.services.models import Version
from products.web.help import rule_url
from products.web.parts import label_of

# The parts whose fields are on the page: by kind and name, what the ids of the fields start with.
Here = Mapping[tuple[str, str], str]
ELSEWHERE: Final[Here] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFinding:
    """What prevents an activation, or is worth knowing before it; `url` is where to fix it."""

    severity: Severity
    message: str
    remedy: str = ""
    rule: str = ""
    url: str = ""
    label: str = ""

    @property
    def help_url(self) -> str:
        """Return the address of the page about its rule; "" if it is about none."""
        return rule_url(self.rule) if self.rule else ""


def shown_findings(
    decision: DeployDecision,
    version: Version,
    *,
    editable: bool,
    here: Here = ELSEWHERE,
) -> list[ShownFinding]:
    """Return all that activation checks of a version: what blocks it comes first."""
    found = [
        *(
            _check_finding(fix, version, editable=editable, here=here)
            for result in decision.failed
            for fix in result.fixes
            if fix.finding is None
        ),
        *_rule_findings(decision.findings, version, editable=editable, here=here),
    ]
    order = list(Severity)
    return sorted(found, key=lambda each: order.index(each.severity))


def shown_conflicts(
    findings: Iterable[Finding], version: Version | None
) -> list[ShownFinding]:
    """Return what prevents a switch, with links to the fields of the service's active version.

    A link to a field of a locked version opens a page that offers to clone the version. Without an
    active version there are no links.
    """
    return _rule_findings(findings, version, editable=True)


def advice_about(
    kind: Kind, name: str, key: str, values: Values, version: Version, here: Here
) -> list[ShownFinding]:
    """Return what a part's kind advises; `key` names the part in paths, and is empty for a new one."""
    return [
        ShownFinding(
            severity=Severity.INFO,
            message=f"{kind.label} {name}: {sentence}",
            url=_field_url(version, kind.segment, key, field, here),
            label=label_of(kind, field),
        )
        for field, sentence in kind.advice(values)
    ]


def link_into(fix: Fix, version: Version, here: Here = ELSEWHERE) -> tuple[str, str]:
    """Return the address and label of the part or field of a draft where a reason is removed."""
    place = [version.service_id, version.number]
    if fix.page is FixPage.ADD_PART:
        return reverse("add_part", args=[*place, fix.name]), f"Add a {fix.name}"
    if fix.page is FixPage.DOMAIN:
        start = here.get(("domain", fix.name))
        if start is not None:
            return f"#{start}name", f"Go to domain {fix.name}"
        url = reverse("edit_part", args=[*place, "domain", fix.name])
        return url, f"Open domain {fix.name}"
    if fix.missing is not None:
        return _reference(fix.missing, version, here)
    return _finding_link(fix.finding, version, here) if fix.finding else ("", "")


def claim_url(domain: str) -> str:
    """Return where a domain can be claimed, with the name filled in."""
    return f"{reverse('domains')}?{urlencode({'claim': registrable_name(domain)})}"


def _check_finding(
    fix: Fix, version: Version, *, editable: bool, here: Here
) -> ShownFinding:
    url = label = ""
    match fix.page:
        case FixPage.DOMAINS:
            url, label = claim_url(fix.name), "Claim it"
        case FixPage.PRODUCTS:
            url, label = reverse("products"), "Open Products"
        case FixPage.SERVICE:
            url = reverse("service", args=[version.service_id])
            label = f"Open {version.service.name}"
        case FixPage.ADD_PART | FixPage.DOMAIN | FixPage.REFERENCE if editable:
            url, label = link_into(fix, version, here)
    return ShownFinding(
        severity=Severity.BLOCKS,
        message=fix.reason,
        remedy=fix.remedy,
        url=url,
        label=label,
    )


def _rule_findings(
    findings: Iterable[Finding],
    version: Version | None,
    *,
    editable: bool,
    here: Here = ELSEWHERE,
) -> list[ShownFinding]:
    return [
        ShownFinding(
            severity=finding.severity,
            message=finding.message,
            remedy=finding.remedy,
            rule=finding.rule,
            url=_url(finding, version, here) if editable and version else "",
            label=_label(finding),
        )
        for finding in findings
    ]


def _part_of(finding: Finding) -> tuple[str, str] | None:
    if finding.backend is not None:
        return "backend", finding.backend
    if finding.header is not None:
        return "header", finding.header
    return None


def _finding_link(finding: Finding, version: Version, here: Here) -> tuple[str, str]:
    return _url(finding, version, here), _label(finding)


def _url(finding: Finding, version: Version, here: Here) -> str:
    part = _part_of(finding)
    if part is None or finding.field is None:
        return ""
    return _field_url(version, *part, finding.field, here)


def _field_url(version: Version, kind: str, key: str, field: str, here: Here) -> str:
    start = here.get((kind, key))
    if start is not None:
        return f"#{start}{field}"
    page = reverse("edit_part", args=[version.service_id, version.number, kind, key])
    # With the field's name in the query, the page opens the section that has the field.
    return f"{page}?field={field}#id_{field}"


def _reference(missing: MissingPart, version: Version, here: Here) -> tuple[str, str]:
    """Return the address and label of the field that names a missing part."""
    part = here.get((missing.kind, missing.part))
    key = missing.part if part is not None else missing.key
    url = _field_url(version, missing.kind, key, missing.field, here)
    return url, f"{label_of(KINDS[missing.kind], missing.field)} of {missing.part}"


def _label(finding: Finding) -> str:
    part = _part_of(finding)
    if part is None or finding.field is None:
        return ""
    return f"{label_of(KINDS[part[0]], finding.field)} of {part[1]}"
