"""The forms of a version's parts, made from the models' fields, with labels and hints."""

from typing import Any

from django import forms
from django.db import models

from products.services.models import PART_KINDS, Part

KIND_WORDS = {
    "domain": "Domain",
    "backend": "Backend",
    "header": "Header rule",
    "snippet": "VCL snippet",
    "vcl": "VCL file",
    "log_endpoint": "Log endpoint",
}
# As written within a sentence.
KIND_NAMES = {
    kind: word if word.startswith("VCL") else word.lower()
    for kind, word in KIND_WORDS.items()
}
# R8: WebSocket connections use these four settings; the others are under "Advanced settings".
MAIN_FIELDS = {
    "backend": ("name", "address", "port", "use_ssl", "override_host", "shield"),
    "header": ("name", "type", "action", "dst", "src"),
}
LABELS = {
    "address": "Address",
    "port": "Port",
    "use_ssl": "Enable TLS",
    "override_host": "Override Host",
    "dst": "Header",
    "src": "Value",
    "ssl_check_cert": "Check the origin's certificate",
    "ssl_ca_cert": "Custom CA certificate",
    "ssl_client_key": "Client key",
    "max_conn": "Max connections",
    "healthcheck": "Health check",
    "kind": "Kind",
    "fields": "Header fields to log",
}
ACRONYMS = {"ipv6": "IPv6", "sni": "SNI", "ssl": "TLS", "tcp": "TCP", "tls": "TLS"}
HINTS = {
    "address": "A host name or an IP address, without the port.",
    "override_host": "The Host that the origin sees, and the name that its certificate must have.",
    "shield": "Can't be combined with WebSockets.",
    "use_ssl": "The certificate must be signed by a public certification authority.",
    "src": "Plain text. Leave empty for delete.",
    "dst": "Such as X-Client or http.X-Client.",
    "ssl_client_key": "Hidden after saving. Leave empty to keep the current key.",
    "fields": 'Header names as a list, such as ["User-Agent"].',
}
# Hints for fields that have another meaning in one kind of part.
KIND_HINTS = {
    (
        PART_KINDS["log_endpoint"],
        "kind",
    ): "Enter https or syslog. Other kinds are stored but not used.",
    (
        PART_KINDS["log_endpoint"],
        "address",
    ): "Such as https://logs.example.com/in, or logs.example.com:514 for syslog.",
}
LINES = frozenset(
    {"content", "ssl_ca_cert", "ssl_client_cert", "ssl_client_key", "client_cert"}
)
NEVER_SHOWN = frozenset({"ssl_client_key"})
MAX_PART_NAME_LENGTH = 255


def form_for(kind: str) -> type[forms.Form]:
    """Return the form class of a kind of part; it checks shapes, the command checks the rules."""
    model = PART_KINDS[kind]
    name_label = "Domain name" if kind == "domain" else "Name"
    fields: dict[str, Any] = {
        "name": forms.CharField(label=name_label, max_length=MAX_PART_NAME_LENGTH)
    }
    fields |= {field: _field(model, field) for field in model.FIELDS}
    return type(f"{model.__name__}Form", (forms.Form,), fields)


def initial_of(row: Part) -> dict[str, object]:
    """Return the initial values of a part's form, without secrets."""
    shown = {
        field: getattr(row, field) for field in row.FIELDS if field not in NEVER_SHOWN
    }
    return {"name": row.name} | shown


def changes_of(form: forms.Form) -> dict[str, object]:
    """Return the fields of a valid form. An empty secret is left out, so that it is kept."""
    return {
        field: [] if value is None and _is_list(form, field) else value
        for field, value in form.cleaned_data.items()
        if not (field in NEVER_SHOWN and not value)
    }


def _is_list(form: forms.Form, field: str) -> bool:
    return isinstance(form.fields[field], forms.JSONField)


def label_of(field: str) -> str:
    """Return the label of a part's field."""
    words = " ".join(ACRONYMS.get(word, word) for word in field.split("_"))
    return LABELS.get(field, words[:1].upper() + words[1:])


def main_fields(kind: str) -> tuple[str, ...]:
    """Return the fields that are shown first; all fields of a kind that has few."""
    return MAIN_FIELDS.get(kind, ("name", *PART_KINDS[kind].FIELDS))


def _field(model: type[Part], name: str) -> forms.Field:
    column = model._meta.get_field(name)  # noqa: SLF001 - Django's own name
    assert isinstance(column, models.Field)  # noqa: S101 - a concrete column
    if isinstance(column, models.BooleanField) and not column.null:
        made: forms.Field = forms.BooleanField(required=False, initial=column.default)
    else:
        found = column.formfield()
        assert found is not None  # noqa: S101 - every field of a part can be edited
        made = found
    made.label = label_of(name)
    _name_choices(made)
    if isinstance(made, forms.JSONField):
        made.required = False  # Django treats an empty list as missing
    made.help_text = KIND_HINTS.get((model, name), HINTS.get(name, ""))
    if isinstance(made, forms.CharField) and name in LINES:
        made.widget = forms.Textarea(attrs={"rows": 6, "spellcheck": "false"})
    elif isinstance(made, forms.CharField) and isinstance(made.widget, forms.Textarea):
        made.widget = forms.TextInput()
    return made


def _name_choices(field: forms.Field) -> None:
    """Replace Django's names for a missing choice and an unset boolean."""
    if isinstance(field, forms.NullBooleanField):
        field.widget.choices = [
            ("unknown", "Default"),
            ("true", "On"),
            ("false", "Off"),
        ]
    elif isinstance(field, forms.ChoiceField):
        missing = "Choose…" if field.required else "Default"
        choices: Any = field.choices
        field.choices = [
            (value, label if value else missing) for value, label in choices
        ]
