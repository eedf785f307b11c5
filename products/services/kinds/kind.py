"""How a kind of part is declared, and the rules between its fields."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from products.services.kinds.fields import ABSENT, REQUIRED, Field, Values

Problems = Iterable[tuple[str, str]]  # fields and their problems; "" if there is none
Check = Callable[[Values], Problems]

BOTH = frozenset({"vcl", "wasm"})
VCL_ONLY = frozenset({"vcl"})


class Key(StrEnum):
    """What names a part in a path."""

    NAME = "name"
    ID = "id"  # its public id
    NONE = "none"  # a version has one at most


class Ids(StrEnum):
    """What happens to the public ids of a kind when a version is cloned.

    What hangs beneath a part is found by its id and belongs to no version: such an id is kept. A
    path that names the id and no version must find one part: such an id is new.
    """

    KEPT = "kept"
    NEW = "new"


def unchanged(changes: Values) -> Values:
    """Return changes as they are: for kinds whose fields do not depend on each other."""
    return changes


def no_advice(_values: Values) -> Problems:
    """Advise nothing."""
    return ()


def never_idle(_values: Values) -> str:
    """Say that nothing keeps the edge from using a part."""
    return ""


def no_problem(_name: str) -> str:
    """Accept every name."""
    return ""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of part. Its segment is its key everywhere: in paths, in the database, in the trail."""

    segment: str
    label: str
    plural: str = ""
    proper_name: bool = (
        False  # the label is a name, with a capital within a sentence too
    )
    help: str = ""
    event: str = ""  # the events are `<event>.created` and so on
    verbs: tuple[str, ...] = ("created", "updated", "deleted")
    fields: tuple[Field, ...]
    checks: tuple[Check, ...] = ()
    couple: Callable[[Values], Values] = unchanged  # settings that imply others
    advice: Check = no_advice  # what is allowed, and probably not meant
    # Why the edge does not use a part with these values; "" if it does.
    idle: Callable[[Values], str] = never_idle
    # Whether the fields that may be secret are secret in a part with these values.
    holds_secret: Callable[[Values], bool] = lambda _values: False
    key: Key = Key.NAME
    named: bool = True  # if not, a part's name is its id
    ids: Ids = Ids.KEPT
    shows_id: bool = False
    namespace: str = ""  # names are unique within it; the kind's own if empty
    name_label: str = "Name"
    name_problem: Callable[[str], str] = no_problem
    lower_case: bool = False  # names are stored in lower case
    fixed_name: bool = False  # a new name is ignored
    has_times: bool = True  # whether responses have its service, version and times
    details: str = ""  # the key of its list in a service's details
    not_found: str = ""  # Fastly's word in "Couldn't find …"
    version_as_text: bool = False  # fastly-py insists on it for half of the kinds
    services: frozenset[str] = BOTH
    carried: bool = False  # whether the edge uses it

    def __post_init__(self) -> None:
        defaults = {
            "plural": f"{self.label}s",
            "event": self.segment,
            "namespace": self.segment,
            "not_found": self.label.replace(" ", ""),
        }
        for name, value in defaults.items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        """The fields by their names."""
        return {each.name: each for each in self.fields}

    @cached_property
    def settable(self) -> tuple[Field, ...]:
        """The fields that users can set, in the order in which they are shown."""
        return tuple(each for each in self.fields if not each.read_only)

    @property
    def single(self) -> bool:
        """Whether a version has one part of this kind at most."""
        return self.key is Key.NONE

    @property
    def always_there(self) -> bool:
        """Whether a version answers the defaults of this kind until something is set."""
        return self.verbs == ("updated",)

    @property
    def slug(self) -> str:
        """The kind's segment without a slash."""
        return self.segment.replace("/", "-")

    @property
    def has_name(self) -> bool:
        """Whether users name its parts."""
        return self.named and not self.single

    def offered_to(self, service_type: str) -> bool:
        """Tell whether services of a type can have it."""
        return service_type in self.services

    @property
    def is_usual(self) -> bool:
        """Whether pages offer it before the others: the edge or the rules look at it."""
        return self.carried or self.segment in {"snippet", "vcl"}

    @property
    def in_sentence(self) -> str:
        """The label as written within a sentence."""
        return self._within(self.label)

    @property
    def plural_in_sentence(self) -> str:
        """The plural as written within a sentence."""
        return self._within(self.plural)

    def _within(self, words: str) -> str:
        first = words.partition(" ")[0]
        if self.proper_name or first.isupper():
            return words
        return words[:1].lower() + words[1:]

    @property
    def with_article(self) -> str:
        """The label within a sentence, with its article."""
        words = self.in_sentence
        first = words.partition(" ")[0]
        spelled = first.isupper() and first[0] in "AEFHILMNORSX"
        return f"{'an' if spelled or words[0].lower() in 'aeio' else 'a'} {words}"

    @property
    def word_of_duplicate(self) -> str:
        """Fastly's word in "Duplicate …": all log endpoints are called the same."""
        return "logging_syslog" if self.namespace == "logging" else self.segment

    def normal_name(self, name: str) -> str:
        """Return a name as it is stored."""
        return name.lower() if self.lower_case else name

    def secret_values(self, values: Values) -> frozenset[str]:
        """Return the fields that are secret in a part with these values, and not in every part."""
        if not self.holds_secret(values):
            return frozenset()
        return frozenset(each.name for each in self.fields if each.may_be_secret)

    def in_api(
        self, values: Values, hides: Callable[[Field], bool], *, created: bool = False
    ) -> dict[str, object]:
        """Return a part's fields as the API has them; `hides` tells which the reader may not see."""
        found = {
            each.name: each.hidden
            if (each.secret or each.needs) and hides(each)
            else each.in_api(values, created=created)
            for each in self.fields
        }
        return {name: value for name, value in found.items() if value is not ABSENT}

    def kept_only(self, values: Values) -> tuple[str, ...]:
        """Return the labels of the fields that have a value and that the edge does not use."""
        return tuple(
            each.label
            for each in self.settable
            if not each.carried and not each.is_default(values)
        )

    def warning(self, name: str, values: Values, changed: Values | None = None) -> str:
        """Say what of a part, or of the fields that changed, is stored and not carried out."""
        title = f"{self.in_sentence} {name}".strip()
        said = "Stored, but not carried out by the edge:"
        if not self.carried:
            return f"{said} {title}."
        if reason := self.idle(values):
            return f"{said} {title}, because {reason}."
        if labels := self.kept_only(values if changed is None else changed):
            return f"{said} {', '.join(labels)} of {title}."
        return ""


def without(text: str) -> Callable[[str], str]:
    """Return a check that refuses names with a text, as the path would name something else."""

    def problem(name: str) -> str:
        return f"Use a name without “{text}”." if text in name else ""

    return problem


def not_ending(*ends: str) -> Callable[[str], str]:
    """Return a check that refuses names with such an end, as the path would ask for something else."""

    def problem(name: str) -> str:
        found = next((end for end in ends if name.endswith(end)), "")
        return f"Use a name that does not end in “{found}”." if found else ""

    return problem


def exclusive(first: str, second: str, problem: str) -> Check:
    """Refuse two fields that both have a value."""

    def check(values: Values) -> Problems:
        both = values.get(first) and values.get(second)
        return [(first, problem if both else "")]

    return check


def needed(field: str, *, when: str, equals: object) -> Check:
    """Require a field if another one has a certain value."""

    def check(values: Values) -> Problems:
        missing = values.get(when) == equals and not values.get(field)
        return [(field, REQUIRED if missing else "")]

    return check
