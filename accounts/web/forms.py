"""The forms of the account pages. The commands check what is allowed."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from accounts.actor import TokenScope
from accounts.commands.users import MAX_USER_NAME_LENGTH
from accounts.lists import DateInput, ListForm
from accounts.passwords import HELP_TEXT
from accounts.roles import AUTOMATION_ROLES, ROLE_SUMMARIES, AccessLevel, Role
from accounts.service_picker import ServicePicker, chosen_levels, level_fields

ROLES = [(role.value, role.value.capitalize()) for role in Role]
ROLES_WITH_SUMMARIES = [
    (role.value, f"{role.value.capitalize()}: {ROLE_SUMMARIES[role]}") for role in Role
]
SCOPES = {
    TokenScope.GLOBAL: "global: everything that you can do",
    TokenScope.GLOBAL_READ: "global:read: read everything that you can read",
    TokenScope.PURGE_SELECT: "purge_select: purge single objects",
    TokenScope.PURGE_ALL: "purge_all: purge whole services",
}
DEFAULT_LIFETIME = timedelta(days=90)


class RoleForm(forms.Form):
    """A member's new role."""

    role = forms.ChoiceField(
        label="Role", choices=ROLES_WITH_SUMMARIES, widget=forms.RadioSelect
    )


class MemberListForm(ListForm):
    """The search and filters of the list of members."""

    role = forms.ChoiceField(
        label="Role", required=False, choices=[("", "Any"), *ROLES]
    )
    can = forms.ChoiceField(
        label="Can",
        required=False,
        choices=[("", "Anything"), ("configure", "Configure services")],
    )
    sort = forms.ChoiceField(
        label="Order",
        required=False,
        choices=[("", "By name"), ("new", "Newest first")],
    )


class InviteForm(forms.Form):
    """An email address to invite, and its role."""

    email = forms.EmailField(
        label="Email", max_length=254, widget=forms.EmailInput({"autocomplete": "off"})
    )
    role = forms.ChoiceField(
        label="Role",
        choices=ROLES_WITH_SUMMARIES,
        initial=Role.USER.value,
        widget=forms.RadioSelect,
    )
    limit_services = forms.BooleanField(
        label="Limit to chosen services",
        required=False,
        help_text="For engineers and users. They see only the services that you choose below.",
    )

    def __init__(self, *args: Any, picker: ServicePicker, **initial: Any) -> None:
        super().__init__(*args, **initial)
        self.picker = picker
        self.fields |= level_fields(picker)

    def clean(self) -> dict[str, Any]:
        """Refuse chosen services without the limit: the invitation would be for all of them."""
        sent = self.cleaned_data
        if not self.errors and self.levels and not sent["limit_services"]:
            self.add_error(
                "limit_services", "Select this for chosen services, or choose none."
            )
        return sent

    @property
    def levels(self) -> dict[str, AccessLevel]:
        """Return the chosen services' ids with their levels."""
        return chosen_levels(self, self.picker)


class JoinForm(forms.Form):
    """A new user's name and password."""

    name = forms.CharField(
        label="Your name",
        max_length=MAX_USER_NAME_LENGTH,
        widget=forms.TextInput({"autocomplete": "name"}),
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        help_text=HELP_TEXT,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )


class TokenForm(forms.Form):
    """A new token's name, scope, services and expiry."""

    is_automation = False
    name = forms.CharField(
        label="Name",
        max_length=MAX_USER_NAME_LENGTH,
        help_text="What it is for, so that you know what stops working when you revoke it.",
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    scope = forms.ChoiceField(label="Scope", choices=list(SCOPES.items()))
    services = forms.MultipleChoiceField(
        label="Services",
        required=False,
        help_text="Choose none for all services, including future ones.",
        widget=forms.CheckboxSelectMultiple,
    )
    expires_on = forms.DateField(
        label="Last day",
        help_text="Valid through the end of this day in your time zone. At most one year.",
        widget=DateInput(),
    )

    def __init__(
        self, *args: Any, picker: ServicePicker, today: date, **initial: Any
    ) -> None:
        super().__init__(*args, **initial)
        self.picker = picker
        self.fields["expires_on"].initial = today + DEFAULT_LIFETIME
        field = self.fields["services"]
        assert isinstance(field, forms.MultipleChoiceField)  # noqa: S101 - for the type alone
        field.choices = [(service.id, service.name) for service in picker.services]
        # Those that are kept without being shown are hidden fields.
        field.widget.choices = [(each.id, each.name) for each in picker.shown]

    @property
    def expires_at(self) -> datetime:
        """Return the end of the last day."""
        following = self.cleaned_data["expires_on"] + timedelta(days=1)
        return timezone.make_aware(datetime.combine(following, time()))

    @property
    def wanted(self) -> dict[str, Any]:
        """Return what the command gets; raises KeyError unless the form is valid."""
        chosen = {
            name: self.cleaned_data[name] for name in ("name", "scope", "services")
        }
        return chosen | {"expires_at": self.expires_at}


SCOPES_OF_ROLE = SCOPES | {
    TokenScope.GLOBAL: "global: everything that its role can do",
    TokenScope.GLOBAL_READ: "global:read: read everything that its role can read",
}


class AutomationTokenForm(TokenForm):
    """A new automation token: as a token, with a role of its own."""

    is_automation = True
    scope = forms.ChoiceField(label="Scope", choices=list(SCOPES_OF_ROLE.items()))
    role = forms.ChoiceField(
        label="Role",
        choices=[(role.value, role.value.capitalize()) for role in AUTOMATION_ROLES],
        help_text="What the token can do, also when its creator leaves the account.",
    )

    @property
    def wanted(self) -> dict[str, Any]:
        """Return what the command gets."""
        return super().wanted | {"role": self.cleaned_data["role"]}
