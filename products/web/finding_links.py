"""Where on the pages of a version a finding points: the form field that it is about."""

from dataclasses import dataclass

from django.urls import reverse

from products.compatibility.findings import Problem
from products.deploy.findings import Findings
from products.services.models import Version
from products.web.parts import label_of

# How the finding's part of a page says how grave it is.
SEVERITY_WORDS = {"blocks": "blocks", "warning": "warning", "info": "note"}


@dataclass(frozen=True, slots=True)
class LinkedFinding:
    """A finding with the way to its field; no way where there is nothing to edit."""

    problem: Problem
    severity: str
    url: str
    label: str


def pointed(
    findings: Findings,
    version: Version,
    *,
    editable: bool,
    here: tuple[str, str] | None = None,
) -> list[LinkedFinding]:
    """Return the findings with their links; `here` is the kind and name of the part on the page."""
    return [
        LinkedFinding(
            problem,
            SEVERITY_WORDS[problem.severity],
            _url(problem, version, here) if editable else "",
            _label(problem),
        )
        for problem in findings.problems
    ]


def _part_of(problem: Problem) -> tuple[str, str] | None:
    if problem.backend is not None:
        return "backend", problem.backend
    if problem.header is not None:
        return "header", problem.header
    return None


def _url(problem: Problem, version: Version, here: tuple[str, str] | None) -> str:
    part = _part_of(problem)
    if part is None or problem.field is None:
        return ""
    anchor = f"#id_{problem.field}"
    if part == here:
        return anchor
    page = reverse("edit_part", args=[version.service_id, version.number, *part])
    # The field's name in the query lets the page open the section that the field stands in.
    return f"{page}?field={problem.field}{anchor}"


def _label(problem: Problem) -> str:
    part = _part_of(problem)
    if part is None or problem.field is None:
        return ""
    return f"{label_of(problem.field)} of {part[1]}"
