"""Our own endpoints: the decision and the entitlements."""

import pytest

from products.services.models import Backend
from tests.factories.keys import client_of
from tests.factories.services import ServiceFactory, VersionFactory


def test_the_decision_has_all_eight_checks(eve, draft, shop, entitled):
    client_of(eve).put(f"/api/enabled-products/v1/websockets/services/{shop.pk}")
    Backend.objects.update(shield="lon-uk")

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


def test_the_entitlements_list_products_and_the_services_that_have_them(
    una, eve, shop, acme, entitled, fanout
):
    client_of(eve).put(f"/api/enabled-products/v1/websockets/services/{shop.pk}")

    answer = client_of(una).get("/api/v1/entitlements").json()

    products = {each["product"]: each for each in answer["products"]}
    assert answer["account"] == acme.pk
    assert products["websockets"] == {
        "product": "websockets",
        "name": "WebSockets",
        "purchase_mode": "direct",
        "enabled": True,
        "source": "direct",
        "since": "2026-11-22T12:00:00Z",
        "blocked": None,
        "per_service": True,
        "services": [shop.pk],
    }
    assert (products["fanout"]["enabled"], products["fanout"]["since"]) == (False, None)


def test_a_limited_member_does_not_see_other_services(lin, eve, acme, shop, entitled):
    other = ServiceFactory.create(account=acme, name="other")
    client_of(eve).put(f"/api/enabled-products/v1/websockets/services/{other.pk}")

    answer = client_of(lin).get("/api/v1/entitlements").json()

    assert answer["products"][0]["services"] == []
