"""The cost calculator of the review before a product is enabled."""

from django.http import HttpRequest

from products.billing.estimates import estimated
from products.enablement.queries import ProductState
from products.web.forms import CalculatorForm

# The numbers that the calculator starts with.
EXAMPLE_MONTH = {"connections": "1,500,000", "length": "260"}


def calculator_context(request: HttpRequest, state: ProductState) -> dict[str, object]:
    """Return the calculator's form and, if its input is valid, the estimate."""
    if state.price is None or state.price.meter != "connection_time":
        return {}
    typed = request.GET if "connections" in request.GET else EXAMPLE_MONTH
    form = CalculatorForm(typed)
    context: dict[str, object] = {"calculator": form}
    if form.is_valid():
        length = form.cleaned_data["length"]
        context["answer"] = estimated(
            state.price,
            connections=form.cleaned_data["connections"],
            seconds_each=length,
        )
        context["length_seconds"] = length
    return context
