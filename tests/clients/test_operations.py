"""Every operation that Fastly's Python client knows is routed, or says why it is not offered."""

import importlib
import pkgutil
import re
import warnings
from functools import cache
from typing import Any

from django.test import Client
from django.urls import Resolver404, resolve

from products.api.not_offered import reason_not_offered
from tests.access.routes import all_routes

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastly
    import fastly.api

BASE = "/api"
# Parameters of the client that are whole numbers here.
NUMBERS = {
    "version_id",
    "from_version_id",
    "to_version_id",
    "timestamp_in_seconds",
    "max_entries",
    "invoice_id",
}
# Routes that the Python client does not know, and who does.
OWN = re.compile(
    r"api/(v1/(?!channel|domains|origins)|edge/)"  # Tollgate's own
    r"|api/(verify|realms/)"  # the command line
    r"|api/v1/channel/<str:service_id>/ts/<int:second>/limit/"  # go-fastly
    r"|api/enabled-products/<str:slug>"  # clients before v1
)
Operation = tuple[str, str]  # method and path
PARAMETER = re.compile(r"\{(\w+)\}")


@cache
def client_endpoints():
    """Return the endpoints of all API classes of the client, by operation."""
    found: dict[Operation, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = fastly.ApiClient()
        for module in pkgutil.iter_modules(fastly.api.__path__):
            loaded = importlib.import_module(f"fastly.api.{module.name}")
            for name, kind in vars(loaded).items():
                if isinstance(kind, type) and name.endswith("Api"):
                    found |= endpoints_of(kind(client))
    return found


def endpoints_of(api):
    found = [each for name, each in vars(api).items() if name.endswith("_endpoint")]
    return {
        (each.settings["http_method"], each.settings["endpoint_path"]): each
        for each in found
    }


def operations() -> frozenset[Operation]:
    return frozenset(client_endpoints())


def example(path):
    """Return a URL of a path; its parameters are 1 or `x`."""
    named = PARAMETER.sub(lambda m: "1" if m[1] in NUMBERS else "x", path)
    return f"{BASE}{named}"


def is_routed(operation):
    method, path = operation
    try:
        view = resolve(example(path)).func.view_class
    except Resolver404:
        return False
    return hasattr(view, method.lower())


def test_every_operation_is_routed_or_has_a_reason_why_it_is_not_offered():
    unrouted = {each for each in operations() if not is_routed(each)}
    explained = {
        (method, path) for method, path in unrouted if reason_not_offered(path)
    }

    assert len(operations()) > 600
    assert sorted(unrouted - explained) == []


def test_every_route_is_known_to_the_client_or_one_of_tollgates_own():
    routed = {
        resolve(example(path)).route
        for method, path in operations()
        if is_routed((method, path))
    }

    unknown = {route.pattern for route in all_routes() if route.is_api} - routed

    assert {each for each in unknown if not OWN.match(each)} == set()


def test_a_mistyped_path_does_not_exist():
    answer = Client().get("/api/datacentres")

    assert answer.json()["detail"] == "There is no such path."
