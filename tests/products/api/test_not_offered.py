"""Paths of Fastly's API that are not offered say so, unlike paths that do not exist."""

import importlib
import pkgutil
import re
import warnings
from pathlib import Path

import pytest
from django.test import Client
from django.urls import Resolver404, resolve

from products.api.not_offered import NOT_OFFERED

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastly.api

PARAMETER = re.compile(r"\{[^}]*\}")
ENDPOINT = re.compile(r"'endpoint_path': '([^']+)'")
# Only Fastly's command line and Go client know these.
NOT_IN_FASTLY_PY = {
    "alerts",
    "billing/year",
    "dns",
    "notifications",
    "service/*/log_stream",
}


def paths_of_fastly_py():
    found = set()
    for module in pkgutil.iter_modules(fastly.api.__path__):
        source = importlib.util.find_spec(f"fastly.api.{module.name}").origin
        found |= set(ENDPOINT.findall(Path(source).read_text(encoding="utf-8")))
    return sorted(found)


def is_routed(path):
    try:
        resolve(f"/api/{path}")
    except Resolver404:
        return False
    return True


@pytest.mark.parametrize("pattern", NOT_OFFERED)
def test_a_path_that_is_not_offered_says_why(db, pattern):
    path = pattern.replace("*", "1")

    answer = Client().post(f"/api/{path}")

    assert answer.status_code == 404
    assert answer.json()["detail"] == (
        f"Tollgate does not offer POST /{path}. {NOT_OFFERED[pattern]}"
    )


@pytest.mark.parametrize("pattern", NOT_OFFERED)
def test_no_path_that_is_offered_is_in_the_list(pattern):
    assert not is_routed(pattern.replace("*", "1"))


@pytest.mark.parametrize("path", ["service/1/purgeall", "purg", "tlss", "v1/domain"])
def test_a_mistyped_path_does_not_exist(db, path):
    answer = Client().get(f"/api/{path}")

    assert answer.json()["detail"] == "There is no such path."


def test_every_pattern_is_a_path_that_a_client_knows():
    starts = {
        "/".join(
            PARAMETER.sub("*", path).strip("/").split("/")[: len(pattern.split("/"))]
        )
        for pattern in NOT_OFFERED
        for path in paths_of_fastly_py()
    }

    assert set(NOT_OFFERED) - starts == NOT_IN_FASTLY_PY
