"""The filters of the Activity page: each offers what the account's entries have."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from django import forms
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import QueryDict

from accounts import queries
from accounts.actor import TOLLGATE, Actor, ActorType, actor_words
from accounts.audit.names import product_names
from accounts.audit.queries import Facet, Filters, facets_of
from accounts.audit.reader import end_of
from accounts.audit.vocabulary import DESCRIPTIONS, Event
from accounts.lists import MAX_SEARCH_LENGTH, ListForm
from accounts.trail_form import INTERFACES, Options, TrailForm, grouped_events

ACTOR_GROUPS: Final = {
    ActorType.USER: "People",
    ActorType.TOKEN: "API tokens",
    ActorType.STAFF: "Tollgate staff",
}
ALL_STAFF: Final = ("staff", "All Tollgate staff")
ALL_JOBS: Final = ("system", f"{TOLLGATE} itself")
MAX_ACTORS: Final = 300  # in the list; those with the most entries
SERVICES_OFFERED: Final = 50  # in a list; with more, a name or an id is typed
MAX_ID_LENGTH: Final = 64  # of the database column
FACETS_SECONDS: Final = 3600


class ActivityFilterForm(TrailForm, ListForm):
    """Free text and choices; an entry has to match all of them."""

    actor = forms.ChoiceField(label="Who", required=False)
    product = forms.ChoiceField(label="Product", required=False)
    service = forms.ChoiceField(label="Service", required=False)
    sort = forms.ChoiceField(
        label="Order",
        required=False,
        choices=[("", "Newest first"), ("old", "Oldest first")],
    )
    field_order = ("q", "actor", "action", "product", "service", "interface", "outcome")

    def __init__(self, sent: QueryDict, *, account_id: str, actor: Actor) -> None:
        super().__init__(sent)
        self._actor = actor
        facets = _facets(account_id)
        count, services = queries.find_services(actor, "", SERVICES_OFFERED)
        options: Mapping[str, Options] = {
            "actor": [("", "Anyone"), *_actors(facets, sent.get("actor", ""))],
            "action": [("", "Anything"), *_actions(facets, sent.get("action", ""))],
            "product": [("", "All"), *_products(facets, sent.get("product", ""))],
            "service": [("", "All"), *((each.id, each.name) for each in services)],
            "interface": [
                ("", "Any"),
                *_interfaces(facets, sent.get("interface", "")),
            ],
        }
        for name, choices in options.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type alone
            field.choices = choices
        if count > len(services):
            self.fields["service"] = forms.CharField(
                label="Service (name or ID)",
                required=False,
                max_length=MAX_SEARCH_LENGTH,
                widget=forms.TextInput({"type": "search", "autocomplete": "off"}),
            )

    def clean_service(self) -> str:
        """Return the id of the service. Raises ValidationError if what was typed fits several."""
        typed: str = self.cleaned_data["service"]
        if not typed or isinstance(self.fields["service"], forms.ChoiceField):
            return typed
        count, found = queries.find_services(self._actor, typed, SERVICES_OFFERED)
        exact = [each for each in found if typed in {each.id, each.name}]
        fitting = exact or found
        if len(fitting) > 1:
            raise ValidationError(
                f"{count:,} services match. Enter more of the name, or the ID."
            )
        # The id of a deleted service finds its entries, though it names no service.
        return fitting[0].id if fitting else typed

    def filters(self) -> Filters:
        """Return the filters; call it when the form is valid."""
        chosen = self.cleaned_data
        is_type = chosen["actor"] in {ALL_STAFF[0], ALL_JOBS[0]}
        return replace(
            super().filters(),
            text=chosen["q"],
            actor_type=chosen["actor"] if is_type else "",
            actor_id="" if is_type else chosen["actor"],
            product=chosen["product"],
            service_id=chosen["service"],
        )


def _facets(account_id: str) -> list[Facet]:
    """Return the account's facets; they are counted again when it has new entries."""
    key = f"facets:{account_id}:{end_of(account_id)}"
    found: list[Facet] | None = cache.get(key)
    if found is None:
        found = facets_of(account_id)
        cache.set(key, found, FACETS_SECONDS)
    return found


def _actors(facets: Iterable[Facet], chosen: str) -> Options:
    """Return everyone whom the trail names as an actor, also former members, in groups."""
    labels: dict[tuple[str, str], str] = {}
    counts: dict[tuple[str, str], int] = {}
    for facet in facets:
        key = (facet.actor_type, facet.actor_id)
        labels[key] = facet.actor_label
        failed = facet.action == Event.USER_LOGIN_FAILED
        counts[key] = counts.get(key, 0) + (0 if failed else facet.count)
    most = sorted(counts, key=lambda key: -counts[key])[:MAX_ACTORS]
    options: Options = []
    for kind, title in ACTOR_GROUPS.items():
        people = sorted(
            (actor_words(kind, labels[key]), key[1]) for key in most if key[0] == kind
        )
        found = [(actor_id, words) for words, actor_id in people]
        if found and kind is ActorType.STAFF:
            found.insert(0, ALL_STAFF)
        if found:
            options.append((title, found))
    if any(kind == ActorType.SYSTEM for kind, _ in counts):
        options.append(ALL_JOBS)
    return _with_chosen(options, chosen)


def _with_chosen(options: Options, chosen: str) -> Options:
    """Add an id that a link names and no entry has."""
    known = {
        value
        for title, group in options
        for value in (
            [each[0] for each in group] if isinstance(group, list) else [title]
        )
    }
    is_id = chosen.isprintable() and 0 < len(chosen) <= MAX_ID_LENGTH
    if not is_id or chosen in known:
        return options
    return [*options, (chosen, f"{chosen} (no entries)")]


def _actions(facets: Iterable[Facet], chosen: str) -> Options:
    """Return the events that occur, with their counts, in groups."""
    counts: dict[str, int] = {}
    for facet in facets:
        counts[facet.action] = counts.get(facet.action, 0) + facet.count
    if chosen in DESCRIPTIONS:
        counts.setdefault(chosen, 0)
    words = {
        name: f"{DESCRIPTIONS[name]} ({count:,})"
        for name, count in counts.items()
        if name in DESCRIPTIONS
    }
    return grouped_events(counts, words)


def _products(facets: Iterable[Facet], chosen: str) -> Options:
    slugs = {facet.product for facet in facets if facet.product}
    names = product_names({*slugs, chosen} - {""})
    known = slugs | names.keys()
    return sorted(
        ((slug, names.get(slug, slug)) for slug in known), key=lambda each: each[1]
    )


def _interfaces(facets: Iterable[Facet], chosen: str) -> Options:
    used = {facet.interface for facet in facets} | {chosen}
    return [(value, words) for value, words in INTERFACES.items() if value in used]
