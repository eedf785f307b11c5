"""The help pages: they open, their links lead somewhere, and they match the code."""

import re

import pytest
from django.conf import settings
from django.test import Client
from django.urls import resolve, reverse
from django.utils.text import slugify

from accounts.roles import ABILITIES, ROLE_PERMISSIONS, Role
from products.compatibility import rules
from products.compatibility.findings import Rule
from products.deploy.checks import CHECKS
from products.web.help import RULE_PAGES, help_pages, read_page
from tests.factories.services import BackendFactory
from tests.products.web.conftest import text_of

LINK = re.compile(r'href="([^"]+)"')
DECLARED = re.compile(r'^    code = "(\w+)"$', re.MULTILINE)
CODE = re.compile(r"<code>([a-z_]+)</code>")


def rows_of(name):
    """Return the cells of the tables of a page."""
    rows = re.findall(r"<tr>(.*?)</tr>", read_page(name).body, re.DOTALL)
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows if "<td" in row]


def codes_of_refusals():
    """Return the codes that classes declare, in all of the code."""
    files = [
        path
        for app in ("accounts", "products", "portal")
        for path in (settings.BASE_DIR / app).rglob("*.py")
    ]
    return {
        code for path in files for code in DECLARED.findall(path.read_text("utf-8"))
    }


@pytest.mark.parametrize("name", help_pages())
def test_a_page_opens_without_signing_in_and_its_links_lead_to_pages(db, name):
    address = reverse("help") if name == "index" else reverse("help_page", args=[name])

    answer = Client().get(address)

    links = LINK.findall(read_page(name).body)
    assert answer.status_code == 200
    assert read_page(name).title in text_of(answer)
    assert [link for link in links if not link.startswith(("/", "https://"))] == []
    for link in links:
        if link.startswith("/"):
            resolve(link.partition("#")[0])  # raises Resolver404


@pytest.mark.parametrize("name", help_pages())
def test_links_between_pages_lead_to_a_file(name):
    links = LINK.findall(read_page(name).body)

    pages = {link.split("/")[2] for link in links if link.startswith("/help/")} - {""}
    assert pages <= set(help_pages())


def test_every_page_is_in_the_list():
    links = LINK.findall(read_page("index").body)

    listed = {link.split("/")[2] for link in links if link.startswith("/help/")}
    assert listed == set(help_pages()) - {"index"}


@pytest.mark.parametrize(
    ("address", "path"),
    [("/help/", ["Help"]), ("/help/shielding/", ["Help", "R6: Shielding"])],
)
def test_a_page_shows_where_it_is(db, address, path):
    page = Client().get(address).content.decode()

    crumbs = page[page.index('aria-label="Breadcrumb"') : page.index("</nav>")]
    assert re.findall(r"title=\"([^\"]+)\"", crumbs) == path


def test_an_unknown_page_is_not_found(db):
    assert Client().get("/help/nothing/").status_code == 404


def test_each_rule_has_its_page():
    numbers = {each.number for each in vars(rules).values() if isinstance(each, Rule)}

    titles = {rule: read_page(page).title for rule, page in RULE_PAGES.items()}
    assert set(titles) == numbers
    assert {rule for rule in titles if not titles[rule].startswith(f"{rule}:")} == set()


def test_each_check_has_its_section():
    body = read_page("deployment-checks").body

    assert [
        each.title for each in CHECKS if f'id="{slugify(each.title)}"' not in body
    ] == []


def test_the_table_of_roles_is_the_one_that_is_enforced():
    expected = [
        [
            words,
            *("yes" if permission in ROLE_PERMISSIONS[role] else "no" for role in Role),
        ]
        for permission, words in ABILITIES.items()
        if any(permission in ROLE_PERMISSIONS[role] for role in Role)
    ]

    assert rows_of("roles")[: len(expected)] == expected


def test_every_error_code_is_explained():
    explained = {
        code for row in rows_of("error-codes") for code in CODE.findall(row[0])
    }
    assert explained == codes_of_refusals() - {"refused"}  # of the base class


def test_a_finding_links_to_its_rule_and_a_check_to_its_section(
    browser, eve, switched_on, draft
):
    BackendFactory.create(version=draft, name="far", shield="frankfurt-de")
    client = browser(eve)

    version = client.get(reverse("version", args=[draft.service_id, 1]))
    why = client.get(reverse("why", args=[draft.service_id, 1]))

    assert 'href="/help/shielding/">About R6' in version.content.decode()
    assert (
        'href="/help/deployment-checks/#no-compatibility-rule-is-broken"'
        in why.content.decode()
    )
