"""Services in Fastly's format, and their permissions."""

import pytest

from accounts.actor import TokenScope
from accounts.audit.models import AuditEvent
from products.services.models import Service
from tests.factories.keys import FORM, client_of
from tests.factories.services import (
    DomainFactory,
    VersionFactory,
    live_version,
)

JSON = "application/json"
VERSION_1 = {
    "number": 1,
    "active": False,
    "locked": False,
    "deployed": False,
    "staging": False,
    "testing": False,
    "comment": "",
    "created_at": "2026-11-22T12:00:00Z",
    "updated_at": "2026-11-22T12:00:00Z",
    "deleted_at": None,
    "environments": [],
}


def test_a_created_service_is_in_fastlys_format_and_has_a_version(
    eve, acme, time_machine
):
    time_machine.move_to("2026-11-22T12:00:00Z", tick=False)

    answer = client_of(eve).post(
        "/api/service", "name=demo&comment=hi&type=vcl", content_type=FORM
    )

    row = Service.objects.get()
    assert answer.status_code == 200
    assert answer.json() == {
        "id": row.pk,
        "name": "demo",
        "comment": "hi",
        "type": "vcl",
        "customer_id": acme.pk,
        "created_at": "2026-11-22T12:00:00Z",
        "updated_at": "2026-11-22T12:00:00Z",
        "deleted_at": None,
        "paused": False,
        "publish_key": "",
        "environments": [],
        "versions": [VERSION_1 | {"service_id": row.pk}],
    }


def test_a_service_without_a_name_is_refused(eve):
    answer = client_of(eve).post("/api/service", "type=vcl", content_type=FORM)

    assert answer.status_code == 400
    assert answer.json() == {
        "msg": "Bad request",
        "detail": "name: This field is required.",
    }
    assert not Service.objects.exists()


def test_a_service_is_not_created_for_another_account(eve, globex):
    sent = f"name=demo&customer_id={globex.pk}"

    answer = client_of(eve).post("/api/service", sent, content_type=FORM)

    assert answer.status_code == 400
    assert not Service.objects.exists()


def test_a_name_that_is_taken_in_the_account_is_a_duplicate(eve, shop):
    answer = client_of(eve).post("/api/service", "name=shop", content_type=FORM)

    assert answer.status_code == 409
    assert answer.json() == {
        "msg": "Duplicate record",
        "detail": "Duplicate service: 'shop'",
    }
    assert Service.objects.count() == 1


@pytest.mark.parametrize("field", ["name", "comment"])
def test_a_number_is_not_text(eve, shop, field):
    answer = client_of(eve).put(
        f"/api/service/{shop.pk}", {field: 0}, content_type="application/json"
    )

    assert answer.status_code == 400
    assert answer.json()["detail"] == f"{field}: Enter text."


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        ("customer_id={globex}", "customer_id: This is not your account's ID."),
        ("customer_id=unknown", "customer_id: This is not your account's ID."),
        ("type=wasm", "The type of a service can't be changed."),
    ],
)
def test_an_update_cannot_move_a_service_or_change_its_type(
    eve, shop, globex, sent, detail
):
    api = client_of(eve)

    refused = api.put(f"/api/service/{shop.pk}", sent.format(globex=globex.pk), FORM)
    same = api.put(
        f"/api/service/{shop.pk}", f"customer_id={shop.account_id}&type=vcl", FORM
    )

    assert (refused.status_code, refused.json()["detail"]) == (400, detail)
    assert same.status_code == 200
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("person", ["una", "bo"])
def test_only_members_with_the_permission_create_services(person, request):
    api = client_of(request.getfixturevalue(person))

    answer = api.post("/api/service", "name=demo", content_type=FORM)

    assert answer.status_code == 403
    assert answer.json()["msg"] == "You are not authorized to perform this action"
    assert not Service.objects.exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("scope", [TokenScope.GLOBAL_READ, TokenScope.PURGE_ALL])
def test_a_token_without_write_access_changes_nothing(eve, scope):
    api = client_of(eve, scope=scope)

    answer = api.post("/api/service", "name=demo", content_type=FORM)

    assert answer.status_code == 403
    assert answer.json()["detail"].startswith(f"This token's scope is {scope}; ")
    assert not Service.objects.exists()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/service/{}"),
        ("GET", "/api/service/{}/details"),
        ("GET", "/api/service/{}/version"),
        ("GET", "/api/service/{}/domain"),
        ("PUT", "/api/service/{}"),
        ("DELETE", "/api/service/{}"),
        ("GET", "/api/service/{}/version/1/backend"),
        ("POST", "/api/service/{}/version/1/backend"),
        ("PUT", "/api/service/{}/version/1/activate"),
        ("PUT", "/api/service/{}/version/1/clone"),
        ("GET", "/api/enabled-products/v1/websockets/services/{}"),
        ("PUT", "/api/enabled-products/v1/websockets/services/{}"),
    ],
)
def test_another_account_s_service_does_not_exist(
    method, path, stan, shop, draft, websockets
):
    answer = client_of(stan).generic(method, path.format(shop.pk), "name=x", FORM)

    assert answer.status_code == 404
    assert answer.json() == {
        "msg": "Record not found",
        "detail": f"Couldn't find Service '{{ deleted => 0000-00-00 00:00:00, id => {shop.pk} }}'",
    }
    assert not AuditEvent.objects.exists()


def test_a_service_is_found_by_its_exact_name(eve, shop):
    api = client_of(eve)

    found, missing = (
        api.get("/api/service/search?name=shop"),
        api.get("/api/service/search?name=sho"),
    )

    assert found.json()["id"] == shop.pk
    assert missing.status_code == 404


def test_a_service_is_renamed_and_unknown_fields_are_ignored(eve, shop):
    answer = client_of(eve).put(
        f"/api/service/{shop.pk}", f"ServiceID={shop.pk}&name=n2", content_type=FORM
    )

    assert (answer.status_code, answer.json()["name"]) == (200, "n2")
    assert Service.objects.get().name == "n2"


def test_null_is_no_comment(eve, shop):
    client = client_of(eve)
    made = client.post("/api/service", {"name": "new", "comment": None}, JSON)
    client.put(f"/api/service/{shop.pk}", {"comment": "old"}, JSON)

    changed = client.put(f"/api/service/{shop.pk}", {"comment": None}, JSON)

    assert (made.status_code, made.json()["comment"]) == (200, "")
    assert (changed.status_code, changed.json()["comment"]) == (200, "")


def test_a_deleted_service_is_reported_as_deleted(eve, shop):
    api = client_of(eve)

    deleted = api.delete(f"/api/service/{shop.pk}")
    after = api.get(f"/api/service/{shop.pk}")
    again = api.delete(f"/api/service/{shop.pk}")
    domains = api.get(f"/api/service/{shop.pk}/domain")
    clone = api.put(f"/api/service/{shop.pk}/version/1/clone")

    gone = {"msg": "Bad request", "detail": f"Service '{shop.pk}' is deleted"}
    assert (deleted.status_code, deleted.json()) == (200, {"status": "ok"})
    assert (after.status_code, after.json()) == (400, gone)
    assert (again.status_code, again.json()) == (400, gone)
    assert (clone.status_code, clone.json()) == (400, gone)
    assert (domains.status_code, domains.json()) == (200, [])


def test_a_service_with_an_active_version_is_not_deleted(eve, shop):
    live_version(shop, "shop.example.com")

    answer = client_of(eve).delete(f"/api/service/{shop.pk}")

    assert answer.status_code == 400
    assert answer.json()["msg"] == "Bad request"
    assert Service.objects.get().deleted_at is None


def test_the_domains_are_those_of_the_active_version(eve, shop):
    live_version(shop, "shop.example.com", number=1)
    DomainFactory.create(
        version=VersionFactory.create(service=shop, number=2), name="b.example"
    )

    answer = client_of(eve).get(f"/api/service/{shop.pk}/domain")

    assert [(row["name"], row["version"]) for row in answer.json()] == [
        ("shop.example.com", 1)
    ]


def test_verify_returns_the_owner_of_the_token(eve, shop, acme):
    answer = client_of(eve).get("/api/verify").json()

    assert answer["customer"] == {"id": acme.pk, "name": "Acme"}
    assert answer["user"] == {
        "id": eve.user_id,
        "name": "Eve",
        "login": "eve@example.com",
    }
    assert answer["services"] == {shop.pk: "shop"}
    assert answer["token"]["expires_at"] == ""
    assert answer["token"]["scope"] == "global"
