"""The forms of the product pages: plain, checked, never saving anything themselves."""

from typing import Any

from django import forms

from products.enablement.models import Enablement

MAX_CONNECTIONS = 10**12
MAX_SECONDS = 31 * 24 * 3600


class PlainNumber(forms.IntegerField):
    """A whole number that people may write with separators: 1,500,000."""

    def clean(self, value: Any) -> int:
        """Return the number without the separators."""
        if isinstance(value, str):
            value = value.replace(",", "").replace(" ", "").replace("_", "")
        number: int = super().clean(value)
        return number


class CalculatorForm(forms.Form):
    """Works out a month; sent by GET, changes nothing."""

    connections = PlainNumber(
        label="Connections a month",
        min_value=0,
        max_value=MAX_CONNECTIONS,
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
    )
    length = PlainNumber(
        label="Each lasts, in seconds",
        min_value=0,
        max_value=MAX_SECONDS,
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
    )


class EnableForm(forms.Form):
    """The agreement to a change of the bill (R5); never ticked beforehand."""

    agreed_text = forms.CharField(widget=forms.HiddenInput, max_length=2000)
    reason = forms.CharField(
        label="Reason",
        required=False,
        max_length=500,
        help_text="Kept in the audit trail.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    agree = forms.BooleanField(
        label="I understand",
        error_messages={
            "required": "Tick this to agree to the change of the monthly bill."
        },
    )


class DisableForm(forms.Form):
    """How a product is switched off; `must_type` is to be typed where connections may be open."""

    drain_mode = forms.ChoiceField(
        label="Connections that are open",
        choices=[
            (
                Enablement.DrainMode.DRAIN,
                "Close them after 60 seconds. New ones are refused at once.",
            ),
            (
                Enablement.DrainMode.CUT,
                "Close them now. New ones are refused at once.",
            ),
            (
                Enablement.DrainMode.KEEP,
                "Let them end by themselves. New ones are refused; open ones are billed while they last.",
            ),
        ],
        initial=Enablement.DrainMode.DRAIN,
        widget=forms.RadioSelect,
    )
    reason = forms.CharField(
        label="Reason",
        required=False,
        max_length=500,
        help_text="Kept in the audit trail.",
    )

    def __init__(self, *args: Any, must_type: str = "") -> None:
        super().__init__(*args)
        self.must_type = must_type
        if must_type:
            self.fields["typed"] = forms.CharField(
                label=f"Type {must_type} to confirm",
                help_text="Connections are open now, or may be at an edge that is silent.",
                widget=forms.TextInput(attrs={"autocomplete": "off"}),
            )

    def clean_typed(self) -> str:
        """Return what was typed. Raises ValidationError where it is not what was asked for."""
        typed = str(self.cleaned_data["typed"])
        if typed.casefold() != self.must_type.casefold():
            raise forms.ValidationError(f"Type the name as it stands: {self.must_type}")
        return typed


class RequestForm(forms.Form):
    """Asking for a product."""

    note = forms.CharField(label="What for", required=False, max_length=500)
