"""The filters that Activity and the admin's list of entries share."""

from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from django import forms
from django.utils import timezone

from accounts.audit.queries import Filters
from accounts.audit.vocabulary import Event, Outcome
from accounts.lists import DateInput

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

Options = list[tuple[str, Any]]


class TrailForm(forms.Form):
    """What happened, through what, with which result and when."""

    action = forms.ChoiceField(label="Did what", required=False)
    interface = forms.ChoiceField(
        label="Through", required=False, choices=[("", "Any"), *INTERFACES.items()]
    )
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

    def filters(self) -> Filters:
        """Return the filters; call it when the form is valid."""
        chosen = self.cleaned_data
        until: date | None = chosen["until"]
        return Filters(
            action=chosen["action"],
            interface=chosen["interface"],
            outcome=chosen["outcome"],
            since=_midnight(chosen["since"]),
            # The last possible day has no next one; then there is no upper limit.
            until=_midnight(until + timedelta(days=1))
            if until and until < date.max
            else None,
        )


def grouped_events(events: Collection[str], words: dict[str, str]) -> Options:
    """Return choices of some events, in groups; `words` replaces the description of an event."""
    starts = {first.value: title for title, first in GROUPS}
    options: Options = []
    group: list[tuple[str, str]] = []
    for event in Event:
        if event.value in starts:
            group = []
            options.append((starts[event.value], group))
        if event.value in events:
            group.append((event.value, words.get(event.value, event.description)))
    return [option for option in options if option[1]]


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else timezone.make_aware(datetime.combine(day, time()))
