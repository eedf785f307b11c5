"""The rate limit of API writes."""

from portal import api_rate_limit
from products.services.models import Service
from tests.factories.keys import FORM, client_of


def test_a_read_is_not_counted(eve):
    response = client_of(eve).get("/api/tokens/self")

    assert "Fastly-RateLimit-Remaining" not in response.headers


def test_each_write_counts_once(eve, time_machine):
    time_machine.move_to("2026-11-22T12:30:00Z", tick=False)
    api = client_of(eve)

    first = api.post("/api/service", "name=one", content_type=FORM)
    second = api.post("/api/service", "", content_type=FORM)

    assert (first.status_code, second.status_code) == (200, 400)
    assert first.headers["Fastly-RateLimit-Remaining"] == "999"
    assert second.headers["Fastly-RateLimit-Remaining"] == "998"
    assert second.headers["Fastly-RateLimit-Reset"] == "1795352400"  # 13:00 UTC


def test_past_the_limit_a_write_is_429_and_changes_nothing(eve, monkeypatch):
    monkeypatch.setattr(api_rate_limit, "WRITES_PER_HOUR", 1)
    api = client_of(eve)
    api.post("/api/service", "name=one", content_type=FORM)

    response = api.post("/api/service", "name=two", content_type=FORM)

    assert response.status_code == 429
    assert response.json() == {"msg": "Too many requests"}
    assert response.headers["Fastly-RateLimit-Remaining"] == "0"
    assert [row.name for row in Service.objects.all()] == ["one"]


def test_the_count_starts_again_in_the_next_hour(eve, monkeypatch, time_machine):
    monkeypatch.setattr(api_rate_limit, "WRITES_PER_HOUR", 1)
    api = client_of(eve)
    time_machine.move_to("2026-11-22T12:59:59Z", tick=False)
    api.post("/api/service", "name=one", content_type=FORM)
    time_machine.move_to("2026-11-22T13:00:00Z", tick=False)

    response = api.post("/api/service", "name=two", content_type=FORM)

    assert response.status_code == 200


def test_each_user_has_a_limit_of_their_own(eve, sam, monkeypatch):
    monkeypatch.setattr(api_rate_limit, "WRITES_PER_HOUR", 1)
    client_of(eve).post("/api/service", "name=one", content_type=FORM)

    response = client_of(sam).post("/api/service", "name=two", content_type=FORM)

    assert response.status_code == 200
