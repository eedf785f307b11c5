"""How a field of a part is declared: its type, bounds, words and secrecy; how it is read and shown.

A part stores what was set, and nothing else. A field that was never set has its default. One that
was cleared (None) has no value, and its default does not come back.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from accounts.body_text import list_in
from accounts.readable import choices_in_words
from accounts.roles import Permission
from products.services.kinds.words import HINTS, LABELS

Values = Mapping[str, object]

MAX_INTEGER: Final = 2**31 - 1
MAX_TEXT_LENGTH: Final = 1_000_000  # of a VCL file, as Fastly's default limit
MAX_LINE_LENGTH: Final = 1_000
MAX_LIST_LENGTH: Final = 100

REQUIRED: Final = "This field is required."
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINE_BREAK = re.compile(r"[\r\n\u2028\u2029]")
_WHOLE_NUMBER = re.compile("-?[0-9]{1,10}")
_FLAGS = {"0": False, "1": True, "false": False, "true": True}


class Type(StrEnum):
    """What a field holds."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    LIST = "list"  # of text
    OBJECT = "object"


class NotValid(Exception):
    """A value is not valid; the message says why."""


class _Absent:
    """The type of ABSENT."""


ABSENT: Final = _Absent()  # no key in the response


def text_problem(text: str, *, lines: bool) -> str:
    """Say why a text cannot be saved; "" if it can. `lines` allows line breaks."""
    if not _is_unicode(text) or _CONTROL.search(text):
        return "Remove control characters and invalid Unicode."
    if not lines and _LINE_BREAK.search(text):
        return "Must be a single line."
    return ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a kind of part."""

    name: str
    type: Type = Type.TEXT
    # A number or a flag whose JSON type is a string: fastly-py insists on it for half of the kinds.
    as_text: bool = False
    # Whether fastly-py accepts null. If not, a field without a value is left out of responses.
    nullable: bool = False
    default: object = None
    derive: Callable[[Values], object] | None = None  # the value of a field never set
    required: bool = False
    read_only: bool = False
    choices: tuple[Any, ...] = ()
    # What choices are called, if not as they are stored. A text without `choices` can have other
    # values too: forms offer these.
    choice_labels: Mapping[Any, str] = field(default_factory=dict)
    refers_to: str = ""  # the kind of the parts that it names
    minimum: int = 0
    maximum: int = MAX_INTEGER
    max_length: int = MAX_LINE_LENGTH  # of a text, and of each element of a list
    lines: bool = False  # a text that can have several lines
    empty_is_unset: bool = False  # an empty text is no value
    null_word: str = ""  # a text that means no value
    keys: Mapping[str, Type] = field(default_factory=dict)  # of an object
    problem: Callable[[str], str] | None = None  # what else is wrong with a text
    # How a stored text is typed in a form, and the reverse.
    to_typed: Callable[[str], str] | None = None
    from_typed: Callable[[str], str] | None = None
    secret: bool = False  # shown only to a user who may configure the service
    may_be_secret: bool = False  # a credential in some parts: `Kind.secret_values`
    private: bool = False  # kept out of the trail, which is kept forever
    has_query: bool = False  # a URL whose query is kept out of the trail
    needs: Permission | None = None  # to see it
    # Where the value hangs beneath the part instead, and the part shows none.
    beneath: Callable[[Values], bool] | None = None
    number_when_created: bool = (
        False  # fastly-py wants a number in the response to a create
    )
    carried: bool = True  # False: stored, but the edge does not use it
    label: str = ""
    unit: str = ""  # in the plural
    help: str = ""
    group: str = ""
    no_value: str = "Not set"  # what a form's list of choices calls no value

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", LABELS[self.name])
        if not self.help:
            object.__setattr__(self, "help", HINTS.get(self.name, ""))

    def value(self, values: Values) -> object:
        """Return the field's value in a part with these stored values; None if it has none."""
        if self.name in values:
            return values[self.name]
        return self.derive(values) if self.derive else self.default

    def is_default(self, values: Values) -> bool:
        """Tell whether a part has the default, or no value."""
        value = values.get(self.name)
        return value in (None, "", [], {}) or value == self.default

    def words(self, value: object) -> str:
        """Return a value as pages show it: On, 1,000 milliseconds; "" for no value."""
        if value in (None, "", [], {}):
            return ""
        if self.type is Type.FLAG:
            return "On" if value else "Off"
        if isinstance(value, list):
            return ", ".join(map(str, value))
        if isinstance(value, dict):
            return ", ".join(f"{LABELS[key]}: {value[key]}" for key in value)
        return self._words_of_one(value)

    def _words_of_one(self, value: object) -> str:
        if self.unit and isinstance(value, int):
            unit = self.unit.removesuffix("s") if value == 1 else self.unit
            return f"{value:,} {unit}"
        if self.to_typed:
            return self.to_typed(str(value))
        return self.choice_labels.get(value, str(value))

    def in_api(self, values: Values, *, created: bool = False) -> object:
        """Return the value as the API has it; ABSENT if the response has no such key.

        `created`: in the response to the request that created the part.
        """
        value = self.value(values)
        if value is None or (self.beneath and self.beneath(values)):
            return self.unset
        number = created and self.number_when_created
        if self.as_text and isinstance(value, int) and not number:
            return str(int(value))
        return value

    @property
    def hidden(self) -> object:
        """What the API has for a reader who may not see the value."""
        return ABSENT if self.needs else self.unset

    @property
    def unset(self) -> object:
        """What the API has for no value."""
        return None if self.nullable else ABSENT

    def read(self, value: object) -> object:
        """Return a value as it is stored. Raises NotValid.

        Text from a form is read as the field's type. An empty value means that the field has none.
        """
        if self._means_unset(value):
            if self.required:
                raise NotValid(REQUIRED)
            return None
        return _READERS[self.type](self, value)

    def _means_unset(self, value: object) -> bool:
        if value is None or (self.null_word and value == self.null_word):
            return True
        if value == "":
            return "" not in self.choices and (
                self.type is not Type.TEXT
                or self.required
                or self.empty_is_unset
                or bool(self.choices)
            )
        # Terraform sends 0 for a number that its user did not set.
        return self.minimum > 0 and self.default is None and str(value) == "0"


def _read_text(declared: Field, value: object) -> str:
    if not isinstance(value, str):
        raise NotValid("Enter text.")
    if declared.choices and value not in declared.choices:
        raise NotValid(f"Choose {_listed(declared.choices)}.")
    if problem := text_problem(value, lines=declared.lines):
        raise NotValid(problem)
    if len(value) > declared.max_length:
        raise NotValid(f"Enter at most {declared.max_length:,} characters.")
    if declared.problem and value and (problem := declared.problem(value)):
        raise NotValid(problem)
    return value


def _listed(choices: Sequence[object]) -> str:
    return choices_in_words(each for each in choices if each != "")


def _read_number(declared: Field, value: object) -> int:
    text = str(value)
    whole = isinstance(value, int | str) and not isinstance(value, bool)
    if not whole or not _WHOLE_NUMBER.fullmatch(text):
        raise NotValid(_number_wanted(declared))
    number = int(text)
    if declared.choices and number not in declared.choices:
        raise NotValid(_number_wanted(declared))
    if not declared.choices and not declared.minimum <= number <= declared.maximum:
        raise NotValid(_number_wanted(declared))
    return number


def _number_wanted(declared: Field) -> str:
    if declared.choices:
        return f"Choose {_listed(declared.choices)}."
    return f"Enter a whole number from {declared.minimum} to {declared.maximum}."


def _read_flag(_declared: Field, value: object) -> bool:
    """Read a boolean; clients send 0, 1, true and True."""
    flag = _FLAGS.get(str(value).lower()) if isinstance(value, str | int) else None
    if flag is None:
        raise NotValid("Enter true or false.")
    return flag


def _read_list(declared: Field, value: object) -> list[str]:
    """Read a list; in a form it is a JSON array, or text with commas."""
    if isinstance(value, str):
        value = _parsed(list_in, value)
    if not isinstance(value, list | tuple) or len(value) > MAX_LIST_LENGTH:
        raise NotValid(f"Enter a list of at most {MAX_LIST_LENGTH} texts.")
    found = [_element(declared, each) for each in value if each != ""]
    if not found and declared.required:
        raise NotValid(REQUIRED)
    return found


def _element(declared: Field, value: object) -> str:
    if not isinstance(value, str):
        raise NotValid("Enter a list of texts.")
    return _read_text(declared, value.strip())


def _read_object(declared: Field, value: object) -> dict[str, object]:
    """Read an object; in a form it is JSON, or one field per key, which the parser joins."""
    if isinstance(value, str):
        value = _parsed(json.loads, value)
    if not isinstance(value, dict):
        raise NotValid("Enter an object.")
    return {
        key: each.read(value[key])
        for key, each in fields_of_object(declared).items()
        if key in value
    }


def fields_of_object(declared: Field) -> dict[str, Field]:
    """Return the keys of an object as fields."""
    return {
        key: Field(name=key, type=kind, max_length=MAX_TEXT_LENGTH, lines=True)
        for key, kind in declared.keys.items()
    }


def _parsed(parse: Callable[[str], object], text: str) -> object:
    try:
        return parse(text)
    except (ValueError, RecursionError) as error:
        raise NotValid("Enter valid JSON.") from error


_READERS: Mapping[Type, Callable[[Field, object], object]] = {
    Type.TEXT: _read_text,
    Type.NUMBER: _read_number,
    Type.FLAG: _read_flag,
    Type.LIST: _read_list,
    Type.OBJECT: _read_object,
}


def text(name: str, **declared: Any) -> Field:
    """Declare a text of one line."""
    return Field(name=name, **declared)


def long_text(name: str, **declared: Any) -> Field:
    """Declare a text of many lines."""
    return Field(name=name, lines=True, max_length=MAX_TEXT_LENGTH, **declared)


def choice(name: str, choices: Sequence[str | int], **declared: Any) -> Field:
    """Declare a field that has one of a few values, all texts or all numbers."""
    kind = Type.NUMBER if all(isinstance(each, int) for each in choices) else Type.TEXT
    return Field(name=name, type=kind, choices=tuple(choices), **declared)


def number(name: str, **declared: Any) -> Field:
    """Declare a whole number, 0 or more."""
    return Field(name=name, type=Type.NUMBER, **declared)


def flag(name: str, **declared: Any) -> Field:
    """Declare a boolean."""
    return Field(name=name, type=Type.FLAG, **declared)


def texts(name: str, **declared: Any) -> Field:
    """Declare a list of texts."""
    return Field(name=name, type=Type.LIST, **declared)


def secret(name: str, **declared: Any) -> Field:
    """Declare a secret; keys of several lines are secrets too."""
    return Field(
        name=name,
        secret=True,
        lines=True,
        max_length=MAX_TEXT_LENGTH,
        empty_is_unset=True,
        **declared,
    )
