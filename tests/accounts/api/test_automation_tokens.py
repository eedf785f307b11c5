"""`/automation-tokens`, and what the API answers to such a token."""

import pytest
from django.utils import timezone

from accounts.audit.models import AuditEvent
from accounts.audit.sentences import actor_of_entry
from accounts.models import ApiToken
from accounts.sudo import start_sudo
from tests.factories.keys import client_of
from tests.factories.services import ServiceFactory

JSON = "application/json"
PATH = "/api/automation-tokens"
WANTED = {"name": "deploy", "role": "engineer"}


@pytest.fixture
def api(sam):
    """Return Sam's client, just re-authenticated."""
    client = client_of(sam)
    token = ApiToken.objects.get(user_id=sam.user_id)
    start_sudo(sam.user_id, token_id=token.pk, now=timezone.now())
    return client


@pytest.fixture
def automation(api, client):
    """Return a client with a new automation token, and the token as the API shows it."""
    made = api.post(PATH, WANTED, JSON).json()
    client.defaults["HTTP_FASTLY_KEY"] = made.pop("access_token")
    return client, made


def test_creating_needs_re_authentication(sam):
    answer = client_of(sam).post(PATH, WANTED, JSON)

    assert answer.status_code == 403
    assert answer.json()["code"] == "reauthentication_required"
    assert answer["Content-Type"] == "application/problem+json"


def test_only_superusers_manage_them(eve, automation):
    api, made = client_of(eve), automation[1]

    assert api.post(PATH, WANTED, JSON).status_code == 403
    assert api.get(PATH).status_code == 403
    assert api.get(f"{PATH}/{made['id']}").status_code == 403
    assert api.delete(f"{PATH}/{made['id']}").status_code == 403


def test_one_is_created_listed_read_and_revoked(api, acme, automation):
    _, made = automation

    assert made["role"] == "engineer"
    assert made["customer_id"] == acme.pk
    assert made["expires_at"] > "2027"
    listed = api.get(PATH, {"per_page": 1}).json()
    assert [each["id"] for each in listed["data"]] == [made["id"]]
    assert listed["meta"]["record_count"] == 1
    one = f"{PATH}/{made['id']}"
    assert api.get(one).json()["name"] == "deploy"
    assert api.get(f"{one}/services").json() == {"data": []}
    assert api.get(f"{one}/workspaces").json()["data"] == []
    assert api.delete(one).status_code == 204
    assert api.get(one).status_code == 404
    assert api.get(PATH).json()["data"] == []


def test_the_services_of_one_come_in_pages(api, acme):
    services = ServiceFactory.create_batch(3, account=acme)
    keys = [each.pk for each in services]
    made = api.post(PATH, WANTED | {"services": keys}, JSON).json()
    one = f"{PATH}/{made['id']}"

    first = api.get(f"{one}/services?per_page=2").json()["data"]
    second = api.get(f"{one}/services?per_page=2&page=2").json()["data"]
    workspaces = api.get(f"{one}/workspaces?limit=5").json()["meta"]

    assert (len(first), len(second)) == (2, 1)
    assert {*first, *second} == set(keys)
    assert workspaces["limit"] == 5
    assert api.get(f"{one}/workspaces?cursor=x").status_code == 400


def test_what_a_token_cannot_have_is_refused(api, acme):
    service = ServiceFactory.create(account=acme)
    limited = WANTED | {"services": [service.pk]}

    refused = [
        api.post(PATH, limited | {"limit_services": False}, JSON),
        api.post(PATH, limited | {"tls_access": True}, JSON),
        api.post(PATH, limited | {"workspaces": ["w"]}, JSON),
    ]
    made = api.post(
        PATH,
        limited | {"limit_services": True, "tls_access": False, "workspaces": []},
        JSON,
    )

    assert [each.status_code for each in refused] == [400, 400, 400]
    assert (made.status_code, made.json()["limit_services"]) == (200, True)


def test_the_path_of_any_token_revokes_it_too(api, automation):
    _, made = automation

    assert api.delete(f"/api/tokens/{made['id']}").status_code == 204


def test_a_users_token_is_none_of_them(api, sam):
    own = ApiToken.objects.get(user_id=sam.user_id)

    assert api.get(f"{PATH}/{own.pk}").status_code == 404


@pytest.mark.parametrize(
    "changed", [{"role": "superuser"}, {"name": ""}, {"scope": "all"}]
)
def test_what_cannot_be_is_refused(api, changed):
    assert api.post(PATH, WANTED | changed, JSON).status_code == 400


def test_a_token_without_a_user_knows_itself(automation, acme):
    client, made = automation

    verified = client.get("/api/verify").json()
    assert verified["user"] == {
        "id": "",
        "name": "deploy (automation token)",
        "login": "",
    }
    assert verified["customer"]["id"] == acme.pk
    own = client.get("/api/tokens/self").json()
    assert own["id"] == made["id"]
    assert "user_id" not in own
    assert [each["id"] for each in client.get("/api/tokens").json()] == [made["id"]]
    refused = client.get("/api/current_user")
    assert refused.status_code == 404
    assert "belongs to the account" in refused.json()["detail"]


def test_what_it_does_is_in_the_trail_under_its_name(automation, acme):
    client, made = automation

    client.post("/api/service", {"name": "chat"}, JSON)

    entry = AuditEvent.objects.filter(account_id=acme.pk).latest("sequence")
    assert entry.action == "service.created"
    assert (entry.actor_type, entry.actor_id) == ("token", made["id"])
    assert actor_of_entry(entry) == "deploy (automation token)"
    assert "on_behalf_of" not in entry.body or not entry.body["on_behalf_of"]
