"""Validates the parts of a version, and reports all problems of a part together.

Lengths and choices are the model's; the other rules are here and in `products.protocol`.
"""

import re
from collections.abc import Callable, Mapping

from django.core.exceptions import ValidationError
from django.db.models import BooleanField, CharField, Field, IntegerField, JSONField

from accounts.errors import Invalid, NotFound
from products import protocol
from products.services.models import PART_KINDS, Part

MAX_INTEGER = 2**31 - 1  # of an integer column of PostgreSQL
MAX_TEXT_LENGTH = 1_000_000  # of a VCL file, as Fastly's default limit
MAX_PART_NAME_LENGTH = 255
MAX_LOG_FIELDS = 50

_DIGITS = re.compile("[0-9]{1,10}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINE_BREAK = re.compile(r"[\r\n\u2028\u2029]")

# Numbers with other bounds than 0 and MAX_INTEGER.
BOUNDS: Mapping[tuple[str, str], tuple[int, int]] = {
    ("backend", "port"): (0, 65535),
    ("backend", "weight"): (1, MAX_INTEGER),
    ("backend", "connect_timeout"): (0, 600_000),
    ("backend", "first_byte_timeout"): (0, 600_000),
    ("backend", "between_bytes_timeout"): (0, 600_000),
    ("backend", "fetch_timeout"): (0, 600_000),
}
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "domain": (),
    "backend": ("address",),
    "header": ("action", "type", "dst"),
    "snippet": ("type", "content"),
    "vcl": ("content",),
    "log_endpoint": ("kind", "address"),
}
TLS_VERSIONS = frozenset({"1.0", "1.1", "1.2", "1.3"})
# Texts that can have several lines.
COMMENTS = frozenset({"comment"})


FieldProblems = list[tuple[str, str]]  # fields and their problems; "" if there is none


class InvalidFields(Invalid):
    """Some fields are not valid; `problems` has a sentence for each, by field."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        """Say all problems, and name the first field."""
        details = [f"{field}: {problem}" for field, problem in problems.items()]
        super().__init__(" ".join(details), field=next(iter(problems)), details=details)
        self.problems = dict(problems)


class _Problem(Exception):
    """One field's problem."""


def model_of(kind: str) -> type[Part]:
    """Return the model of a kind of part. Raises NotFound for an unknown kind."""
    if kind not in PART_KINDS:
        raise NotFound(f"Versions have no parts of the kind {kind}.")
    return PART_KINDS[kind]


def normal_name(kind: str, name: str) -> str:
    """Return a part's name as it is saved: domains in lower case."""
    return name.lower() if kind == "domain" else name


def with_tls_from_port(fields: Mapping[str, object]) -> dict[str, object]:
    """Turn a backend's TLS on for port 443 and off for port 80, unless `use_ssl` is given.

    Source: Fastly's API, backend, `use_ssl`; its command line relies on it.
    """
    given = dict(fields)
    if "use_ssl" in given:
        return given
    switch = {"443": True, "80": False}.get(str(given.get("port")))
    return given if switch is None else given | {"use_ssl": switch}


def clean(kind: str, name: str, fields: Mapping[str, object]) -> dict[str, object]:
    """Return the values of a whole part as they are saved, `name` included.

    A field that is missing in `fields` gets the model's default.
    Raises InvalidFields with every problem, and NotFound for an unknown kind.
    """
    model = model_of(kind)
    problems: dict[str, str] = {}
    values: dict[str, object] = {"name": normal_name(kind, name)}
    for field, value in fields.items():
        try:
            values[field] = _cleaned(model, kind, field, value)
        except _Problem as found:
            problems[field] = str(found)
    for field, problem in (
        ("name", name_problem(kind, normal_name(kind, name))),
        *_missing(kind, values),
        *_CHECKS[kind](values),
    ):
        if problem:
            problems.setdefault(field, problem)
    if problems:
        raise InvalidFields(problems)
    return values


def name_problem(kind: str, name: str) -> str:
    """Say why a text is not a part's name; "" if it is one."""
    if kind == "domain":
        return protocol.domain_problem(name)
    if not name.strip():
        return "This field is required."
    if name != name.strip() or not name.isprintable():
        return "Remove spaces around the name and control characters."
    return (
        ""
        if len(name) <= MAX_PART_NAME_LENGTH
        else f"A name has at most {MAX_PART_NAME_LENGTH} characters."
    )


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


def _cleaned(model: type[Part], kind: str, field: str, value: object) -> object:
    if field not in model.FIELDS:
        raise _Problem("Unknown field.")
    column = model.column(field)
    if isinstance(column, JSONField):
        return _list_of_names(value)
    if value is None or value == "":
        return _empty(column)
    if isinstance(column, BooleanField | IntegerField):
        return _number(column, kind, value)
    return _text(column, value)


def _empty(column: "Field[object, object]") -> object:
    if column.null:
        return None
    if isinstance(column, BooleanField | IntegerField):
        raise _Problem("This field is required.")
    return ""


def _number(column: "Field[object, object]", kind: str, value: object) -> object:
    """Read an integer or a boolean, also from text, as forms send it."""
    if isinstance(column, BooleanField):
        try:
            return column.to_python(value)
        except ValidationError as error:
            raise _Problem("Enter true or false.") from error
    minimum, maximum = BOUNDS.get((kind, column.name), (0, MAX_INTEGER))
    text = str(value)
    whole = isinstance(value, int | str) and not isinstance(value, bool)
    if whole and _DIGITS.fullmatch(text) and minimum <= int(text) <= maximum:
        return int(text)
    raise _Problem(f"Enter a whole number from {minimum} to {maximum}.")


def _text(column: "Field[object, object]", value: object) -> str:
    if not isinstance(value, str):
        raise _Problem("Enter text.")
    long = not isinstance(column, CharField)
    if problem := text_problem(value, lines=long or column.name in COMMENTS):
        raise _Problem(problem)
    if long and len(value) > MAX_TEXT_LENGTH:
        raise _Problem(f"Enter at most {MAX_TEXT_LENGTH:,} characters.")
    try:
        column.clean(value, None)
    except ValidationError as error:
        raise _Problem(" ".join(error.messages)) from error
    return value


def _list_of_names(value: object) -> list[str]:
    if not isinstance(value, list | tuple):
        raise _Problem("Enter a list of header names.")
    if len(value) > MAX_LOG_FIELDS:
        raise _Problem(f"Enter at most {MAX_LOG_FIELDS} header names.")
    listed = [str(each) for each in value]
    for each in listed:
        if len(each) > protocol.MAX_HEADER_NAME_LENGTH or protocol.header_name_problem(
            each
        ):
            raise _Problem(f"“{each[:50]}” is not a valid header name.")
    return listed


def _missing(kind: str, values: Mapping[str, object]) -> FieldProblems:
    needed = (field for field in REQUIRED[kind] if not values.get(field))
    return [(field, "This field is required.") for field in needed]


def _nothing(_values: Mapping[str, object]) -> FieldProblems:
    return []


def _backend(values: Mapping[str, object]) -> FieldProblems:
    hosts = (
        "address",
        "override_host",
        "ssl_cert_hostname",
        "ssl_sni_hostname",
        "ssl_hostname",
    )
    found = [
        (field, protocol.address_problem(str(values[field])))
        for field in hosts
        if values.get(field)
    ]
    found += [
        (field, "Choose 1.0, 1.1, 1.2 or 1.3.")
        for field in ("min_tls_version", "max_tls_version")
        if values.get(field) and values[field] not in TLS_VERSIONS
    ]
    return found


def _header(values: Mapping[str, object]) -> FieldProblems:
    dst, src, action = (
        str(values.get(field) or "") for field in ("dst", "src", "action")
    )
    found = [("dst", protocol.header_name_problem(dst))]
    if values.get("type") == "request":
        found.append(("dst", protocol.protection_problem(dst)))
    if action in {"set", "append"}:
        found.append(
            (
                "src",
                protocol.header_value_problem(src)
                if src
                else "This field is required.",
            )
        )
    if action in {"regex", "regex_repeat"} and not values.get("regex"):
        found.append(("regex", "This field is required."))
    return found


def _log_endpoint(values: Mapping[str, object]) -> FieldProblems:
    kind, address = str(values.get("kind") or ""), str(values.get("address") or "")
    if kind == "https":
        return [("address", protocol.https_url_problem(address))]
    if kind == "syslog":
        return [("address", protocol.endpoint_problem(address))]
    word = kind.isascii() and kind.replace("_", "").isalnum()
    return [("kind", "" if word else "Enter a kind such as https, syslog or s3.")]


_CHECKS: Mapping[str, Callable[[Mapping[str, object]], FieldProblems]] = {
    "domain": _nothing,
    "backend": _backend,
    "header": _header,
    "snippet": _nothing,
    "vcl": _nothing,
    "log_endpoint": _log_endpoint,
}
