"""`/api/v1/decision`: the eight checks, and the status that CI reads."""

import pytest

from tests.factories.keys import client_of
from tests.factories.services import VersionFactory, parts, set_values


def test_the_decision_has_all_eight_checks(eve, draft, shop, entitled):
    client_of(eve).put(f"/api/enabled-products/v1/websockets/services/{shop.pk}")
    set_values(parts("backend"), shield="lon-uk")

    answer = client_of(eve).get(f"/api/v1/decision?service={shop.pk}&version=1").json()

    assert (answer["service"], answer["version"]) == (shop.pk, 1)
    assert (answer["allowed"], answer["uses_websockets"]) == (False, True)
    assert [each["check"] for each in answer["checks"]] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [each["passed"] for each in answer["checks"]] == [True] * 7 + [False]
    (problem,) = answer["checks"][7]["problems"]
    assert (problem["rule"], problem["field"]) == ("R6", "shield")
    assert problem["remedy"]


def test_checks_about_websockets_do_not_apply_to_a_plain_version(eve, draft, shop):
    answer = client_of(eve).get(f"/api/v1/decision?service={shop.pk}").json()

    assert (answer["allowed"], answer["uses_websockets"]) == (True, False)
    assert [each["check"] for each in answer["checks"] if each["passed"] is None] == [
        2,
        3,
        6,
        8,
    ]


def test_without_a_number_the_decision_is_about_the_latest_version(eve, draft, shop):
    VersionFactory.create(service=shop, number=4)

    answer = client_of(eve).get(f"/api/v1/decision?service={shop.pk}").json()

    assert answer["version"] == 4


def test_the_decision_for_a_user_fails_on_the_role(una, draft, shop):
    answer = client_of(una).get(f"/api/v1/decision?service={shop.pk}").json()

    assert answer["allowed"] is False
    assert [each["check"] for each in answer["checks"] if each["passed"] is False] == [
        4
    ]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("service=", 400),
        ("service=none", 404),
        ("service={}&version=x", 400),
    ],
)
def test_a_decision_without_a_valid_service_and_version_is_refused(
    eve, draft, shop, query, status
):
    answer = client_of(eve).get(f"/api/v1/decision?{query.format(shop.pk)}")

    assert answer.status_code == status


def test_another_account_s_decision_does_not_exist(stan, draft, shop):
    answer = client_of(stan).get(f"/api/v1/decision?service={shop.pk}")

    assert answer.status_code == 404


def test_strict_turns_a_refusal_into_a_409_with_all_checks(una, draft, shop):
    path = f"/api/v1/decision?service={shop.pk}"

    answer = client_of(una).get(f"{path}&strict=1")

    body = answer.json()
    relaxed = client_of(una).get(path).json()
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        409,
        "application/problem+json",
    )
    assert (body["code"], body["status"]) == ("not_allowed", 409)
    assert body["detail"] == relaxed["checks"][3]["reason"]
    assert body["checks"] == relaxed["checks"]


@pytest.mark.parametrize("strict", ["1", "true"])
def test_strict_changes_nothing_if_the_version_can_be_activated(
    eve, draft, shop, strict
):
    path = f"/api/v1/decision?service={shop.pk}"

    answer = client_of(eve).get(f"{path}&strict={strict}")

    assert answer.status_code == 200
    assert answer.json() == client_of(eve).get(path).json()
