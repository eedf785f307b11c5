"""Every list of an account with 1,000 of everything and long names is small, and asks little."""

import time

import pytest
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.contrib.staticfiles.finders import find
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, ApiToken, Membership, User
from products.domains.models import DomainClaim
from products.services.models import Service
from products.webhooks.models import Webhook
from tests.browser import NARROW, WIDE, chromium
from tests.factories.large import LONG, enlarge
from tests.factories.rolled_back import rolled_back
from tests.factories.sessions import confirm
from tests.factories.world import build_world

BUDGET = 100_000  # bytes of HTML before compression
MAX_QUERIES = 35
MAX_REQUESTS = 6  # with the page itself
MAX_ADMIN_REQUESTS = 25  # Django loads its scripts one by one
# They read what each meter costs.
MORE_QUERIES = {"/": 45, "/products/": 44, "/billing/": 41}
ORIGIN = "http://portal.test"
# Amounts, and words of up to 14 characters, that are spread over two lines; a long name wraps anywhere.
BROKEN_WORDS = """
    () => {
      const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
      const broken = [];
      while (texts.nextNode()) {
        for (const { 0: word, index } of texts.currentNode.data.matchAll(/(?<!\\S)(?:\\d[\\d.,]*\\s(?:USD|[GMT]B|min|h|s)|\\w{2,14})(?!\\S)/g)) {
          const range = document.createRange();
          range.setStart(texts.currentNode, index);
          range.setEnd(texts.currentNode, index + word.length);
          const lines = new Set(Array.from(range.getClientRects(), each => each.top));
          if (lines.size > 1) broken.push(word);
        }
      }
      return broken;
    }
"""


@pytest.fixture(scope="module")
def large(django_db_setup, django_db_blocker):
    """Return the world, whose Acme is large."""
    with django_db_blocker.unblock(), rolled_back():
        world = build_world()
        enlarge(world.acme, world.person("superuser"))
        Account.objects.filter(pk=world.acme.pk).update(name=f"Acme-{LONG}")
        User.objects.filter(name="Sam").update(name=f"Sam{LONG}")
        # Django reads them once per process, which would be a query of some page.
        ContentType.objects.get_for_models(*apps.get_models())
        yield world


@pytest.fixture
def client(large, db):
    """Return a browser that Sam has signed in to."""
    return signed_in(large.person("superuser"))


def signed_in(person):
    """Return the browser of a person, who has just confirmed who they are."""
    client = Client()
    client.force_login(person)
    confirm(client, person.pk, time.time())
    return client


PAGES = (
    "/activity/",
    "/activity/?service={active}",
    "/api-tokens/automation/new/",
    "/usage/",
    "/billing/",
    "/billing/budget/",
    "/notices/",
    "/notices/settings/",
    "/account/",
    "/profile/",
    "/",
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
    "/services/",
    "/services/?sort=new&state=active&websockets=on",
    "/services/?q=0500",
    "/services/?websockets=conflict",
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


ALSO_NARROW = (
    "/activity/1/",
    "/products/ngwaf/enable/",
    "/services/{active}/delete/",
    "/services/{active}/compare/?from=1&to=1",
    "/services/{active}/versions/1/",
    "/services/{active}/versions/1/why/",
    "/services/{active}/versions/1/activate/",
    "/services/{active}/versions/1/deactivate/",
    "/services/{active}/versions/1/backend/add/",
    "/services/{active}/versions/1/backend/edit/{backend}/",
    "/domains/{claim}/",
    "/domains/{claim}/release/",
    "/members/{limited}/?role=billing",
    "/members/{limited}/offboard/disable/",
    "/api-tokens/{token}/revoke/",
    "/webhooks/{webhook}/remove/",
    "/accounts/2fa/",
    "/accounts/sessions/",
    "/accounts/email/",
    "/accounts/password/change/",
)


ADMIN = (
    "/admin/accounts/account/",
    "/admin/accounts/account/{account}/change/",
    "/admin/accounts/account/{account}/suspend/",
    "/admin/audit/auditevent/?account={account}",
    "/admin/accounts/user/",
    "/admin/accounts/user/?q=0500",
    "/admin/accounts/membership/",
    "/admin/accounts/membership/{limited}/change/?service={active}",
    "/admin/accounts/invitation/",
    "/admin/domains/domainclaim/{claim}/move/",
    "/admin/services/service/",
)


def path_of(page, large):
    limited = Membership.objects.filter(account=large.acme, limit_services=True)
    service = Service.objects.get(name__startswith="0000")
    return page.format(
        account=large.acme.pk,
        active=service.pk,
        backend=LONG,
        claim=DomainClaim.objects.get(name__contains=".0000.").pk,
        limited=limited.get(user__name__startswith="0010").pk,
        token=ApiToken.objects.get(name__startswith="0000").pk,
        webhook=Webhook.objects.get(url__contains="hhh").pk,
    )


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_a_large_account_is_small(client, large, page):
    path = path_of(page, large)
    with CaptureQueriesContext(connection) as asked:
        answer = client.get(path)

    assert answer.status_code == 200
    assert len(answer.content) <= BUDGET
    assert len(asked) <= MORE_QUERIES.get(page, MAX_QUERIES)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("who", "paths", "limit"),
    [
        ("superuser", (*PAGES, *ALSO_NARROW), MAX_REQUESTS),
        ("staff", ADMIN, MAX_ADMIN_REQUESTS),
    ],
)
def test_no_page_with_long_names_scrolls_sideways_breaks_words_or_loads_many_files(
    large, db, who, paths, limit
):
    client = signed_in(large.person(who))
    found = [path_of(path, large) for path in paths]
    pages = {ORIGIN + path: client.get(path) for path in found}
    assert {url for url, page in pages.items() if page.status_code != 200} == set()

    # The pages are read before the browser starts, whose loop Django takes for asynchronous code.
    with chromium() as browser:
        page = browser.new_page()
        page.route("**/*", lambda route: answer(route, pages))
        loaded: set[str] = set()
        page.on("request", lambda request: loaded.add(request.url))
        widths, counts, broken = {}, {}, {}
        for url in pages:
            loaded.clear()
            page.set_viewport_size(NARROW)
            page.goto(url)
            widths[url] = page.evaluate("document.documentElement.scrollWidth")
            broken[url] = page.evaluate(BROKEN_WORDS)
            page.set_viewport_size(WIDE)
            broken[url] += page.evaluate(BROKEN_WORDS)
            # Without what a page asks for again by itself, such as numbers that refresh.
            counts[url] = 1 + sum("/static/" in each for each in loaded)

    assert {url: width for url, width in widths.items() if width > 320} == {}
    assert {url: count for url, count in counts.items() if count > limit} == {}
    assert {url: words for url, words in broken.items() if words} == {}


def answer(route, pages):
    """Answer a request of the browser with a page that was read, or with a static file."""
    url = route.request.url
    if url in pages:
        route.fulfill(body=pages[url].content, content_type="text/html; charset=utf-8")
    else:
        name = url.partition("/static/")[2]
        path = find(name) if name else None
        route.fulfill(path=path) if path else route.abort()
