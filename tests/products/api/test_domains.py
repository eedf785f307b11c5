"""Checks of a version's domains in Fastly's format."""

from tests.factories.keys import client_of
from tests.factories.services import DomainFactory, VersionFactory, live_version


def test_a_domain_is_ok_if_the_service_receives_its_requests(eve, shop):
    api = client_of(eve)
    version = VersionFactory.create(service=shop)
    DomainFactory.create(version=version, name="shop.example.com")
    live_version(shop, "shop.example.com", number=2)
    before = api.get(f"/api/service/{shop.pk}/version/1/domain/check_all").json()

    api.put(f"/api/service/{shop.pk}/version/2/deactivate")
    api.put(f"/api/service/{shop.pk}/version/2/activate")
    after = api.get(f"/api/service/{shop.pk}/version/1/domain/check_all").json()

    assert [(row["name"], cname, ok) for row, cname, ok in before] == [
        ("shop.example.com", None, False)
    ]
    assert [ok for _, _, ok in after] == [True]


def test_one_domain_is_checked_by_its_name(eve, shop, draft):
    api = client_of(eve)

    row, cname, ok = api.get(
        f"/api/service/{shop.pk}/version/1/domain/Shop.example.com/check"
    ).json()

    assert (row["name"], row["version"], cname, ok) == (
        "shop.example.com",
        1,
        None,
        False,
    )


def test_a_domain_that_the_version_does_not_have_is_404(eve, shop, draft):
    answer = client_of(eve).get(
        f"/api/service/{shop.pk}/version/1/domain/x.example.com/check"
    )

    assert answer.status_code == 404


def test_a_list_of_domains_includes_nothing_else_and_refuses_what_is_unknown(
    eve, shop, draft
):
    path = f"/api/service/{shop.pk}/version/1/domain"

    listed = client_of(eve).get(path, {"include": "staging_ips"})
    refused = client_of(eve).get(path, {"include": "null"})

    assert listed.status_code == 200
    assert refused.status_code == 400
    assert refused.json()["detail"].startswith("include")
