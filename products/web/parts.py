"""The forms of a version's parts, made from the declarations of their kinds."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.forms import BoundField
from django.urls.converters import StringConverter

from products.services.kinds import KINDS, Field, Kind
from products.services.kinds.fields import Type
from products.services.models import Part
from products.services.models.part import MAX_PART_NAME_LENGTH

# What pages can edit: kinds of which a version can have several.
EDITABLE: Final = {
    segment: kind for segment, kind in KINDS.items() if not kind.single and kind.named
}
KEEP_SECRET = "Hidden after saving. Leave empty to keep the current one."  # noqa: S105
_REMOVE: Final = "remove_"
_EMPTY: Final[tuple[object, ...]] = (None, "", [], {})


class KindConverter(StringConverter):
    """The kind of a part in the path of a page; a kind of log endpoint has a slash."""

    regex = "|".join(sorted(EDITABLE, key=len, reverse=True))


@dataclass(frozen=True, slots=True)
class ShownPart:
    """A part in a list: how its page is found, and what to say of it; `fields` are those said."""

    name: str
    key: str
    code: str = ""
    words: str = ""
    shield: str = ""
    fields: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """What is said of it, in one line."""
        shield = f"shield {self.shield}" if self.shield else ""
        return ", ".join(filter(None, (self.code, self.words, shield)))


def shown_part(row: Part) -> ShownPart:
    """Return what lists and comparisons say of a part."""
    if row.kind == "backend":
        return _shown_backend(row)
    fields = _SHOWN_FIELDS.get(row.namespace, ())
    words = (
        declared.words(row.values.get(name))
        for name in fields
        if (declared := row.declared.by_name.get(name))
    )
    return ShownPart(
        row.name, row.key, words=", ".join(filter(None, words)), fields=fields
    )


def _shown_backend(row: Part) -> ShownPart:
    host = row.value("override_host")
    words = [
        "TLS" if row.value("use_ssl") else "",
        f"Override Host {host}" if host else "",
    ]
    return ShownPart(
        row.name,
        row.key,
        f"{row.value('address')}:{row.value('port')}",
        ", ".join(filter(None, words)),
        row.declared.by_name["shield"].words(row.value("shield")),
        ("address", "port", "use_ssl", "override_host", "shield"),
    )


# The fields that lists show, by namespace.
_SHOWN_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "header": ("action", "dst", "src"),
    "snippet": ("type",),
    "logging": ("url", "address", "port"),
    "condition": ("type", "statement"),
    "healthcheck": ("host", "path"),
    "director": ("type", "backends"),
    "cache_settings": ("action", "ttl"),
    "response_object": ("status", "response"),
    "rate-limiters": ("rps_limit", "action"),
    "apex-redirects": ("domains", "status_code"),
}


def form_for(kind: Kind, row: Part | None = None) -> type[forms.Form]:
    """Return the form class of a kind of part; it checks shapes, the command checks the rules.

    A secret that the part has can be removed with a box of its own.
    """
    fields: dict[str, Any] = {
        "name": forms.CharField(
            label=kind.name_label,
            max_length=MAX_PART_NAME_LENGTH,
            disabled=False,
        )
    }
    fields |= {each.name: _field(each) for each in kind.settable}
    fields |= {
        _REMOVE + each.name: forms.BooleanField(
            required=False, label=f"Remove the current {each.label}"
        )
        for each in kind.settable
        if row and each.secret and each.nullable and each.value(row.values)
    }
    return type("PartForm", (forms.Form,), fields)


def initial_of(row: Part) -> dict[str, object]:
    """Return the initial values of a part's form, without secrets."""
    shown = {
        each.name: _as_typed(each, each.value(row.values))
        for each in row.declared.settable
        if not each.secret
    }
    return {"name": row.name} | shown


def changes_of(kind: Kind, form: forms.Form, row: Part | None) -> dict[str, object]:
    """Return the fields of a form that differ from the part, or from the defaults of a new one.

    An empty secret is left out, so that it is kept.
    """
    sent = form.cleaned_data
    values = row.values if row else {}
    changes: dict[str, object] = {
        each.name: sent[each.name]
        for each in kind.settable
        if each.name in sent and _differs(each, sent[each.name], values)
    }
    removed = {
        each.name: None for each in kind.settable if sent.get(_REMOVE + each.name)
    }
    return removed | changes | ({"name": sent["name"]} if "name" in sent else {})


def _differs(field: Field, value: object, values: dict[str, object]) -> bool:
    if field.secret:
        return bool(value)
    current = _as_typed(field, field.value(values))
    return value != current and not (value in _EMPTY and current in _EMPTY)


def _as_typed(field: Field, value: object) -> object:
    """Return a value as it is typed in the form."""
    if field.type is Type.LIST and isinstance(value, list):
        return ", ".join(value)
    if field.type is Type.OBJECT and value is not None:
        return json.dumps(value)
    return (
        False
        if field.type is Type.FLAG and _is_checkbox(field) and not value
        else value
    )


def label_of(kind: Kind, field: str) -> str:
    """Return the label of a part's field."""
    declared = kind.by_name.get(field)
    return declared.label if declared else kind.name_label


def main_fields(kind: Kind) -> tuple[str, ...]:
    """Return the fields that are shown first: those outside every group."""
    return ("name", *(each.name for each in kind.settable if not each.group))


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


def _field(declared: Field) -> forms.Field:
    made = _made(declared)
    made.label = declared.label + (f" ({declared.unit})" if declared.unit else "")
    made.help_text = KEEP_SECRET if declared.secret else declared.help
    return made


def _is_checkbox(declared: Field) -> bool:
    return declared.default is not None or not declared.nullable


def _made(declared: Field) -> forms.Field:
    if declared.type is Type.FLAG:
        return _flag(declared)
    required = declared.required
    if declared.choices and declared.type is not Type.LIST:
        return _choice(declared)
    if declared.type is Type.NUMBER:
        return forms.IntegerField(
            required=required
            or (declared.default is not None and not declared.nullable),
            min_value=declared.minimum,
            max_value=declared.maximum,
            initial=declared.default,
        )
    has_lines = declared.type is Type.OBJECT or (
        declared.lines and declared.max_length > MAX_PART_NAME_LENGTH
    )
    return forms.CharField(
        required=required,
        strip=False,
        max_length=declared.max_length if declared.type is Type.TEXT else None,
        initial=_as_typed(declared, declared.default),
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"})
        if has_lines
        else forms.TextInput(attrs={"autocomplete": "off"} if declared.secret else {}),
    )


def _flag(declared: Field) -> forms.Field:
    if _is_checkbox(declared):
        return forms.BooleanField(required=False, initial=bool(declared.default))
    made = forms.NullBooleanField(required=False)
    made.widget.choices = [("unknown", "Default"), ("true", "On"), ("false", "Off")]
    return made


def _choice(declared: Field) -> forms.Field:
    missing = "Choose…" if declared.required else "Default"
    choices: Iterable[tuple[object, str]] = (
        (each, str(each)) for each in declared.choices if each != ""
    )
    return forms.TypedChoiceField(
        required=declared.required,
        choices=[("", missing), *choices],
        initial=declared.default,
        coerce=int if declared.type is Type.NUMBER else str,
        empty_value=None,
    )
