"""The audit trail as Fastly's events: shape, filters, pages."""

from datetime import timedelta

import pytest

from accounts.api.fastly_json import event_id
from accounts.audit.models import AuditEvent, PersonalData
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.roles import Permission
from tests.factories import NOW
from tests.factories.keys import FORM, client_of


def note(actor, event, account, at=NOW, service_id=""):
    """Note an event of an account as if a command had."""
    with recorded_change(actor, Permission.ACCOUNT_READ, on=account, now=at) as trail:
        trail.note(
            event,
            target=("version", "1", "shop version 1"),
            service_id=service_id,
            before={"comment": "a"},
            after={"comment": "b"},
        )


@pytest.fixture
def trail(sam, eve, acme, shop):
    """Note five events, a minute apart; one of them Fastly has no type for."""
    for minutes, (actor, event) in enumerate(
        [
            (sam, Event.VERSION_CREATED),
            (eve, Event.VERSION_UPDATED),
            (eve, Event.PRODUCT_REQUESTED),
            (eve, Event.VERSION_LOCKED),
            (sam, Event.VERSION_UPDATED),
        ]
    ):
        note(actor, event, acme, NOW + timedelta(minutes=minutes), shop.pk)


def types(answer):
    return [row["attributes"]["event_type"] for row in answer.json()["data"]]


def test_an_event_has_the_shape_of_fastly(sam, acme, shop, trail):
    answer = client_of(sam).get(f"/api/events/{event_id(2)}")

    assert answer.headers["Content-Type"] == "application/vnd.api+json"
    eve_id = AuditEvent.objects.get(sequence=2).actor_id
    assert answer.json() == {
        "data": {
            "id": "0000000000000000000002",
            "type": "event",
            "attributes": {
                "admin": False,
                "created_at": "2026-11-22T12:01:00Z",
                "customer_id": acme.pk,
                "description": "Eve changed the comment of version 1 of shop",
                "event_type": "version.update",
                "ip": "192.0.2.10",
                "metadata": {"old": {"comment": "a"}, "new": {"comment": "b"}},
                "service_id": shop.pk,
                "user_id": eve_id,
            },
        }
    }


def test_events_are_newest_first_and_only_those_with_a_fastly_type(sam, trail):
    answer = client_of(sam).get("/api/events")

    assert types(answer) == [
        "version.update",
        "version.lock",
        "version.update",
        "version.create",
    ]
    assert answer.json()["meta"] == {
        "current_page": 1,
        "per_page": 20,
        "record_count": 4,
        "total_pages": 1,
    }


def test_pages_link_to_their_neighbours(sam, trail):
    answer = (
        client_of(sam)
        .get("/api/events?page[number]=2&page[size]=1&sort=created_at")
        .json()
    )

    def url(number):
        return f"http://testserver/api/events?page%5Bnumber%5D={number}&page%5Bsize%5D=1&sort=created_at"

    assert [row["attributes"]["event_type"] for row in answer["data"]] == [
        "version.update"
    ]
    assert answer["links"] == {
        "first": url(1),
        "prev": url(1),
        "next": url(3),
        "last": url(4),
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("filter[event_type]=version.lock", ["version.lock"]),
        ("filter[event_type]=version.activate", []),
        ("filter[event_type]=waf.create", []),  # Fastly's, never recorded here
        ("filter[created_at]=2026-11-22T12:03:00Z", ["version.lock"]),
        ("filter[created_at][gt]=2026-11-22T12:03:00Z", ["version.update"]),
        (
            "filter[created_at][gte]=2026-11-22T12:03:00Z",
            ["version.update", "version.lock"],
        ),
        ("filter[created_at][lt]=2026-11-22T12:01:00Z", ["version.create"]),
        (
            "filter[created_at][lte]=2026-11-22T12:01:00Z",
            ["version.update", "version.create"],
        ),
        (
            f"filter[sequence][gt]={event_id(2)}&sort=created_at",
            ["version.lock", "version.update"],
        ),
        ("filter[sequence][gte]=4", ["version.update", "version.lock"]),
        ("filter[sequence][lt]=2", ["version.create"]),
        ("filter[sequence][lte]=2", ["version.update", "version.create"]),
        ("filter[sequence][gt]=1&filter[sequence][lt]=4", ["version.update"]),
    ],
)
def test_filters_narrow_the_list(sam, trail, query, expected):
    answer = client_of(sam).get(f"/api/events?{query}")

    assert types(answer) == expected


def test_events_by_a_token_are_found_by_its_owner(sam, eve, acme):
    client_of(eve).post("/api/service", "name=demo", FORM)
    note(sam, Event.VERSION_LOCKED, acme)
    api = client_of(sam)

    answer = api.get(f"/api/events?filter[user_id]={eve.user_id}").json()["data"]

    (event,) = answer
    attributes = event["attributes"]
    assert attributes["event_type"] == "service.create"
    assert attributes["user_id"] == eve.user_id
    found = api.get(f"/api/events?filter[token_id]={attributes['token_id']}").json()[
        "data"
    ]
    assert found == answer


@pytest.mark.parametrize(
    "query",
    [
        "sort=colour",
        "filter[event_type]=no.such",
        "page[number]=0",
        "page[size]=101",
        "page[size]=x",
        "page[size]=99999999999999999999",
        "filter[created_at]=yesterday",
        "filter[created_at][gt]=2026-02-31T00:00:00Z",
        "filter[created_at][gt]=2026-02-01T00:00:00",
        "filter[created_at][lte]=",
        "filter[sequence][gt]=x",
        "filter[sequence][gt]=-1",
        "filter[sequence][lt]=99999999999999999999",
        # These cannot be converted to UTC.
        "filter[created_at][lte]=9999-12-31T23:59:59-05:00",
        "filter[created_at][gte]=0001-01-01T00:00:00%2B14:00",
    ],
)
def test_an_invalid_query_is_a_400(sam, query):
    answer = client_of(sam).get(f"/api/events?{query}")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["title"] == "Bad request"


def test_an_unknown_type_is_answered_with_the_known_ones(sam):
    answer = client_of(sam).get("/api/events?filter[event_type]=version.activated")

    detail = answer.json()["errors"][0]["detail"]
    assert detail.startswith("filter[event_type]: Choose acl.create, acl.delete, ")
    assert "version.activate," in detail


@pytest.mark.parametrize("name", ["service_id", "user_id", "token_id"])
def test_an_id_that_the_account_never_had_is_a_404(sam, trail, name):
    answer = client_of(sam).get(f"/api/events?filter[{name}]={'x' * 22}")

    assert answer.status_code == 404
    assert answer.json()["detail"].endswith(f"'{'x' * 22}'")


def test_an_id_of_the_account_without_events_is_an_empty_list(sam, una, acme, shop):
    api = client_of(sam)
    token = api.get("/api/tokens/self").json()["id"]
    note(sam, Event.PRODUCT_REQUESTED, acme, service_id=shop.pk)

    assert types(api.get(f"/api/events?filter[user_id]={una.user_id}")) == []
    assert types(api.get(f"/api/events?filter[token_id]={token}")) == []
    assert types(api.get(f"/api/events?filter[service_id]={shop.pk}")) == []


def test_the_events_of_another_account_are_not_found(stan, acme, trail):
    api = client_of(stan)

    assert api.get("/api/events").json()["data"] == []
    assert api.get(f"/api/events/{event_id(1)}").status_code == 404
    assert api.get(f"/api/events?filter[customer_id]={acme.pk}").status_code == 404


@pytest.mark.parametrize(
    "name", ["1", "x" * 22, event_id(3), event_id(99), "9" * 22, "²" * 22]
)
def test_an_unknown_event_or_one_without_type_is_a_404(sam, trail, name):
    answer = client_of(sam).get(f"/api/events/{name}")

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["msg"] == "Record not found"


def test_an_erased_address_is_left_out(sam, trail):
    PersonalData.objects.all().delete()

    answer = client_of(sam).get(f"/api/events/{event_id(1)}").json()

    assert "ip" not in answer["data"]["attributes"]


def test_a_page_takes_the_same_queries_for_any_number_of_events(
    sam, acme, trail, django_assert_max_num_queries
):
    api = client_of(sam)
    api.get("/api/events")
    for _ in range(15):
        note(sam, Event.VERSION_UPDATED, acme, NOW + timedelta(hours=1))

    with django_assert_max_num_queries(8):
        answer = api.get("/api/events")

    assert len(answer.json()["data"]) == 19


def test_a_token_limited_to_services_reads_only_their_events(sam, acme, shop, trail):
    note(sam, Event.VERSION_CREATED, acme, service_id="another service")
    note(sam, Event.TOKEN_ISSUED, acme)
    api = client_of(sam, services=(shop.pk,))

    rows = api.get("/api/events").json()

    assert {row["attributes"]["service_id"] for row in rows["data"]} == {shop.pk}
    assert rows["meta"]["record_count"] == 4
    assert api.get(f"/api/events/{event_id(6)}").status_code == 404
