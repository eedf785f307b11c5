"""The parts of a version as lists show them."""

from dataclasses import dataclass
from typing import Final

from django.urls.converters import StringConverter

from products.services.kinds import KINDS, Kind
from products.services.models import Part


class KindConverter(StringConverter):
    """The kind of a part in the path of a page; a kind of log endpoint has a slash."""

    regex = "|".join(sorted(KINDS, key=len, reverse=True))


@dataclass(frozen=True, slots=True)
class ShownPart:
    """A part in a list: how its page is found, and what to say of it; `fields` are those said.

    `key` is its place in the addresses of its pages; of a kind without names it can be anything.
    """

    name: str
    key: str
    code: str = ""
    words: str = ""
    shield: str = ""
    fields: tuple[str, ...] = ()

    def matches(self, query: str) -> bool:
        """Tell whether the name or the summary has a text, in any case."""
        return query.casefold() in f"{self.name} {self.summary}".casefold()

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
    name = row.name if row.declared.has_name else row.declared.label
    return ShownPart(
        name,
        row.key or row.declared.slug,
        words=", ".join(filter(None, words)),
        fields=fields,
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


def label_of(kind: Kind, field: str) -> str:
    """Return the label of a part's field."""
    declared = kind.by_name.get(field)
    return declared.label if declared else kind.name_label
