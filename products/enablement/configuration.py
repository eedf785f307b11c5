"""The options of products on a service, as data; only some products have any.

Values are text, as Fastly's clients send and read them. Source: the recorded requests of go-fastly
17.2 and Terraform's provider 9.5, and the enumerations of fastly-py 15.0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from accounts.errors import Invalid

MAX_LENGTH = 255
# fastly-py sends the enumerations `off` and `on` as these.
ALIASES: Final = {"false": "off", "true": "on"}


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its default, and its choices or the largest number it can be."""

    default: str = ""
    choices: tuple[str, ...] = ()
    maximum: int | None = None

    def read(self, name: str, value: Any) -> str:
        """Return a value as it is stored. Raises Invalid."""
        if not isinstance(value, str | int):  # also true and false
            raise Invalid(f"{name} must be text.", field=name)
        text = str(value)
        if self.choices:
            text = ALIASES.get(text.lower(), text)
            if text not in self.choices:
                raise Invalid(
                    f"{name} must be one of {', '.join(self.choices)}.", field=name
                )
        elif self.maximum is not None:
            if not (text.isascii() and text.isdigit() and int(text) <= self.maximum):
                raise Invalid(
                    f"{name} must be a number from 0 to {self.maximum}.", field=name
                )
        elif len(text) > MAX_LENGTH:
            raise Invalid(
                f"{name} can have at most {MAX_LENGTH} characters.", field=name
            )
        return text


OPTIONS: Final[Mapping[str, Mapping[str, Option]]] = {
    "ngwaf": {
        "traffic_ramp": Option(default="100", maximum=100),
        "workspace_id": Option(),
    },
    "ddos_protection": {
        "mode": Option(default="log", choices=("off", "log", "block")),
    },
    "bot_management": {
        "contentguard": Option(default="off", choices=("off", "on")),
    },
}
NAMES: Final = frozenset(name for options in OPTIONS.values() for name in options)


def read_configuration(slug: str, sent: Mapping[str, Any]) -> dict[str, str]:
    """Return the product's options that were sent.

    Raises Invalid for an option that only other products have; unknown fields are ignored.
    """
    if foreign := [
        name for name in sent if name in NAMES - OPTIONS.get(slug, {}).keys()
    ]:
        raise Invalid(f"{slug} has no option {foreign[0]}.", field=foreign[0])
    return {
        name: option.read(name, sent[name])
        for name, option in OPTIONS.get(slug, {}).items()
        if sent.get(name) is not None
    }


def whole_configuration(slug: str, stored: Mapping[str, Any]) -> dict[str, str]:
    """Return all options of a product: what is stored, or else the defaults."""
    return {
        name: str(stored.get(name, option.default))
        for name, option in OPTIONS.get(slug, {}).items()
    }
