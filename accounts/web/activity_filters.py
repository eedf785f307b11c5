"""The filters of the Activity page: each offers what the account's entries have."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django import forms
from django.core.cache import cache
from django.http import QueryDict

from accounts.actor import ActorType
from accounts.audit.names import product_names
from accounts.audit.queries import Facet, Filters, facets_of
from accounts.audit.reader import end_of
from accounts.audit.sentences import TOLLGATE, actor_words
from accounts.audit.vocabulary import DESCRIPTIONS, Event, Outcome
from accounts.queries import ServiceName
from accounts.web.forms import DateInput

INTERFACES: Final = {
    "web": "Web",
    "api": "API",
    "admin": "Admin",
    "edge": "Edge",
    "command": "Command line",
    "system": "System",
}
# Each group of events begins with one, in the order of the vocabulary.
GROUPS: Final = (
    ("Accounts and members", Event.ACCOUNT_CREATED),
    ("Sign-in and tokens", Event.TOKEN_ISSUED),
    ("Products and the bill", Event.PRODUCT_ENABLED),
    ("Services and versions", Event.SERVICE_CREATED),
    ("Webhooks", Event.WEBHOOK_CREATED),
    ("Prices", Event.CATALOGUE_PRODUCT_ADDED),
    ("Invoices and budget", Event.CONTRACT_ASSIGNED),
    ("Edges and usage", Event.EDGE_CREDENTIAL_ISSUED),
)
ACTOR_GROUPS: Final = {
    ActorType.USER: "People",
    ActorType.TOKEN: "API tokens",
    ActorType.STAFF: "Tollgate staff",
}
ALL_STAFF: Final = ("staff", "All Tollgate staff")
ALL_JOBS: Final = ("system", f"{TOLLGATE} itself")
MAX_ACTORS: Final = 300  # in the list; those with the most entries
MAX_ID_LENGTH: Final = 64  # of the database column
FACETS_SECONDS: Final = 3600

Options = list[tuple[str, Any]]


class ActivityFilterForm(forms.Form):
    """Free text and choices; an entry has to match all of them."""

    q = forms.CharField(
        label="Name, ID or address",
        required=False,
        max_length=255,
        widget=forms.TextInput({"type": "search", "autocomplete": "off"}),
    )
    actor = forms.ChoiceField(label="Who", required=False)
    action = forms.ChoiceField(label="Did what", required=False)
    product = forms.ChoiceField(label="Product", required=False)
    service = forms.ChoiceField(
        label="Service",
        required=False,
        help_text="Of many, the first by name; Text finds each.",
    )
    interface = forms.ChoiceField(label="Through", required=False)
    outcome = forms.ChoiceField(
        label="Result",
        required=False,
        choices=[
            ("", "Any"),
            *((each.value, each.value.capitalize()) for each in Outcome),
        ],
    )
    since = forms.DateField(label="From", required=False, widget=DateInput())
    until = forms.DateField(label="To", required=False, widget=DateInput())

    def __init__(
        self, sent: QueryDict, *, account_id: str, services: Sequence[ServiceName]
    ) -> None:
        super().__init__(sent)
        facets = _facets(account_id)
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

    def filters(self) -> Filters:
        """Return the filters; call it when the form is valid."""
        chosen = self.cleaned_data
        until: date | None = chosen["until"]
        is_type = chosen["actor"] in {ALL_STAFF[0], ALL_JOBS[0]}
        return Filters(
            text=chosen["q"],
            action=chosen["action"],
            actor_type=chosen["actor"] if is_type else "",
            actor_id="" if is_type else chosen["actor"],
            product=chosen["product"],
            service_id=chosen["service"],
            interface=chosen["interface"],
            outcome=chosen["outcome"],
            since=_midnight(chosen["since"]),
            # The last possible day has no next one; then there is no upper limit.
            until=_midnight(until + timedelta(days=1))
            if until and until < date.max
            else None,
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
    starts = {first.value: title for title, first in GROUPS}
    options: Options = []
    group: list[tuple[str, str]] = []
    for event in Event:
        if event.value in starts:
            group = []
            options.append((starts[event.value], group))
        if event.value in counts:
            words = f"{event.description} ({counts[event.value]:,})"
            group.append((event.value, words))
    return [option for option in options if option[1]]


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


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)
