"""`Idempotency-Key`: a call with the same key has one effect."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.audit.models import AuditEvent
from accounts.commands import kept_responses
from accounts.ids import derived_id
from accounts.models import ApiToken, KeptResponse
from products.services.models import Service
from tests.factories.keys import FORM, client_of

PATH = "/api/service"


@pytest.fixture
def api(eve):
    return client_of(eve)


def create(api, name="one", key="k1", **headers):
    return api.post(
        PATH, f"name={name}", FORM, headers={"Idempotency-Key": key, **headers}
    )


def test_the_same_call_gets_the_first_response_and_has_one_effect(api):
    first, second = create(api), create(api)

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.content == first.content
    assert second.headers["Content-Type"] == "application/json"
    assert (
        first.headers.get("Idempotent-Replayed"),
        second["Idempotent-Replayed"],
    ) == (
        None,
        "true",
    )
    assert Service.objects.count() == 1
    assert AuditEvent.objects.count() == 1


def test_another_body_is_a_422_that_changes_nothing(api):
    create(api)

    response = create(api, name="two")

    assert response.status_code == 422
    assert response.json()["msg"] == "Unprocessable entity"
    assert [row.name for row in Service.objects.all()] == ["one"]


def test_a_refusal_is_kept_too(api):
    create(api, key="k0")

    refused = create(api)
    Service.objects.update(name="renamed")

    assert refused.status_code == 409
    assert create(api).content == refused.content


def test_a_key_belongs_to_a_path_a_method_and_a_token(api, eve, shop):
    create(api)

    other_token = create(client_of(eve), name="two")
    other_path = api.put(
        f"{PATH}/{shop.pk}", "comment=c", FORM, headers={"Idempotency-Key": "k1"}
    )
    other_method = api.delete(f"{PATH}/{shop.pk}", headers={"Idempotency-Key": "k1"})

    assert [each.status_code for each in (other_token, other_path, other_method)] == [
        200,
        200,
        200,
    ]


def test_while_the_first_call_runs_the_second_gets_409(api, monkeypatch):
    seen = []

    def refuse_second(*args, **fields):
        seen.append(create(api).status_code)
        raise RuntimeError

    monkeypatch.setattr(
        "products.services.commands.services.create_service", refuse_second
    )

    failed = create(api)

    assert (seen, failed.status_code) == ([409], 500)
    assert not KeptResponse.objects.exists()


def test_a_server_error_is_not_kept(api, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("products.api.fastly_json.service", lambda *rows: 1 / 0)
        assert create(api).status_code == 500
    Service.objects.update(name="renamed")

    assert create(api).status_code == 200


def test_a_call_past_the_rate_limit_is_not_kept(api, settings):
    settings.API_WRITES_PER_HOUR = 0
    assert create(api).status_code == 429
    settings.API_WRITES_PER_HOUR = 1

    assert create(api).status_code == 200


def test_a_response_is_kept_for_a_day(api, time_machine):
    time_machine.move_to("2026-11-22T12:00:00Z", tick=False)
    first = create(api)
    time_machine.move_to("2026-11-23T11:59:59Z", tick=False)
    kept = create(api)
    time_machine.move_to("2026-11-23T12:00:00Z", tick=False)

    assert kept.content == first.content
    assert create(api).status_code == 409  # it runs again: the name is taken


def test_the_sweep_deletes_what_is_older_than_a_day(api):
    create(api)
    now = timezone.now()

    early = kept_responses.delete_old_responses(now=now + timedelta(hours=23))
    late = kept_responses.delete_old_responses(now=now + timedelta(hours=25))

    assert (early, late) == (0, 1)


def abandon(**changes):
    """Make the kept response look like that of a process that ended before it could keep it."""
    KeptResponse.objects.update(
        status=0, started_at=timezone.now() - timedelta(minutes=2), **changes
    )


def test_a_call_whose_process_ended_before_its_effect_is_tried_again(api):
    create(api)
    Service.objects.update(name="renamed")
    abandon(request_id="never noted")

    assert create(api).status_code == 200
    assert Service.objects.count() == 2


def test_a_call_whose_process_ended_after_its_effect_does_not_run_again(api):
    create(api)
    abandon()

    response = create(api)

    assert response.status_code == 409
    assert "its response was lost" in response.json()["detail"]
    assert Service.objects.count() == 1


def test_a_revoked_token_gets_no_kept_response(api):
    create(api)
    ApiToken.objects.update(revoked_at=timezone.now())

    assert create(api).status_code == 401


@pytest.mark.parametrize("path", ["/api/tokens", "/api/sudo"])
def test_a_response_that_has_a_secret_is_not_kept(api, eve, path):
    api.post(path, "name=x", FORM, headers={"Idempotency-Key": "k1"})

    assert not KeptResponse.objects.exists()


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "clé"])
def test_an_invalid_key_is_a_400(api, key):
    assert create(api, key=key).status_code == 400
    assert not Service.objects.exists()


def test_reads_ignore_the_key(api):
    response = api.get(PATH, headers={"Idempotency-Key": "k1"})

    assert response.status_code == 200
    assert not KeptResponse.objects.exists()


def test_an_empty_response_is_repeated_without_a_content_type(sam, lin, shop):
    api = client_of(sam)
    path = f"/api/service-authorizations/{derived_id(lin.user_id, shop.pk)}"

    answers = [api.delete(path, headers={"Idempotency-Key": "k1"}) for _ in "ab"]

    assert [(each.status_code, each.content) for each in answers] == [(204, b"")] * 2
    assert "Content-Type" not in answers[1].headers
