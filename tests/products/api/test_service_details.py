"""A service with all parts of one of its versions."""

import pytest

from tests.factories.keys import FORM, client_of
from tests.factories.services import (
    HeaderFactory,
    SnippetFactory,
    VersionFactory,
    live_version,
)


def test_the_details_show_all_of_the_active_version(eve, shop):
    version = live_version(shop, "shop.example.com", number=1)
    SnippetFactory.create(version=version)
    HeaderFactory.create(version=version)
    VersionFactory.create(service=shop, number=2)

    details = client_of(eve).get(f"/api/service/{shop.pk}/details").json()

    assert details["active_version"]["number"] == 1
    assert [each["number"] for each in details["versions"]] == [1, 2]
    assert {
        name: len(value)
        for name, value in details["version"].items()
        if isinstance(value, list) and name != "environments"
    } == {
        "acls": 0,
        "backends": 1,
        "cache_settings": 0,
        "conditions": 0,
        "dictionaries": 0,
        "directors": 0,
        "domains": 1,
        "gzips": 0,
        "headers": 1,
        "healthchecks": 0,
        "request_settings": 0,
        "response_objects": 0,
        "snippets": 1,
        "vcls": 0,
        "wordpress": 0,
    }
    assert details["version"]["settings"]["general.default_ttl"] == 3600


def test_the_details_show_the_given_version(eve, shop):
    live_version(shop, "shop.example.com", number=1)
    VersionFactory.create(service=shop, number=2)

    details = client_of(eve).get(f"/api/service/{shop.pk}/details?version=2").json()

    assert details["version"]["number"] == 2
    assert details["active_version"]["number"] == 1


@pytest.mark.parametrize("word", ["true", "True", "1"])
def test_the_details_can_be_filtered_to_the_active_version(eve, shop, word):
    live_version(shop, "shop.example.com", number=2)
    VersionFactory.create(service=shop, number=1)

    answer = client_of(eve).get(
        f"/api/service/{shop.pk}/details?filter[versions.active]={word}"
    )

    assert [each["number"] for each in answer.json()["versions"]] == [2]


def test_a_service_without_an_active_version_has_null_and_shows_the_latest(eve, shop):
    VersionFactory.create(service=shop, number=1)

    details = client_of(eve).get(f"/api/service/{shop.pk}/details").json()

    assert details["active_version"] is None
    assert details["version"]["number"] == 1


def test_a_filter_that_is_not_a_boolean_is_a_400(eve, shop):
    answer = client_of(eve).get(
        f"/api/service/{shop.pk}/details?filter[versions.staged]=null"
    )

    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("filter[versions.staged]: ")


def test_the_details_of_a_compute_service_have_what_it_can_have(eve, acme):
    api = client_of(eve)
    made = api.post("/api/service", "name=edge&type=wasm", FORM).json()

    version = api.get(f"/api/service/{made['id']}/details").json()["version"]

    lists = {name for name, value in version.items() if isinstance(value, list)}
    assert lists == {"backends", "domains", "healthchecks", "environments"}
    assert "settings" not in version
