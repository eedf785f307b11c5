"""Services and versions in the Django admin."""

import pytest
from django.contrib.admin.sites import site
from django.urls import reverse

from products.services.models import Service, Version
from tests.factories.accounts import UserFactory
from tests.factories.services import ServiceFactory, live_version


@pytest.mark.parametrize("model", [Service, Version])
def test_staff_read_and_change_nothing(model, rf, ada):
    request = rf.get("/")
    request.user = UserFactory.create(is_staff=True, is_superuser=True)
    page = site._registry[model]

    assert page.has_view_permission(request)
    assert page.has_module_permission(request)
    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)


@pytest.mark.parametrize("model", [Service, Version])
def test_who_is_no_staff_reads_nothing(model, rf, db):
    request = rf.get("/")
    request.user = UserFactory.create()

    assert not site._registry[model].has_view_permission(request)


@pytest.mark.parametrize("name", ["service", "version"])
def test_the_lists_show_every_accounts_services(
    name, staff, shop, django_assert_max_num_queries
):
    live_version(shop)
    for number in range(10):
        live_version(ServiceFactory.create(name=f"other-{number}"))

    path = reverse(f"admin:services_{name}_changelist")
    staff.get(path, {"q": "shop"})  # the first view is recorded, later ones not

    with django_assert_max_num_queries(12):
        page = staff.get(path, {"q": "shop"})

    assert page.status_code == 200
    assert "shop" in page.content.decode()
    assert "other-3" not in page.content.decode()


def test_a_service_can_be_opened_but_not_saved(staff, shop):
    url = reverse("admin:services_service_change", args=[shop.pk])

    assert staff.get(url).status_code == 200
    assert staff.post(url, {"name": "mine"}).status_code == 403
    assert Service.objects.get(pk=shop.pk).name == "shop"


def test_the_page_of_a_service_has_its_id_and_leads_to_what_belongs_to_it(staff, shop):
    live_version(shop)
    page = staff.get(reverse("admin:services_service_change", args=[shop.pk]))

    content = page.content.decode()
    lists = ("services_version", "deploy_deployment", "enablement_serviceproduct")
    links = [f"{reverse(f'admin:{name}_changelist')}?q={shop.pk}" for name in lists]
    assert [link for link in links if link not in content] == []
    assert f'<div class="readonly">{shop.pk}</div>' in content
    versions = staff.get(links[0]).content.decode()
    assert 'data-label="Account"' in versions
