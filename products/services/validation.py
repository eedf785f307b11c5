"""Validates a part by the declaration of its kind, and reports all problems together."""

import re
from collections.abc import Iterable, Mapping, Sequence

from accounts.errors import Invalid, NotFound
from products.services.kinds import KINDS, Kind
from products.services.kinds.fields import REQUIRED, NotValid
from products.services.models.part import MAX_PART_NAME_LENGTH


class InvalidFields(Invalid):
    """Some fields are not valid; `problems` has a sentence for each, by field."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        """Say each problem once, with its fields, and name the first field."""
        fields: dict[str, list[str]] = {}
        for field, problem in problems.items():
            fields.setdefault(problem, []).append(field)
        details = [_with_fields(names, each) for each, names in fields.items()]
        super().__init__(" ".join(details), field=next(iter(problems)), details=details)
        self.problems = dict(problems)


def kind_of(segment: str) -> Kind:
    """Return a kind of part. Raises NotFound for an unknown one."""
    if segment not in KINDS:
        raise NotFound(f"Versions have no parts of the kind {segment}.")
    return KINDS[segment]


def clean(kind: Kind, name: str, fields: Mapping[str, object]) -> dict[str, object]:
    """Return the values of a whole part as they are stored, without its name.

    Fields that were not set stay missing. Raises InvalidFields with every problem, in the order in
    which fields are declared.
    """
    problems: dict[str, str] = {}
    values: dict[str, object] = {}
    for field, value in fields.items():
        declared = kind.by_name.get(field)
        if declared is None or declared.read_only:
            problems[field] = "Unknown field."
            continue
        try:
            values[field] = declared.read(value)
        except NotValid as found:
            problems[field] = str(found)
    for field, problem in _problems(kind, kind.normal_name(name), values):
        if problem:
            problems.setdefault(field, problem)
    if problems:
        order = ["name", *kind.by_name, *problems]
        raise InvalidFields(
            {field: problems[field] for field in order if field in problems}
        )
    return values


def _with_fields(names: Sequence[str], problem: str) -> str:
    """Return a problem after the names of its fields, unless the sentence names the only one."""
    words = re.escape(names[0].replace("_", " "))
    named = re.search(rf"\b{words}\b", problem.replace("_", " "), re.IGNORECASE)
    return problem if named and len(names) == 1 else f"{', '.join(names)}: {problem}"


def _problems(
    kind: Kind, name: str, values: Mapping[str, object]
) -> Iterable[tuple[str, str]]:
    if not kind.single and kind.named:
        yield "name", name_problem(kind, name)
    for field in kind.settable:
        if field.required and field.value(values) in (None, "", []):
            yield field.name, REQUIRED
    for check in kind.checks:
        yield from check(values)


def name_problem(kind: Kind, name: str) -> str:
    """Say why a text is not a part's name; "" if it is one."""
    if not name.strip():
        return REQUIRED
    if kind.lower_case:
        return kind.name_problem(name)
    if len(name) > MAX_PART_NAME_LENGTH:
        return f"A name has at most {MAX_PART_NAME_LENGTH} characters."
    return _unreadable(name) or kind.name_problem(name)


def _unreadable(name: str) -> str:
    """Say why people could not see a name, or browsers not open its page."""
    if name != name.strip() or not name.isprintable():
        return "Remove spaces around the name and control characters."
    if set(name.split("/")) & {".", ".."}:
        return "No part of a name between slashes is “.” or “..”."
    return ""
