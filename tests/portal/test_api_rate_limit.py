"""The rate limits of the API."""

import multiprocessing

from django.test import Client

from accounts.models import User
from portal.api_rate_limit import SharedCounts
from products.services.models import Service
from tests.factories.keys import FORM, client_of


def test_each_read_counts_once_and_not_as_a_write(eve, time_machine):
    time_machine.move_to("2026-11-22T12:30:10Z", tick=False)
    api = client_of(eve)

    first, second = api.get("/api/tokens/self"), api.get("/api/tokens/self")
    write = api.post("/api/service", "name=one", content_type=FORM)

    assert first.headers["Fastly-RateLimit-Remaining"] == "2999"
    assert second.headers["Fastly-RateLimit-Remaining"] == "2998"
    assert second.headers["Fastly-RateLimit-Reset"] == "1795350660"  # 12:31 UTC
    assert write.headers["Fastly-RateLimit-Remaining"] == "999"


def test_past_the_limit_a_read_is_429_until_the_next_minute(
    eve, settings, time_machine
):
    settings.API_READS_PER_MINUTE = 1
    time_machine.move_to("2026-11-22T12:30:40Z", tick=False)
    api = client_of(eve)
    api.get("/api/tokens/self")

    refused = api.get("/api/tokens/self")
    time_machine.move_to("2026-11-22T12:31:00Z", tick=False)
    later = api.get("/api/tokens/self")

    assert (refused.status_code, later.status_code) == (429, 200)
    assert refused.headers["Retry-After"] == "20"
    assert refused.headers["Fastly-RateLimit-Remaining"] == "0"


def test_each_user_has_a_limit_of_reads_of_their_own(eve, sam, settings):
    settings.API_READS_PER_MINUTE = 1
    client_of(eve).get("/api/tokens/self")

    assert client_of(sam).get("/api/tokens/self").status_code == 200


def test_the_limit_of_reads_can_be_off(eve, settings):
    settings.API_READS_PER_MINUTE = 0

    response = client_of(eve).get("/api/tokens/self")

    assert response.status_code == 200
    assert "Fastly-RateLimit-Remaining" not in response.headers


def test_counts_are_shared_by_forked_processes():
    counts = SharedCounts()
    forked = multiprocessing.get_context("fork").Process(
        target=counts.add, args=("eve", 1)
    )
    forked.start()
    forked.join()

    assert counts.add("eve", 1) == 2


def test_a_new_window_starts_at_one_and_uses_old_rows(monkeypatch):
    monkeypatch.setattr(SharedCounts, "ROWS", 2)
    counts = SharedCounts()

    assert [counts.add(key, 1) for key in ("a", "b", "a", "b")] == [1, 1, 2, 2]
    assert counts.add("c", 1) == 0  # the table is full, so it is not counted
    assert [counts.add(key, 2) for key in ("c", "b", "c")] == [1, 1, 2]


def test_each_write_counts_once(eve, time_machine):
    time_machine.move_to("2026-11-22T12:30:00Z", tick=False)
    api = client_of(eve)

    first = api.post("/api/service", "name=one", content_type=FORM)
    second = api.post("/api/service", "", content_type=FORM)

    assert (first.status_code, second.status_code) == (200, 400)
    assert first.headers["Fastly-RateLimit-Remaining"] == "999"
    assert second.headers["Fastly-RateLimit-Remaining"] == "998"
    assert second.headers["Fastly-RateLimit-Reset"] == "1795352400"  # 13:00 UTC


def test_past_the_limit_a_write_is_429_and_changes_nothing(eve, settings):
    settings.API_WRITES_PER_HOUR = 1
    api = client_of(eve)
    api.post("/api/service", "name=one", content_type=FORM)

    response = api.post("/api/service", "name=two", content_type=FORM)

    assert response.status_code == 429
    assert response.json() == {"msg": "Too many requests"}
    assert response.headers["Fastly-RateLimit-Remaining"] == "0"
    assert [row.name for row in Service.objects.all()] == ["one"]


def test_the_count_starts_again_in_the_next_hour(eve, settings, time_machine):
    settings.API_WRITES_PER_HOUR = 1
    api = client_of(eve)
    time_machine.move_to("2026-11-22T12:59:59Z", tick=False)
    api.post("/api/service", "name=one", content_type=FORM)
    time_machine.move_to("2026-11-22T13:00:00Z", tick=False)

    response = api.post("/api/service", "name=two", content_type=FORM)

    assert response.status_code == 200


def test_each_user_has_a_limit_of_their_own(eve, sam, settings):
    settings.API_WRITES_PER_HOUR = 1
    client_of(eve).post("/api/service", "name=one", content_type=FORM)

    response = client_of(sam).post("/api/service", "name=two", content_type=FORM)

    assert response.status_code == 200


def test_past_the_limit_a_form_is_429_until_the_next_minute(
    eve, acme, settings, time_machine
):
    settings.FORMS_PER_MINUTE = 2
    time_machine.move_to("2026-11-22T12:30:40Z", tick=False)
    browser = Client()
    browser.force_login(User.objects.get(pk=eve.user_id))
    names = ("one", "two", "three")

    statuses = [
        browser.post("/services/", {"name": name}).status_code for name in names
    ]
    refused = browser.post("/services/", {"name": "four"})
    read = browser.get("/services/")
    time_machine.move_to("2026-11-22T12:31:00Z", tick=False)
    later = browser.post("/services/", {"name": "five"})

    assert statuses == [303, 303, 429]
    assert (read.status_code, later.status_code) == (200, 303)
    assert refused.headers["Retry-After"] == "60"
    assert "very many forms" in refused.content.decode()
    assert sorted(Service.objects.values_list("name", flat=True)) == [
        "five",
        "one",
        "two",
    ]
