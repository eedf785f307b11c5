"""Form fields of the catalogue and of billing."""

from django import forms

from products.catalogue.money import CURRENCY_NEEDED, is_currency


class CurrencyField(forms.CharField):
    """A currency of ISO 4217; small letters are accepted."""

    def to_python(self, value: object) -> str:
        """Return the code in capital letters. Raises ValidationError for an unknown one."""
        code = str(super().to_python(value)).upper()
        if code and not is_currency(code):
            raise forms.ValidationError(CURRENCY_NEEDED)
        return code
