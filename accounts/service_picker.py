"""A list of services to choose from, for an account of any size: the chosen ones first, then a search."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django import forms
from django.http import QueryDict

from accounts import queries
from accounts.actor import Actor
from accounts.lists import MAX_SEARCH_LENGTH
from accounts.queries import ServiceName
from accounts.roles import AccessLevel

CHOSEN_SHOWN: Final = 30
FOUND_SHOWN: Final = 20
# The names of the search field and of its button, which sends the form without carrying it out.
SEARCH_FIELD: Final = "find"
SEARCH_BUTTON: Final = "search"
# The name of a field with the access level on one service starts with this.
LEVEL_PREFIX: Final = "level_"
LEVELS: Final = [
    ("", "No access"),
    *((each.value, each.value.replace("_", " ").capitalize()) for each in AccessLevel),
]
NO_LEVELS: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class ServicePicker:
    """The services that a form offers, and those that it keeps without showing them."""

    shown: Sequence[ServiceName]
    kept: Sequence[ServiceName]  # chosen, beyond the first
    chosen_count: int
    search: str
    found_count: int  # that match the search
    found_shown: int

    @property
    def services(self) -> list[ServiceName]:
        """Return all services that the form accepts."""
        return [*self.shown, *self.kept]


def pick_services(
    actor: Actor, chosen_ids: Collection[str], data: QueryDict | None = None
) -> ServicePicker:
    """Return the services to offer: the chosen ones, and the first that match what is searched for.

    Ids that the actor may not see are left out. Four queries at most.
    """
    typed = "" if data is None else data.get(SEARCH_FIELD, "")
    search = typed.strip()[:MAX_SEARCH_LENGTH]
    chosen = list(queries.services_of(actor, chosen_ids)) if chosen_ids else []
    count, found = queries.find_services(actor, search, FOUND_SHOWN)
    matching = {each.id for each in found}
    first = {each.id for each in chosen[:CHOSEN_SHOWN]}
    chosen_shown = [each for each in chosen if each.id in first or each.id in matching]
    picked = {each.id for each in chosen}
    return ServicePicker(
        shown=[*chosen_shown, *(each for each in found if each.id not in picked)],
        kept=[each for each in chosen if each not in chosen_shown],
        chosen_count=len(chosen),
        search=search,
        found_count=count,
        found_shown=len(found),
    )


def is_searching(data: QueryDict | None) -> bool:
    """Tell whether a form was sent only to search for services."""
    return data is not None and SEARCH_BUTTON in data


def levels_in(data: QueryDict) -> dict[str, str]:
    """Return the access levels that were chosen in a form, by service id."""
    levels = {
        name.removeprefix(LEVEL_PREFIX): value
        for name, value in data.items()
        if name.startswith(LEVEL_PREFIX) and isinstance(value, str)
    }
    return {service_id: level for service_id, level in levels.items() if level}


def level_fields(
    picker: ServicePicker, levels: Mapping[str, str] = NO_LEVELS
) -> dict[str, forms.Field]:
    """Return a field for the access level on each service; those kept without being shown are hidden."""
    kept = {each.id for each in picker.kept}
    return {
        f"{LEVEL_PREFIX}{each.id}": forms.ChoiceField(
            label=each.name,
            required=False,
            choices=LEVELS,
            initial=levels.get(each.id, ""),
            widget=forms.HiddenInput if each.id in kept else forms.Select,
        )
        for each in picker.services
    }


def chosen_levels(form: forms.Form, picker: ServicePicker) -> dict[str, AccessLevel]:
    """Return the chosen services' ids with their levels."""
    typed = {
        each.id: form.cleaned_data[f"{LEVEL_PREFIX}{each.id}"]
        for each in picker.services
    }
    return {key: AccessLevel(level) for key, level in typed.items() if level}
