"""Importing a backend of another service into a draft."""

import re

import pytest
from django.urls import reverse

from tests.factories.services import (
    BackendFactory,
    ServiceFactory,
    live_version,
    parts,
    set_values,
)
from tests.products.web.conftest import actions_of, queries_of, text_of

SECRET = "-----BEGIN PRIVATE KEY-----"


@pytest.fixture
def page(draft):
    return reverse("add_part", args=[draft.service_id, draft.number, "backend"])


@pytest.fixture
def source(acme):
    service = ServiceFactory.create(account=acme, name="source")
    version = live_version(service, "source.example.com")
    set_values(
        parts("backend", version=version),
        address="eu.example.com",
        port=8443,
        connect_timeout=4321,
        ssl_client_key=SECRET,
        ssl_client_cert="-----BEGIN CERTIFICATE-----",
        healthcheck="ping",
    )
    return service


def values_in(answer):
    """Return the values of a page's inputs by name."""
    inputs = re.findall(r"<input[^>]*>", answer.content.decode())
    found = [dict(re.findall(r'(\w+)="([^"]*)"', each)) for each in inputs]
    return {each["name"]: each.get("value", "") for each in found if "name" in each}


def test_a_service_then_its_backend_is_chosen(browser, eve, page, source):
    client = browser(eve)

    start, services = client.get(page), client.get(page, {"find": "sour"})
    backends = client.get(page, {"from": source.pk})
    copied = client.get(page, {"from": source.pk, "backend": "origin"})

    assert "Import a backend from another service…" in text_of(start)
    assert "source version 1 is active" in text_of(services)
    assert "origin eu.example.com" in text_of(backends)
    values = values_in(copied)
    assert (values["name"], values["address"]) == ("origin", "eu.example.com")
    assert (values["port"], values["connect_timeout"]) == ("8443", "4321")


def test_secrets_certificates_and_other_parts_are_not_copied(
    browser, eve, page, source
):
    answer = browser(eve).get(page, {"from": source.pk, "backend": "origin"})

    assert b"BEGIN PRIVATE" not in answer.content
    assert b"BEGIN CERTIFICATE" not in answer.content
    assert b'value="ping"' not in answer.content


def test_the_copy_is_added_as_if_it_were_typed(browser, eve, acme, draft, page, source):
    client = browser(eve)
    address = f"{page}?from={source.pk}&backend=origin"
    typed = values_in(client.get(address)) | {"name": "copied", "use_ssl": "on"}

    answer = client.post(address, typed)

    assert answer.status_code == 303
    [added] = parts("backend", version=draft, name="copied")
    assert (added.value("address"), added.value("port")) == ("eu.example.com", 8443)
    assert (added.value("connect_timeout"), added.value("ssl_client_key")) == (
        4321,
        None,
    )
    assert actions_of(acme)[-1] == "backend.created"


def test_only_what_the_actor_may_see_is_offered(
    browser, eve, lin, globex, shop, echo, page, source
):
    foreign = ServiceFactory.create(account=globex, name="foreign")
    live_version(foreign, "foreign.example.com")
    own_page = reverse("add_part", args=[shop.pk, 1, "backend"])
    live_version(shop, "shop.example.com")
    live_version(echo, "echo.example.com", number=2)

    listed = browser(eve).get(page, {"find": ""}).content.decode()
    assert re.findall(r'href="\?from=(\w+)"', listed) == [shop.pk, source.pk]
    assert browser(eve).get(page, {"from": foreign.pk}).status_code == 404
    assert browser(lin).get(own_page, {"from": source.pk}).status_code == 403
    assert (
        browser(eve).get(page, {"from": source.pk, "backend": "x"}).status_code == 404
    )


def test_a_service_without_an_active_version_has_nothing_to_import(
    browser, eve, page, shop
):
    assert "No active version of shop has a backend." in text_of(
        browser(eve).get(page, {"from": shop.pk})
    )


def test_many_services_and_backends_are_searched(browser, eve, acme, page, source):
    client = browser(eve)
    [version] = source.versions.all()
    few = queries_of(client, f"{page}?from={source.pk}")
    for number in range(30):
        BackendFactory.create(version=version, name=f"other-{number:02}")

    assert "And 11 more." in text_of(client.get(page, {"from": source.pk}))
    found = text_of(client.get(page, {"from": source.pk, "find": "other-29"}))
    assert "other-29" in found
    assert "other-28" not in found
    assert queries_of(client, f"{page}?from={source.pk}") == few
