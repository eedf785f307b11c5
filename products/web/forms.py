"""The forms of the product pages. The commands check how long reasons and notes are."""

from typing import Any

from django import forms

from products.billing.estimates import MAX_CONNECTIONS, MAX_SECONDS_EACH
from products.enablement.models import DRAIN_TIME, Enablement

DRAIN_SECONDS = int(DRAIN_TIME.total_seconds())


class PlainNumber(forms.IntegerField):
    """A whole number that can be typed with separators: 1,500,000."""

    def clean(self, value: Any) -> int:
        """Return the number without the separators."""
        if isinstance(value, str):
            value = value.replace(",", "").replace(" ", "").replace("_", "")
        number: int = super().clean(value)
        return number


class CalculatorForm(forms.Form):
    """Estimates a month; sent by GET, changes nothing."""

    connections = PlainNumber(
        label="Connections per month",
        min_value=0,
        max_value=MAX_CONNECTIONS,
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
    )
    length = PlainNumber(
        label="Average length in seconds",
        min_value=0,
        max_value=MAX_SECONDS_EACH,
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
    )


class EnableForm(forms.Form):
    """The agreement to a change of the bill (R5); the box is never ticked in advance."""

    agreed_text = forms.CharField(widget=forms.HiddenInput, max_length=2000)
    reason = forms.CharField(
        label="Reason",
        required=False,
        help_text="Kept in the audit trail.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    agree = forms.BooleanField(
        label="I understand",
        error_messages={
            "required": "Select this to agree to the change of the monthly bill."
        },
    )


class TrialForm(forms.Form):
    """The agreement to how a trial ends (R18)."""

    agreed_text = forms.CharField(widget=forms.HiddenInput, max_length=2000)
    agree = forms.BooleanField(
        label="I understand",
        error_messages={"required": "Select this to confirm how the trial ends."},
    )


class ConfirmForm(forms.Form):
    """Confirms what ends connections; `must_type` has to be typed if some may be open."""

    def __init__(self, *args: Any, must_type: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.must_type = must_type
        if must_type:
            self.fields["typed"] = forms.CharField(
                label=f"Type {must_type} to confirm",
                help_text="Required because connections are open, or may be open at an edge that isn't "
                "reporting.",
                widget=forms.TextInput(
                    attrs={"autocomplete": "off", "data-not-kept": ""}
                ),
            )

    def clean_typed(self) -> str:
        """Return what was typed. Raises ValidationError unless it is `must_type`."""
        typed = str(self.cleaned_data["typed"])
        if typed.casefold() != self.must_type.casefold():
            raise forms.ValidationError(f"Type {self.must_type} exactly.")
        return typed


class DeactivateForm(ConfirmForm):
    """How to deactivate a version."""

    comment = forms.CharField(
        label="Comment",
        required=False,
        help_text="Kept with the deployment and in the audit trail.",
    )


class DisableForm(ConfirmForm):
    """How to disable a product."""

    drain_mode = forms.ChoiceField(
        label="Open connections",
        choices=[
            (
                Enablement.DrainMode.DRAIN,
                f"Close them after {DRAIN_SECONDS} seconds. They are billed until they close.",
            ),
            (
                Enablement.DrainMode.CUT,
                "Close them now. Usage until now is billed.",
            ),
            (
                Enablement.DrainMode.KEEP,
                "Let them end. They are billed until they close.",
            ),
        ],
        help_text="New connections are refused immediately.",
        initial=Enablement.DrainMode.DRAIN,
        widget=forms.RadioSelect,
    )
    reason = forms.CharField(
        label="Reason",
        required=False,
        help_text="Kept in the audit trail.",
    )

    def __init__(self, *args: Any, is_trial: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["drain_mode"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type alone
        if is_trial:  # nothing is billed, and nothing can continue
            field.choices = [
                (
                    Enablement.DrainMode.DRAIN,
                    f"Close them after {DRAIN_SECONDS} seconds.",
                ),
                (Enablement.DrainMode.CUT, "Close them now."),
            ]


class RequestForm(forms.Form):
    """A request for a product."""

    note = forms.CharField(required=False)
