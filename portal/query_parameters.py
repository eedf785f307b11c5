"""Refuses query parameters that an operation of the API does not have, and those sent twice.

Without an effect they would be misread: a list whose filter is misspelt would be the whole list,
and usage of a month that is misspelt that of the current one. The tables of `portal.openapi` say
what an operation has.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from django.http import HttpRequest, HttpResponse

from accounts.errors import Invalid
from portal.error_responses import error_response, refusal
from portal.openapi.operations import described, endpoints
from portal.openapi.schemas import query_names
from products.protocol import API_PATH

# A route, the kind or action in its path, and a method.
Operation = tuple[str, str, str]
MAX_NAME_SHOWN: Final = 100
View = Callable[..., HttpResponse]


class query_parameters:  # noqa: N801 - the settings name it beside functions
    """Middleware that refuses query parameters without effect."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: Any, kwargs: Mapping[str, Any]
    ) -> HttpResponse | None:
        """Return a 400 that names what was refused; None lets the view respond."""
        if not request.GET or not request.path.startswith(API_PATH):
            return None
        known = names_by_operation().get(_operation(request, kwargs))
        refused = None if known is None else _refused(request, known)
        if refused is None:
            return None
        view_class = getattr(view, "view_class", None)
        return error_response(request, refusal(refused), view_class)


def _operation(request: HttpRequest, kwargs: Mapping[str, Any]) -> Operation:
    route = request.resolver_match.route if request.resolver_match else ""
    method = "GET" if request.method == "HEAD" else str(request.method)
    return route, _word(kwargs), method


def _word(values: Mapping[str, Any]) -> str:
    return str(values.get("kind") or values.get("action") or "")


@cache
def names_by_operation() -> Mapping[Operation, tuple[str, ...]]:
    """Return the query parameters of each operation, in the order in which they are described."""
    return {
        (each.route, _word(each.values), method): query_names(described(each, method))
        for each in endpoints()
        for method in each.methods
    }


def _refused(request: HttpRequest, known: tuple[str, ...]) -> Invalid | None:
    unknown = [name[:MAX_NAME_SHOWN] for name in request.GET if name not in known]
    if unknown:
        use = f"Use {', '.join(known)}." if known else "Use none here."
        problem = f"Unknown query parameters: {', '.join(unknown)}. {use}"
        return Invalid(problem, field=unknown[0])
    twice = [name for name in request.GET if len(request.GET.getlist(name)) > 1]
    if twice:
        return Invalid(f"Send {', '.join(twice)} once only.", field=twice[0])
    return None
