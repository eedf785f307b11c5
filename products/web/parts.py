"""The forms of a version's parts, made from the models' fields, with words for people."""

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
# As they stand within a sentence.
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
    "ssl_ca_cert": "Certificate authority of your own",
    "ssl_client_key": "Client key",
    "max_conn": "Most connections",
    "kind": "Kind",
    "fields": "Header fields to log",
}
HINTS = {
    "address": "A host name or an IP address, without the port.",
    "override_host": "The Host that the origin sees, and the name that its certificate must have.",
    "shield": "Does not go with WebSockets.",
    "use_ssl": "The certificate must be signed by a public certification authority.",
    "src": "Plain text; left empty for delete.",
    "dst": "Such as X-Client or http.X-Client.",
    "ssl_client_key": "Never shown once it is set; leave it empty to keep it.",
    "fields": 'A list, such as ["User-Agent"].',
}
# Where a field means something else in one kind of part.
OF_KIND = {
    (
        PART_KINDS["log_endpoint"],
        "kind",
    ): "Written as https or syslog; other kinds are only kept.",
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
    """Return what a part's form starts with; secrets stay out of pages."""
    shown = {
        field: getattr(row, field) for field in row.FIELDS if field not in NEVER_SHOWN
    }
    return {"name": row.name} | shown


def changes_of(form: forms.Form) -> dict[str, object]:
    """Return what a checked form says; an empty secret means: keep it. An emptied list is empty."""
    return {
        field: [] if value is None and _is_list(form, field) else value
        for field, value in form.cleaned_data.items()
        if not (field in NEVER_SHOWN and not value)
    }


def _is_list(form: forms.Form, field: str) -> bool:
    return isinstance(form.fields[field], forms.JSONField)


def label_of(field: str) -> str:
    """Return what a field of a part is called on pages."""
    words = field.replace("ssl_", "TLS ").replace("_", " ")
    return LABELS.get(field, words[:1].upper() + words[1:])


def main_fields(kind: str) -> tuple[str, ...]:
    """Return the fields that stand first; all of them where a kind has few."""
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
    if isinstance(made, forms.JSONField):
        made.required = False  # Django takes an empty list for no answer
    made.help_text = OF_KIND.get((model, name), HINTS.get(name, ""))
    if isinstance(made, forms.CharField) and name in LINES:
        made.widget = forms.Textarea(attrs={"rows": 6, "spellcheck": "false"})
    elif isinstance(made, forms.CharField) and isinstance(made.widget, forms.Textarea):
        made.widget = forms.TextInput()
    return made
