"""Form fields of the catalogue and of billing."""

from django import forms

from products.catalogue.money import read_currency


class CurrencyField(forms.CharField):
    """A currency of ISO 4217; small letters are accepted."""

    def to_python(self, value: object) -> str:
        """Return the code in capital letters. Raises ValidationError for an unknown one."""
        typed = str(super().to_python(value))
        try:
            return read_currency(typed) if typed else ""
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
