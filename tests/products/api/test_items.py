"""ACL entries, dictionary items, pool servers, directors' backends: in Fastly's format."""

import pytest

from tests.factories.keys import FORM, client_of
from tests.factories.services import BackendFactory, PartFactory
from tests.factories.trail import last_entry, noted

JSON = "application/json"


@pytest.fixture
def api(eve, draft):
    return client_of(eve)


@pytest.fixture
def acl(draft):
    return PartFactory.create(version=draft, kind="acl", name="friends")


@pytest.fixture
def dictionary(draft):
    return PartFactory.create(version=draft, kind="dictionary", name="words")


@pytest.fixture
def pool(draft):
    return PartFactory.create(version=draft, kind="pool", name="pool")


def test_an_acl_entry_is_added_changed_and_removed(api, shop, acl, acme):
    base = f"/api/service/{shop.pk}/acl/{acl.public_id}"

    made = api.post(f"{base}/entry", "ip=192.0.2.0&subnet=24", FORM).json()
    one = f"{base}/entry/{made['id']}"
    changed = api.patch(one, {"negated": True, "comment": "No"}, JSON)
    read = api.get(one)
    removed = api.delete(one)

    assert (
        made.items()
        >= {
            "acl_id": acl.public_id,
            "service_id": shop.pk,
            "ip": "192.0.2.0",
            "subnet": 24,
            "negated": 0,
            "comment": None,
        }.items()
    )
    assert read.json() == changed.json()
    assert read.json()["negated"] == 1
    assert removed.json() == {"status": "ok"}
    assert api.get(f"{base}/entries").json() == []
    assert noted(acme.pk)[-3:] == ["acl.entries_changed"] * 3


@pytest.mark.parametrize(
    "body", ["", "ip=nowhere", "ip=192.0.2.1&subnet=33", "ip=2001:db8::1&subnet=129"]
)
def test_an_entry_without_a_valid_address_is_refused(api, shop, acl, body):
    base = f"/api/service/{shop.pk}/acl/{acl.public_id}"

    answer = api.post(f"{base}/entry", body, FORM)

    assert answer.status_code == 400
    assert api.get(f"{base}/entries").json() == []


def test_entries_count_for_all_versions_and_a_clone_keeps_them(api, shop, acl):
    base = f"/api/service/{shop.pk}"
    api.post(f"{base}/acl/{acl.public_id}/entry", "ip=192.0.2.1", FORM)

    clone = api.put(f"{base}/version/1/clone").json()["number"]

    shown = api.get(f"{base}/version/{clone}/acl/friends").json()
    assert shown["id"] == acl.public_id
    assert len(api.get(f"{base}/acl/{shown['id']}/entries").json()) == 1


def test_a_batch_is_carried_out_whole_or_not_at_all(api, shop, dictionary):
    base = f"/api/service/{shop.pk}/dictionary/{dictionary.public_id}"
    create = {"op": "create", "item_key": "a", "item_value": "1"}
    upsert = {"op": "upsert", "item_key": "b", "item_value": "2"}
    missing = {"op": "delete", "item_key": "c"}

    failed = api.patch(f"{base}/items", {"items": [create, missing]}, JSON)
    after_failure = api.get(f"{base}/items").json()
    done = api.patch(f"{base}/items", {"items": [create, upsert]}, JSON)
    again = api.patch(f"{base}/items", {"items": [create]}, JSON)

    assert failed.status_code == 404
    assert after_failure == []
    assert done.json() == {"status": "ok"}
    assert again.status_code == 409
    items = api.get(f"{base}/items").json()
    assert [(each["item_key"], each["item_value"]) for each in items] == [
        ("a", "1"),
        ("b", "2"),
    ]


@pytest.mark.parametrize(
    "items", [None, "x", [1], [{"op": "burn"}], [{"op": "create", "item_key": 5}]]
)
def test_a_batch_that_is_none_is_refused(api, shop, dictionary, items):
    path = f"/api/service/{shop.pk}/dictionary/{dictionary.public_id}/items"

    assert api.patch(path, {"items": items}, JSON).status_code == 400


@pytest.mark.parametrize(
    ("wrong", "status", "text"),
    [
        ({"op": "burn"}, 400, "Operation 2: op: Choose create, update, upsert or"),
        ({"op": "create", "item_key": 5}, 400, "Operation 2: item_key: Enter text."),
        (
            {"op": "create", "item_key": "b", "item_value": "x" * 8001},
            400,
            "Operation 2: item_value: Enter at most",
        ),
        ({"op": "delete", "item_key": "b"}, 404, "Operation 2: There is no"),
        (
            {"op": "create", "item_key": "a", "item_value": "1"},
            409,
            "Operation 2: Duplicate dictionary_item: 'a'",
        ),
    ],
)
def test_a_refusal_says_which_operation_of_a_batch_it_is_about(
    api, shop, dictionary, wrong, status, text
):
    path = f"/api/service/{shop.pk}/dictionary/{dictionary.public_id}/items"
    right = {"op": "create", "item_key": "a", "item_value": "1"}

    several = api.patch(path, {"items": [right, wrong]}, JSON)
    alone = api.patch(path, {"items": [wrong]}, JSON)

    assert several.status_code == status
    assert several.json()["detail"].startswith(text)
    assert "Operation" not in alone.json().get("detail", "")


def test_an_item_replaced_within_a_batch_is_new(api, shop, dictionary):
    base = f"/api/service/{shop.pk}/dictionary/{dictionary.public_id}"
    api.put(f"{base}/item/a", "item_value=1", FORM)

    answer = api.patch(
        f"{base}/items",
        {
            "items": [
                {"op": "delete", "item_key": "a"},
                {"op": "create", "item_key": "a", "item_value": "2"},
            ]
        },
        JSON,
    )

    assert answer.status_code == 200
    assert api.get(f"{base}/item/a").json()["item_value"] == "2"


def test_lists_are_paged_with_a_link(api, shop, dictionary):
    base = f"/api/service/{shop.pk}/dictionary/{dictionary.public_id}"
    items = [{"op": "create", "item_key": f"k{n}", "item_value": "v"} for n in range(5)]
    api.patch(f"{base}/items", {"items": items}, JSON)

    page = api.get(f"{base}/items?per_page=2&page=2")

    assert [each["item_key"] for each in page.json()] == ["k2", "k3"]
    assert 'rel="next"' in page.headers["Link"]


def test_a_list_is_sorted_by_the_last_change(api, shop, dictionary, time_machine):
    base = f"/api/service/{shop.pk}/dictionary/{dictionary.public_id}"
    time_machine.move_to("2026-11-22T12:00:00Z", tick=False)
    for key in ("a", "b"):
        api.post(f"{base}/item", {"item_key": key, "item_value": "1"}, JSON)
    time_machine.move_to("2026-11-23T12:00:00Z", tick=False)
    api.patch(f"{base}/item/a", {"item_value": "2"}, JSON)

    changed = api.get(f"{base}/items?sort=updated").json()
    newest = api.get(f"{base}/items?sort=updated&direction=descend").json()
    refused = api.get(f"{base}/items?sort=size")

    assert [each["item_key"] for each in changed] == ["b", "a"]
    assert [each["item_key"] for each in newest] == ["a", "b"]
    assert (refused.status_code, refused.json()["detail"][:6]) == (400, "sort: ")


def test_put_adds_an_item_or_changes_it_and_keys_can_have_slashes(
    api, shop, dictionary
):
    one = f"/api/service/{shop.pk}/dictionary/{dictionary.public_id}/item/a%2Fb"

    added = api.put(one, "item_value=1", FORM)
    changed = api.put(one, "item_value=2", FORM)

    assert (added.json()["item_key"], added.json()["item_value"]) == ("a/b", "1")
    assert changed.json()["item_value"] == "2"
    assert api.delete(one).status_code == 200
    assert api.get(one).status_code == 404


def test_values_of_a_write_only_dictionary_are_never_shown(api, shop, draft, acme):
    words = PartFactory.create(
        version=draft, kind="dictionary", name="keys", write_only=True
    )
    one = f"/api/service/{shop.pk}/dictionary/{words.public_id}/item/a"

    added = api.put(one, "item_value=hunter2", FORM)

    assert "item_value" not in added.json()
    assert "hunter2" not in api.get(one).content.decode()
    assert last_entry(acme.pk)["after"] == {"a": {"item_key": "a", "item_value": "set"}}

    api.put(one, "item_value=hunter3", FORM)
    assert last_entry(acme.pk)["after"]["a"]["item_value"] == "changed"


def test_info_counts_the_items_and_the_digest_follows_them(api, shop, dictionary):
    info = f"/api/service/{shop.pk}/version/1/dictionary/{dictionary.public_id}/info"
    one = f"/api/service/{shop.pk}/dictionary/{dictionary.public_id}/item/a"

    empty = api.get(info).json()
    api.put(one, "item_value=1", FORM)
    first = api.get(info).json()
    api.put(one, "item_value=2", FORM)

    assert (empty["item_count"], first["item_count"]) == (0, 1)
    assert len({empty["digest"], first["digest"], api.get(info).json()["digest"]}) == 3


def test_the_only_server_of_a_pool_stays(api, shop, pool, acme):
    base = f"/api/service/{shop.pk}/pool/{pool.public_id}"
    first = api.post(f"{base}/server", "address=a.example.com", FORM).json()

    refused = api.delete(f"{base}/server/{first['id']}")
    api.post(f"{base}/server", "address=b.example.com&port=8080", FORM)

    assert first.items() >= {"port": 80, "weight": 100, "max_conn": 0}.items()
    assert refused.status_code == 400
    assert refused.json()["detail"] == "Cannot delete only server in a pool"
    assert api.delete(f"{base}/server/{first['id']}").status_code == 200
    assert len(api.get(f"{base}/servers").json()) == 1
    assert noted(acme.pk)[-1] == "pool.servers_changed"


def test_a_director_has_the_names_of_its_backends(api, shop, draft, acme):
    BackendFactory.create(version=draft, name="other/one")
    PartFactory.create(version=draft, kind="director", name="pair")
    base = f"/api/service/{shop.pk}/version/1/director/pair"

    added = api.post(f"{base}/backend/other%2Fone", "", FORM)
    again = api.post(f"{base}/backend/other%2Fone", "", FORM)
    unknown = api.post(f"{base}/backend/none", "", FORM)

    assert (
        added.json().items()
        >= {
            "backend_name": "other/one",
            "director": "pair",
            "director_name": "pair",
            "version": 1,
        }.items()
    )
    assert (again.status_code, unknown.status_code) == (409, 404)
    assert api.get(base).json()["backends"] == ["other/one"]
    assert last_entry(acme.pk)["action"] == "director.updated"
    assert api.delete(f"{base}/backend/other%2Fone").json() == {"status": "ok"}
    assert api.get(f"{base}/backend/other%2Fone").status_code == 404


def test_directors_follow_backends_that_are_renamed_or_removed(api, shop, draft):
    BackendFactory.create(version=draft, name="a")
    BackendFactory.create(version=draft, name="b")
    PartFactory.create(version=draft, kind="director", name="pair", backends=["a", "b"])
    base = f"/api/service/{shop.pk}/version/1"

    api.put(f"{base}/backend/a", "name=c", FORM)
    renamed = api.get(f"{base}/director/pair").json()["backends"]
    api.delete(f"{base}/backend/b")

    assert renamed == ["c", "b"]
    assert api.get(f"{base}/director/pair").json()["backends"] == ["c"]


@pytest.mark.parametrize("path", ["acl/{}/entries", "pool/{}/servers", "snippet/{}"])
def test_an_unknown_part_is_404(api, shop, path):
    answer = api.get(f"/api/service/{shop.pk}/{path.format('x' * 22)}")

    assert answer.status_code == 404


def test_the_key_of_an_item_can_be_any_text(api, shop, dictionary, acme):
    base = f"/api/service/{shop.pk}/dictionary/{dictionary.public_id}"

    made = api.post(f"{base}/item", {"item_key": "Grüße", "item_value": "a"}, JSON)
    changed = api.put(f"{base}/item/Grüße", {"item_value": "b"}, JSON)

    assert (made.status_code, changed.status_code) == (200, 200)
    (noted_item,) = last_entry(acme.pk)["after"].values()
    assert noted_item["item_key"] == "Grüße"


@pytest.mark.parametrize("key", ["b", "", "k" * 300])
def test_the_key_of_an_item_is_the_one_in_the_path(api, shop, dictionary, key):
    one = f"/api/service/{shop.pk}/dictionary/{dictionary.public_id}/item/a"
    api.put(one, {"item_key": "a", "item_value": "1"}, JSON)

    answer = api.put(one, {"item_key": key, "item_value": "2"}, JSON)

    assert answer.status_code == 400
    assert api.get(one).json()["item_value"] == "1"
