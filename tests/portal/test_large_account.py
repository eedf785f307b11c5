"""Every list of an account with 1,000 of everything and long names is small, and asks little."""

import time

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership
from products.services.models import Service
from products.webhooks.models import Webhook
from tests.accounts.conftest import confirm
from tests.factories.large import enlarge
from tests.factories.rolled_back import rolled_back
from tests.factories.world import build_world

BUDGET = 100_000  # bytes of HTML before compression
MAX_QUERIES = 30


@pytest.fixture(scope="module")
def large(django_db_setup, django_db_blocker):
    """Return the world, whose Acme is large."""
    with django_db_blocker.unblock(), rolled_back():
        world = build_world()
        enlarge(world.acme, world.person("superuser"))
        yield world


@pytest.fixture
def client(large, db):
    """Return a browser that Sam has signed in to."""
    client = Client()
    sam = large.person("superuser")
    client.force_login(sam, "django.contrib.auth.backends.ModelBackend")
    confirm(client, sam.pk, time.time())
    return client


PAGES = (
    "/search/",
    "/search/?q=0",
    "/search/?q=0500",
    "/entitlements/",
    "/entitlements/?find=00&who=00",
    "/entitlements/?service={active}&member={limited}",
    "/members/invite/",
    "/members/{limited}/access/",
    "/api-tokens/new/",
    "/products/",
    "/products/fanout/enable/",
    "/products/websockets/enable/",
    "/products/websockets/disable/",
    "/products/websockets/enabled/",
    "/live/",
    "/services/",
    "/services/?sort=new&state=active&websockets=on",
    "/services/?q=0500",
    "/services/{active}/",
    "/members/",
    "/members/?q=0500&role=user&sort=new",
    "/members/?can=configure",
    "/members/{limited}/",
    "/members/{limited}/remove/",
    "/api-tokens/",
    "/api-tokens/?q=0500",
    "/domains/",
    "/webhooks/",
    "/webhooks/{webhook}/",
)


def path_of(page, large):
    limited = Membership.objects.filter(account=large.acme, limit_services=True)
    return page.format(
        active=Service.objects.get(name__startswith="0000").pk,
        limited=limited.get(user__name__startswith="0010").pk,
        webhook=Webhook.objects.get(url__contains="hhh").pk,
    )


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_a_large_account_is_small(client, large, page):
    path = path_of(page, large)
    client.get(path)  # Django reads content types once per process
    with CaptureQueriesContext(connection) as asked:
        answer = client.get(path)

    assert answer.status_code == 200
    assert len(answer.content) <= BUDGET
    assert len(asked) <= MAX_QUERIES
