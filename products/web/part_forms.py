"""The forms of a version's parts, made from the declarations of their kinds.

Forms only read what was typed. The declarations say what is wrong with it, so that pages and the
API refuse the same with the same words.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from django import forms
from django.forms import BoundField
from django.utils.crypto import salted_hmac

from products.services.kinds import KINDS, Field, Kind
from products.services.kinds.carried import PLAIN_PORT, TLS_PORT
from products.services.kinds.fields import NotValid, Type, Values
from products.services.models import Part, Version
from products.services.models.part import MAX_PART_NAME_LENGTH

KEEP_SECRET: Final = "Hidden after saving. Leave empty to keep the current one."  # noqa: S105
ONE_PER_LINE: Final = "One per line."
_REMOVE: Final = "remove_"
DIGEST_LENGTH: Final = 12  # enough to tell the values of one field apart
_EMPTY: Final[tuple[object, ...]] = (None, "", [], {})
_SCHEMES: Final = {
    "http": (PLAIN_PORT, False),
    "https": (TLS_PORT, True),
    "ws": (PLAIN_PORT, False),
    "wss": (TLS_PORT, True),
}

# The names of a version's parts by kind, for fields that refer to them.
Names = Mapping[str, list[str]]


def names_in(version: Version, kind: Kind) -> Names:
    """Return the names that the fields of a kind can refer to: one query, or none."""
    kinds = {each.refers_to for each in kind.settable if each.refers_to}
    names: dict[str, list[str]] = {each: [] for each in kinds}
    rows = Part.objects.filter(version=version, kind__in=kinds) if kinds else ()
    for row in rows:
        names[row.kind].append(row.name)
    return {segment: sorted(found) for segment, found in names.items()}


def form_for(
    kind: Kind,
    names: Names,
    row: Part | None = None,
    only: Collection[str] | None = None,
) -> type[forms.Form]:
    """Return the form class of a kind of part, with the choices that a version has.

    A secret that the part has can be removed with a box of its own. With `only`, the form has these
    fields alone.
    """
    fields: dict[str, Any] = {}
    if kind.has_name and (only is None or "name" in only):
        fields["name"] = forms.Field(
            label=kind.name_label,
            disabled=kind.fixed_name and row is not None,
            widget=forms.TextInput(
                attrs={
                    "maxlength": MAX_PART_NAME_LENGTH,
                    "autocomplete": "off",
                    "spellcheck": "false",
                }
            ),
        )
    for each in kind.settable:
        if only is not None and each.name not in only:
            continue
        current = each.value(row.values) if row else each.default
        fields[each.name] = _form_field(each, names, current)
        if row and each.secret and each.nullable and current:
            fields[_REMOVE + each.name] = forms.BooleanField(
                required=False, label=f"Remove the current {each.label}"
            )
    return type("PartForm", (forms.Form,), fields)


def initial_of(row: Part) -> dict[str, object]:
    """Return the initial values of a part's form, without secrets."""
    shown = {
        each.name: _as_typed(each, each.value(row.values))
        for each in row.declared.settable
        if not each.secret
    }
    return {"name": row.name} | shown


def values_in(kind: Kind, form: forms.Form) -> dict[str, object]:
    """Return what was typed, as it would be stored; what does not parse stays as it was typed.

    An empty number or choice is its default. Empty secrets are left out, so that they are kept.
    """
    typed = _with_url_taken_apart(kind, form.cleaned_data)
    found = {
        each.name: _read(each, typed[each.name])
        for each in kind.settable
        if each.name in typed and not (each.secret and not typed[each.name])
    }
    removed = (each for each in kind.settable if typed.get(_REMOVE + each.name))
    found |= {each.name: None for each in removed if each.name not in found}
    if "name" in typed:
        found["name"] = kind.normal_name(str(typed["name"] or "").strip())
    return found


def changes_of(kind: Kind, form: forms.Form, row: Part | None) -> dict[str, object]:
    """Return the fields of a form that differ from the part, or from the defaults of a new one."""
    values = values_in(kind, form)
    current = stored_values(kind, row)
    return {
        name: value
        for name, value in values.items()
        if name == "name" or not same(value, current.get(name))
    }


def stored_values(kind: Kind, row: Part | None) -> dict[str, object]:
    """Return a part's values with its name; the defaults if there is no part."""
    values: Values = row.values if row else {}
    name = {"name": row.name} if row else {}
    return name | {each.name: each.value(values) for each in kind.settable}


def same(value: object, other: object) -> bool:
    """Tell whether two values of a field mean the same: no value is as good as an empty one."""
    empty = value in _EMPTY or value is False, other in _EMPTY or other is False
    return value == other or all(empty)


def digests_of(
    kind: Kind, row: Part | None, only: Collection[str] | None = None
) -> str:
    """Return the digest of each field's value, for a hidden field: what the form started from."""
    values = stored_values(kind, row)
    return json.dumps(
        {
            name: digest(value)
            for name, value in values.items()
            if only is None or name in only
        }
    )


def digest(value: object) -> str:
    """Return what tells a field's values apart, and does not give a secret away."""
    text = "" if same(value, None) else json.dumps(value, sort_keys=True)
    return salted_hmac("products.web.part_forms", text).hexdigest()[:DIGEST_LENGTH]


def main_fields(kind: Kind) -> tuple[str, ...]:
    """Return the fields that are shown first: those outside every group."""
    name = ("name",) if kind.has_name else ()
    return (*name, *(each.name for each in kind.settable if not each.group))


def with_removals(form: forms.Form, names: Iterable[str]) -> list[BoundField]:
    """Return fields of a form, each followed by the box that removes its secret, if there is one."""
    return [
        form[each]
        for name in names
        for each in (name, _REMOVE + name)
        if each in form.fields
    ]


def grouped(kind: Kind, form: forms.Form) -> list[tuple[str, list[BoundField]]]:
    """Return the other fields of a form by their groups."""
    groups: dict[str, list[str]] = {}
    for each in kind.settable:
        if each.group:
            groups.setdefault(each.group, []).append(each.name)
    return [(title, with_removals(form, names)) for title, names in groups.items()]


def _read(field: Field, typed: object) -> object:
    if field.type is Type.LIST and isinstance(typed, str):
        typed = [line.strip() for line in typed.splitlines() if line.strip()]
    if isinstance(typed, str):
        typed = typed.replace("\r\n", "\n")
        typed = field.from_typed(typed) if field.from_typed else typed
    if typed in _EMPTY and field.default is not None and not field.nullable:
        return field.default
    try:
        return field.read(typed)
    except NotValid:
        return typed


def _as_typed(field: Field, value: object) -> object:
    """Return a value as it is typed in the form."""
    if field.type is Type.FLAG and _is_checkbox(field):
        return bool(value)
    if field.type is Type.LIST and isinstance(value, list) and not _has_boxes(field):
        return "\n".join(value)
    if field.type in {Type.OBJECT, Type.FLAG} and value is not None:
        return json.dumps(value)
    if field.to_typed and value:
        return field.to_typed(str(value))
    return value


def _with_url_taken_apart(kind: Kind, typed: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a backend's fields with a URL, or a host with a port, split into its parts."""
    address = str(typed.get("address") or "").strip()
    if kind.segment != "backend" or ":" not in address:
        return typed
    scheme, mark, rest = address.rpartition("://")
    try:
        url = urlsplit(f"//{rest}")
        host, port = url.hostname, url.port
    except ValueError:
        return typed
    known = scheme.lower() in _SCHEMES if mark else port is not None
    beyond = url.path not in {"", "/"} or url.query or url.fragment or url.username
    if not known or not host or beyond:
        return typed
    usual, uses_tls = _SCHEMES.get(scheme.lower(), (typed.get("port"), None))
    tls = typed.get("use_ssl") if uses_tls is None else uses_tls
    return {**typed, "address": host, "port": port or usual, "use_ssl": tls}


def _form_field(declared: Field, names: Names, current: object) -> forms.Field:
    if declared.type is Type.FLAG and _is_checkbox(declared):
        made: forms.Field = forms.BooleanField(required=False)
    else:
        made = forms.Field(
            required=declared.required, widget=_widget(declared, names, current)
        )
    # Whether a header's value is secret depends on its name, which can change while it is typed.
    if declared.secret or declared.may_be_secret or declared.has_query:
        made.widget.attrs |= {"autocomplete": "off", "data-not-kept": ""}
    made.initial = _as_typed(declared, declared.default)
    made.label = declared.label + (f" ({declared.unit})" if declared.unit else "")
    made.help_text = _hint(declared, names)
    return made


def _hint(declared: Field, names: Names) -> str:
    if declared.secret:
        return KEEP_SECRET
    hints = [declared.help]
    if declared.type is Type.LIST and not _has_boxes(declared):
        hints.append(ONE_PER_LINE)
    if declared.refers_to and not names[declared.refers_to]:
        hints.append(
            f"This version has no {KINDS[declared.refers_to].plural_in_sentence}."
        )
    return " ".join(filter(None, hints))


def _has_boxes(declared: Field) -> bool:
    return bool(declared.choices or declared.refers_to)


def _is_checkbox(declared: Field) -> bool:
    return declared.default is not None or not declared.nullable


def _widget(declared: Field, names: Names, current: object) -> forms.Widget:
    options = _options(declared, names, current)
    if declared.type is Type.LIST:
        return (
            forms.CheckboxSelectMultiple(choices=options)
            if _has_boxes(declared)
            else forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})
        )
    if options:
        return forms.Select(choices=options)
    if declared.type is Type.NUMBER:
        bounds = {"min": declared.minimum, "max": declared.maximum}
        return forms.NumberInput(attrs={**bounds, "class": "short"})
    if declared.type is Type.OBJECT or declared.lines:
        rows = 3 if declared.name in {"comment", "statement"} else 8
        return forms.Textarea(
            attrs={"rows": 3 if declared.secret else rows, "spellcheck": "false"}
        )
    return forms.TextInput(
        attrs={
            "maxlength": declared.max_length,
            "autocomplete": "off",
            "spellcheck": "false",
        }
    )


def _options(
    declared: Field, names: Names, current: object
) -> list[tuple[object, str]]:
    """Return the choices of a select; empty if the field is no choice.

    A value that is stored and is not among the choices is one of them.
    """
    if declared.type is Type.FLAG:
        return [("", declared.no_value), ("true", "On"), ("false", "Off")]
    listed: list[Any] = [each for each in declared.choices if each != ""]
    if declared.refers_to:
        listed = list(names[declared.refers_to])
    listed = listed or list(declared.choice_labels)
    if not listed and not declared.refers_to:
        return []
    missing = _missing(current, listed)
    labels = declared.choice_labels
    found = [(each, labels.get(each, str(each))) for each in (*listed, *missing)]
    if declared.type is Type.LIST or (
        declared.default not in _EMPTY and not declared.nullable and current is not None
    ):
        return found
    return [("", "Choose…" if declared.required else declared.no_value), *found]


def _missing(current: object, listed: Iterable[object]) -> list[Any]:
    stored = current if isinstance(current, list) else [current]
    return [each for each in stored if each not in _EMPTY and each not in listed]
