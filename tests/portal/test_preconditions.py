"""Writes under a precondition that cannot hold."""

import pytest

from products.services.models import Service
from tests.factories.keys import FORM, client_of


@pytest.mark.parametrize(
    ("name", "value"),
    [("If-Match", '"abc"'), ("If-Match", 'W/"abc", "d"'), ("If-None-Match", "*")],
)
def test_a_precondition_that_cannot_hold_is_a_412(eve, shop, name, value):
    path, api = f"/api/service/{shop.pk}", client_of(eve)

    answer = api.put(path, "comment=changed", FORM, headers={name: value})

    assert answer.status_code == 412
    assert answer.json()["detail"].startswith(f"{name} cannot hold here")
    assert Service.objects.get(pk=shop.pk).comment == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("If-Match", "*"),
        ("If-None-Match", '"abc"'),
        ("If-Unmodified-Since", "Mon, 01 Jan 2024 00:00:00 GMT"),
    ],
)
def test_a_precondition_that_holds_has_no_effect(eve, shop, name, value):
    path, api = f"/api/service/{shop.pk}", client_of(eve)

    answer = api.put(path, "comment=changed", FORM, headers={name: value})

    assert answer.json()["comment"] == "changed"


def test_a_read_has_no_precondition(eve, shop):
    path = f"/api/service/{shop.pk}"

    answer = client_of(eve).get(path, headers={"If-Match": '"abc"'})

    assert answer.status_code == 200
