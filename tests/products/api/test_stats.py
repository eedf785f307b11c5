"""Statistics in Fastly's format: envelope, rows, times, real-time and platform metrics."""

import pytest

from tests.factories.keys import client_of
from tests.factories.services import ServiceFactory
from tests.products.metering.reports import delivery, make_edge, record, take

DAY = 1795305600  # 2026-11-22T00:00:00Z
NOON = DAY + 12 * 3600
SUCCESS = {"status": "success", "msg": None}
COUNTED = {
    "requests": 3,
    "bandwidth": 75_400,
    "upgrade": 1,
    "websocket_conn_time_ms": 90_000,
    "websocket_req_body_bytes": 1_200,
    "websocket_resp_body_bytes": 5_400,
}
NONE = dict.fromkeys(COUNTED, 0)


@pytest.fixture(autouse=True)
def _at_ten_past(time_machine):
    """Ten seconds and some after the reports, which real-time leaves out."""
    time_machine.move_to("2026-11-22T12:00:15Z", tick=False)


@pytest.fixture
def used(shop):
    take(make_edge(), record(service=shop.pk), delivery(service=shop.pk))


@pytest.fixture
def other(acme):
    return ServiceFactory.create(account=acme, name="other")


def test_a_service_has_a_row_per_day_in_fastlys_envelope(una, shop, used):
    answer = client_of(una).get(f"/api/stats/service/{shop.pk}?from=1+day+ago&by=day")

    assert answer.json() == SUCCESS | {
        "meta": {
            "from": "2026-11-21 00:00:00 UTC",
            "to": "2026-11-23 00:00:00 UTC",
            "by": "day",
            "region": "all",
        },
        "data": [
            {"service_id": shop.pk, "start_time": DAY - 86_400} | NONE,
            {"service_id": shop.pk, "start_time": DAY} | COUNTED,
        ],
    }


def test_one_field_of_a_service(una, shop, used):
    path = f"/api/stats/service/{shop.pk}/field/websocket_conn_time_ms"

    answer = client_of(una).get(f"{path}?from={DAY}&to=now")

    assert answer.json()["data"] == [
        {
            "service_id": shop.pk,
            "start_time": DAY,
            "websocket_conn_time_ms": 90_000,
        }
    ]


def test_all_services_and_their_sum(una, shop, other, used):
    api = client_of(una)

    each = api.get(f"/api/stats?from={DAY}").json()["data"]
    field = api.get(f"/api/stats/field/upgrade?from={DAY}").json()["data"]
    total = api.get(f"/api/stats/aggregate?from={DAY}").json()["data"]
    chosen = api.get(f"/api/stats?from={DAY}&services={other.pk}").json()["data"]

    row = {"start_time": DAY}
    assert each == {
        shop.pk: [{"service_id": shop.pk} | row | COUNTED],
        other.pk: [{"service_id": other.pk} | row | NONE],
    }
    assert field[shop.pk] == [{"service_id": shop.pk, "upgrade": 1} | row]
    assert total == [row | COUNTED]
    assert list(chosen) == [other.pk]


def test_minutes_have_no_ordinary_http(una, shop, used):
    answer = client_of(una).get(
        f"/api/stats/service/{shop.pk}?from={NOON - 120}&to={NOON}&by=minute"
    )

    rows = answer.json()["data"]
    assert [each["websocket_conn_time_ms"] for each in rows] == [30_000, 60_000]
    assert {"requests", "bandwidth"} & set(rows[0]) == set()


def test_usage_of_a_period_and_by_service(una, shop, other, used):
    api = client_of(una)
    counts = {"bandwidth": 75_400, "requests": 3, "compute_requests": 0}

    total = api.get(f"/api/stats/usage?from={DAY}").json()
    each = api.get(f"/api/stats/usage_by_service?from={DAY}").json()

    assert total["data"] == {"global": counts}
    assert each["data"] == {"global": {shop.pk: counts}}
    assert api.get("/api/stats/regions").json()["data"] == ["global"]


def test_usage_by_month_in_counts_and_in_billed_units(una, acme, shop, other, used):
    api, path = client_of(una), "/api/stats/usage_by_month?year=2026&month=11"

    plain = api.get(path).json()["data"]
    billed = api.get(f"{path}&billable_units=true").json()["data"]

    counts = {"bandwidth": 75_400, "requests": 3, "compute_requests": 0}
    assert plain == {
        "customer_id": acme.pk,
        "services": {shop.pk: {"name": "shop", "global": counts}},
        "total": {"global": counts},
    }
    assert billed["total"]["global"] == {
        "bandwidth": 75_400 / 10**9,
        "requests": 3 / 10_000,
        "compute_requests": 0,
    }


def test_the_oldest_form_sums_a_month(una, shop, used):
    path = f"/api/service/{shop.pk}/stats/summary"

    month = client_of(una).get(f"{path}?year=2026&month=11").json()
    before = client_of(una).get(f"{path}?year=2026&month=9").json()

    assert month == {"stats": {"global": COUNTED}}
    assert before == {"stats": {"global": NONE}}


@pytest.mark.parametrize(
    ("end", "seconds"), [("h", 90), (f"{NOON - 5}", 5), ("h/limit/3", 0), ("0", 90)]
)
def test_real_time_has_a_row_per_second_with_activity(una, shop, used, end, seconds):
    # The connection began 90 seconds before noon, and the report is at noon.
    answer = client_of(una).get(f"/api/v1/channel/{shop.pk}/ts/{end}")

    body = answer.json()
    assert (body["Timestamp"], body["AggregateDelay"]) == (NOON + 5, 10)
    rows = [each for each in body["Data"] if each["recorded"] < NOON]
    assert len(rows) == seconds
    assert all(each["aggregated"]["websocket_conn_time_ms"] == 1000 for each in rows)
    assert all(list(each["datacenter"]) == ["edge-1"] for each in rows)


def test_platform_metrics_have_the_websocket_counters(una, shop, used):
    api, query = client_of(una), f"?metric_set=websockets&from={DAY}"

    total = api.get(f"/api/metrics/v2/platform/aggregate/hourly{query}").json()
    entity = api.get(
        f"/api/metrics/v2/platform/entities/{shop.pk}/hourly{query}"
    ).json()

    assert (
        total["data"]
        == entity["data"]
        == [
            {
                "timestamp": "2026-11-22T11:00:00Z",
                "upgrade": 1,
                "websocket_conn_time_ms": 90_000,
            },
            {
                "timestamp": "2026-11-22T12:00:00Z",
                "websocket_req_body_bytes": 1_200,
                "websocket_resp_body_bytes": 5_400,
            },
        ]
    )


def test_platform_metrics_come_in_pages(una, shop, used):
    api, path = client_of(una), "/api/metrics/v2/platform/aggregate/hourly"
    query = {"metric_set": "websockets", "from": DAY, "limit": 1}

    first = api.get(path, query).json()
    cursor = first["meta"]["next_cursor"]
    second = api.get(path, query | {"cursor": cursor}).json()

    found = [row["timestamp"] for page in (first, second) for row in page["data"]]
    assert found == ["2026-11-22T11:00:00Z", "2026-11-22T12:00:00Z"]
    assert (first["meta"]["limit"], second["meta"]["next_cursor"]) == (1, "")


def test_platform_metrics_are_grouped_by_edge_and_region(una, shop):
    edges = [make_edge("edge-1"), make_edge("edge-2")]
    for edge in edges:
        take(edge, record(service=shop.pk, edge=edge.name))
    api, path = client_of(una), "/api/metrics/v2/platform/aggregate/daily"
    query = {"metric": "upgrade", "from": DAY}

    each = api.get(path, query | {"group_by": "datacenter,region"}).json()
    total = api.get(path, query).json()["data"]
    page = query | {"group_by": "datacenter", "limit": 1}
    first = api.get(path, page).json()
    second = api.get(path, page | {"cursor": first["meta"]["next_cursor"]}).json()

    start = {"timestamp": "2026-11-22T00:00:00Z"}
    assert each["data"] == [
        start | {"datacenter": "edge-1", "region": "global", "upgrade": 1},
        start | {"datacenter": "edge-2", "region": "global", "upgrade": 1},
    ]
    assert each["meta"]["group_by"] == "datacenter,region"
    assert total == [start | {"upgrade": 2}]
    assert [row["datacenter"] for row in first["data"] + second["data"]] == [
        "edge-1",
        "edge-2",
    ]


def test_usage_of_one_edge(una, shop, used):
    make_edge("edge-10")
    api, query = client_of(una), f"?from={DAY}&datacenter=edge-1"

    usage = api.get(f"/api/stats/usage{query}").json()["data"]
    services = api.get(f"/api/stats/usage_by_service{query}").json()["data"]
    elsewhere = api.get(f"/api/stats/usage{query}0").json()["data"]

    assert usage["global"]["requests"] == 3
    assert services["global"][shop.pk]["requests"] == 3
    assert elsewhere["global"]["requests"] == 0


@pytest.mark.parametrize("query", ["end_time=now", "year=2026&start_time=now"])
def test_a_summary_is_of_a_month_or_of_a_period(una, shop, query):
    answer = client_of(una).get(f"/api/service/{shop.pk}/stats/summary?{query}")

    assert (answer.status_code, "start_time" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("stats?from=soon", "from must be seconds since 1970"),
        ("stats?to=2026-13-01", "to must be seconds since 1970"),
        ("stats?from=now&to=1+day+ago", "from must be before to"),
        ("stats?by=week", "by: Choose minute, hour or day"),
        ("stats?datacenter=edge-9", "No edge is called edge-9"),
        ("stats/usage?datacenter=edge-9", "No edge is called edge-9"),
        (
            "metrics/v2/platform/aggregate/daily?datacenter=edge-9",
            "No edge is called edge-9",
        ),
        ("stats?by=minute&from=1+year+ago", "more than 10,000 values"),
        ("stats?region=usa", "Edges have no region here"),
        ("stats/field/hits", "'hits' is not measured here"),
        ("stats/usage_by_month?month=13", "month: Enter a number up to 12"),
        ("stats/usage_by_month?year=x", "year: Enter a whole number"),
        ("stats/usage_by_month?year=26", "year: Enter a number from 1970"),
        ("stats/usage_by_month?billable_units=x", "Enter true or false"),
        (
            "metrics/v2/platform/aggregate/weekly",
            "granularity: Choose minutely, hourly or daily",
        ),
        ("metrics/v2/platform/aggregate/daily?metric=hits", "Not measured here: hits"),
        (
            "metrics/v2/platform/aggregate/daily?group_by=pop",
            "group_by: Use datacenter",
        ),
        ("metrics/v2/platform/aggregate/daily?limit=10001", "limit: "),
        (
            "metrics/v2/platform/aggregate/daily?cursor=1",
            "cursor: Use the cursor from a response",
        ),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_sentence(una, path, text):
    answer = client_of(una).get(f"/api/{path}")

    assert answer.status_code == 400
    assert text in answer.json()["detail"]


@pytest.mark.parametrize(
    "phrase",
    ["1795219200", "1 day ago", "a day ago", "24 HOURS ago", "2026-11-21", "yesterday"],
)
def test_a_time_is_seconds_a_date_or_a_phrase(una, shop, phrase):
    answer = client_of(una).get("/api/stats/usage", {"from": phrase})

    assert answer.json()["meta"]["from"] == "2026-11-21 00:00:00 UTC"


def test_a_limited_member_sees_only_their_services(lin, shop, other, used):
    assert list(client_of(lin).get("/api/stats").json()["data"]) == [shop.pk]
    assert client_of(lin).get(f"/api/stats/service/{other.pk}").status_code == 403


def test_another_account_s_service_does_not_exist(stan, shop, used):
    api = client_of(stan)

    assert api.get(f"/api/stats/service/{shop.pk}").status_code == 404
    assert api.get(f"/api/v1/channel/{shop.pk}/ts/h").status_code == 404
    for service_id in (shop.pk, "a" * 22):
        answer = api.get(f"/api/stats?services={service_id}")
        assert (answer.status_code, answer.json()["detail"]) == (
            400,
            f"You see no services with these IDs: {service_id}.",
        )
