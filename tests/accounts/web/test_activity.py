"""The Activity page: grouped, filtered, paged, verified."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from accounts.actor import Context
from accounts.audit import triggers
from accounts.audit.models import AuditEvent, PersonalData, RepeatedRefusal
from accounts.audit.vocabulary import Event
from accounts.change import recorded_change
from accounts.commands.accounts import resume_account, suspend_account
from accounts.commands.members import change_role
from accounts.commands.sign_in import note_failed_login
from accounts.models import Account, User
from accounts.roles import Permission
from tests.accounts.web.test_members import text
from tests.factories import NOW
from tests.factories.services import ServiceFactory
from tests.factories.world import load_catalogue

PAGE = "/activity/"


@pytest.fixture(autouse=True)
def _own_cache(settings, request):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": request.node.name,
        }
    }


@pytest.fixture
def write(acme, sam):
    """Return a function that writes an entry into Acme's trail."""

    def note(actor=sam, event=Event.PRODUCT_ENABLED, at=NOW, **fields):
        target = {"target": ("product", "websockets", "WebSockets")}
        with recorded_change(actor, Permission.ACCOUNT_READ, on=acme, now=at) as trail:
            trail.note(event, **(target | fields))

    return note


def test_an_empty_trail_is_explained(sam, browser):
    assert "No activity yet" in text(browser(sam).get(PAGE))


def test_an_entry_shows_actor_event_time_interface_and_change(
    acme, sam, eve, browser, membership, now
):
    change_role(sam, membership=membership(eve), role="billing", now=now)

    shown_text = text(browser(sam).get(PAGE))

    assert "Sunday, 22 November 2026, UTC" in shown_text
    assert (
        "12:00:00 Sam changed Eve&#x27;s role from engineer to billing Web Done"
        in shown_text
    )
    assert "Role was engineer becomes billing" in shown_text
    assert "Request ID request-1" in shown_text
    assert f"#1, {AuditEvent.objects.get().event_hash}" in shown_text


def test_an_entry_has_a_page_with_all_its_fields(acme, sam, browser, write):
    write(
        reason="For the shop.",
        agreed_text_hash="a" * 64,
        product="websockets",
        target=("version", "S/2", "shop version 2"),
    )

    shown_text = text(browser(sam).get("/activity/1/"))

    assert "Target shop version 2 S/2" in shown_text
    assert "Type of the target version" in shown_text
    assert "192.0.2.10, Tests/1" in shown_text
    assert "sam@example.com" in shown_text
    assert "“For the shop.”" in shown_text
    assert "a" * 64 in shown_text
    assert "password · confirmed 22 November 2026, 12:00:00 UTC" in shown_text
    assert "&quot;seq&quot;:1" in shown_text


def test_personal_data_that_an_entry_never_had_is_not_called_deleted(
    acme, sam, browser, write
):
    write(actor=replace(sam, context=Context(interface="command")))
    PersonalData.objects.filter(kind="email").delete()

    shown_text = text(browser(sam).get("/activity/1/"))

    assert "Browser or program not recorded" in shown_text
    assert "From not recorded" in shown_text
    assert "Email deleted" in shown_text


def test_the_page_of_a_refusal_says_how_often_it_was_repeated(
    acme, sam, browser, write
):
    write()
    RepeatedRefusal.objects.create(
        account_id=acme.pk, sequence=1, count=36, last_at=NOW + timedelta(minutes=5)
    )

    shown_text = text(browser(sam).get("/activity/1/"))

    assert "repeated 36 times within an hour, the last time" in shown_text


def test_entries_are_grouped_by_day_newest_first(sam, browser, write):
    write(at=NOW - timedelta(days=1), target=("product", "fanout", "Fanout"))
    write()

    shown_text = text(browser(sam).get(PAGE))

    assert (
        shown_text.index("22 November")
        < shown_text.index("enabled WebSockets")
        < shown_text.index("21 November")
    )
    assert shown_text.index("21 November") < shown_text.index("enabled Fanout")


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, 3),
        ({"action": "product.enabled"}, 2),
        ({"product": "websockets"}, 1),
        ({"interface": "web"}, 3),
        ({"interface": "api"}, 0),
        ({"q": "websock"}, 3),
        ({"q": "Removed a mem"}, 1),
        ({"q": "member.removed"}, 1),
        ({"q": "SAM"}, 3),
        ({"q": "192.0.2.10"}, 3),
        ({"q": "192.0.2"}, 0),
        ({"q": "request-1"}, 3),
        ({"q": "nothing like it"}, 0),
        ({"actor": "staff"}, 0),
        ({"outcome": "refused"}, 0),
        ({"since": "2026-11-22"}, 2),
        ({"until": "2026-11-21"}, 1),
        ({"since": "2026-11-21", "until": "2026-11-22"}, 3),
        ({"actor": "unknown-actor"}, 0),
        ({"action": "product.enabled", "product": "websockets"}, 1),
    ],
)
def test_filters_are_query_parameters(sam, browser, write, query, shown):
    write(at=NOW - timedelta(days=1), product="websockets")
    write()
    write(event=Event.MEMBER_REMOVED)

    page = browser(sam).get(PAGE, query)

    assert page.status_code == 200
    assert page.content.decode().count("<details>") == shown


def test_the_entries_of_one_user_can_be_listed(sam, eve, browser, write):
    write()
    write(actor=eve)

    page = browser(sam).get(PAGE, {"actor": eve.user_id})

    assert page.content.decode().count("<details>") == 1
    assert (
        f'<option value="{eve.user_id}" selected>Eve</option>' in page.content.decode()
    )


def options(page, name):
    """Return the choices of a filter, without groups, except the one for all."""
    found: dict[str, str] = {}
    for value, words in page.context["form"].fields[name].choices:
        found |= dict(words) if isinstance(words, list) else {value: words}
    return {value: words for value, words in found.items() if value}


def test_who_offers_everyone_whom_the_trail_names(
    acme, sam, eve, ada, browser, write, now
):
    write(actor=eve)
    suspend_account(ada, account=acme, reason="Unpaid", now=now)
    resume_account(ada, account=acme, reason="Paid", now=now)
    acme.memberships.filter(user_id=eve.user_id).delete()

    page = browser(sam).get(PAGE, {"actor": "staff"})

    assert page.content.decode().count("<details>") == 2
    assert options(page, "actor") == {
        eve.user_id: "Eve",
        "staff": "All Tollgate staff",
        ada.user_id: "Ada (Tollgate staff)",
    }


def test_what_offers_only_events_that_occur_with_their_counts(sam, browser, write):
    write()
    write()
    write(event=Event.MEMBER_REMOVED)

    page = browser(sam).get(PAGE)

    assert options(page, "action") == {
        "product.enabled": "enabled a product (2)",
        "member.removed": "removed a member (1)",
    }
    groups = [title for title, _ in page.context["form"].fields["action"].choices]
    assert groups == ["", "Accounts and members", "Products and the bill"]


def test_products_are_offered_by_their_names(sam, browser, write):
    load_catalogue()
    write(product="websockets")

    assert options(browser(sam).get(PAGE), "product") == {"websockets": "WebSockets"}


def test_a_failed_sign_in_is_not_among_a_persons_entries(acme, sam, browser, write):
    user = User.objects.get(pk=sam.user_id)
    note_failed_login(
        sam, user=user, event=Event.USER_LOGIN_FAILED, reason="Wrong.", now=NOW
    )
    write()

    everything = browser(sam).get(PAGE)
    of_sam = browser(sam).get(PAGE, {"actor": sam.user_id})

    assert "Failed sign-in as Sam" in text(everything)
    assert of_sam.content.decode().count("<details>") == 1


def test_a_day_has_the_number_of_its_entries_on_all_pages(acme, sam, browser):
    with recorded_change(sam, Permission.ACCOUNT_READ, on=acme, now=NOW) as trail:
        for _ in range(60):
            trail.note(Event.PRODUCT_ENABLED, target=("product", "x", "X"))

    page = browser(sam).get(PAGE, {"action": "product.enabled"})

    assert "60 entries" in text(page)
    assert "Link to these filters" in text(page)


def test_each_view_that_is_often_wanted_can_be_opened(sam, browser, write):
    write()
    client = browser(sam)

    urls = [view["url"] for view in client.get(PAGE).context["views"]]

    assert [client.get(url).status_code for url in urls] == [200] * len(urls)


def test_filters_without_a_match_are_explained(sam, browser, write):
    write()

    shown_text = text(browser(sam).get(PAGE, {"q": "fanout"}))

    assert "Nothing matches these filters" in shown_text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"since": "yesterday"}, "Enter a valid date."),
        ({"action": "x"}, "Choose one of the options."),
        ({"outcome": "maybe"}, "Choose one of the options."),
        ({"sort": "best"}, "Choose one of the options."),
        ({"service": "x"}, "Choose one of the options."),
        ({"actor": "x" * 65}, "Choose one of the options."),
    ],
)
def test_an_invalid_query_is_a_clear_error(sam, browser, query, message):
    page = browser(sam).get(PAGE, query)

    assert page.status_code == 400
    assert message in text(page).replace("&#x27;", "'")


def test_pages_keep_the_filter(acme, sam, browser, write):
    with recorded_change(sam, Permission.ACCOUNT_READ, on=acme, now=NOW) as trail:
        for _ in range(60):
            trail.note(Event.PRODUCT_ENABLED, target=("product", "x", "X"), product="x")
    client = browser(sam)

    first = client.get(PAGE, {"product": "x"})
    assert b'href="/activity/?product=x&amp;after=11"' in first.content
    second = client.get(PAGE, {"product": "x", "after": "11"})

    assert first.content.decode().count("<details>") == 50
    assert second.content.decode().count("<details>") == 10
    assert b'href="/activity/?product=x&amp;before=10"' in second.content
    assert "Entries found: 60" in text(first)


def test_entries_can_be_read_oldest_first(acme, sam, browser, write):
    write(at=NOW - timedelta(days=1), target=("product", "fanout", "Fanout"))
    with recorded_change(sam, Permission.ACCOUNT_READ, on=acme, now=NOW) as trail:
        for _ in range(60):
            trail.note(Event.PRODUCT_ENABLED, target=("product", "x", "X"), product="x")
    client = browser(sam)

    first = client.get(PAGE, {"sort": "old"})
    second = client.get(PAGE, {"sort": "old", "after": "50"})

    rows = [each.sequence for each in first.context["page"].rows]
    assert rows == list(range(1, 51))
    assert text(first).index("21 November") < text(first).index("22 November")
    assert b'href="/activity/?sort=old&amp;after=50"' in first.content
    assert "Next entries" in text(first)
    assert second.context["page"].rows[0].sequence == 51
    assert b'href="/activity/?sort=old&amp;before=51"' in second.content


@pytest.mark.parametrize("cursor", ["last", "-1", "9" * 30])
def test_an_unknown_place_leads_to_the_first_page(sam, browser, write, cursor):
    write()

    page = browser(sam).get(PAGE, {"after": cursor})

    assert page.status_code == 200
    assert page.content.decode().count("<details>") == 1


def test_an_entry_is_found_by_the_name_of_its_product(sam, browser, write):
    load_catalogue()
    write(product="websockets")
    write(
        event=Event.BILL_CHANGED, target=("account", "a", "Acme"), product="websockets"
    )

    page = browser(sam).get(PAGE, {"q": "WEBSOCK"})

    assert page.content.decode().count("<details>") == 2


def test_the_list_takes_the_same_queries_for_any_number(
    acme, sam, browser, write, django_assert_num_queries
):
    client = browser(sam)
    write()
    client.get(PAGE)  # Django caches content types once per process
    with django_assert_num_queries(13):
        client.get(PAGE)

    for _ in range(5):
        write()
    client.get(PAGE)  # Django caches content types once per process
    with django_assert_num_queries(13):
        client.get(PAGE)


def test_the_chain_is_verified_on_request(sam, browser, write):
    write()
    client = browser(sam)
    assert "Not verified today" in text(client.get(PAGE))

    client.post("/activity/verify/")

    assert "Chain verified up to #1" in text(client.get(PAGE))


def test_an_altered_entry_is_reported_with_its_number(sam, browser, write):
    write()
    write()
    triggers.remove(connection)
    AuditEvent.objects.filter(sequence=2).update(actor_label="Mallory")
    triggers.install(connection)
    client = browser(sam)

    client.post("/activity/verify/")

    assert "The chain is broken at #2" in text(client.get(PAGE))


def test_the_trail_of_another_account_is_not_found(acme, stan, browser, write):
    write()
    client = browser(stan)

    assert "No activity yet" in text(client.get(PAGE))
    assert client.get("/activity/1/").status_code == 404
    assert client.get(f"/activity/{10**30}/").status_code == 404


def test_the_last_possible_day_can_be_a_filter(sam, browser, write):
    write()

    page = browser(sam).get(PAGE, {"until": "9999-12-31"})

    assert page.status_code == 200
    assert page.content.decode().count("<details>") == 1


@pytest.fixture
def zones(acme):
    """Return 60 services, more than a list offers."""
    return [
        ServiceFactory.create(account=acme, name=f"zone-{number}")
        for number in range(60)
    ]


@pytest.mark.parametrize("typed", ["zone-5", "ne-59", "{id}"])
def test_a_service_among_many_is_typed_by_name_or_id(sam, browser, write, zones, typed):
    meant = zones[5] if typed == "zone-5" else zones[59]
    for service in zones:
        write(service_id=service.pk)

    page = browser(sam).get(PAGE, {"service": typed.format(id=meant.pk)})

    assert [each.service_id for each in page.context["page"].rows] == [meant.pk]


def test_a_name_that_fits_several_services_is_refused(sam, browser, zones):
    page = browser(sam).get(PAGE, {"service": "ne-5"})

    assert page.status_code == 400
    assert (
        "11 services match. Enter more of the name, or the ID." in page.content.decode()
    )


def test_days_begin_in_the_time_zone_of_the_reader(acme, sam, browser, write):
    write(at=NOW.replace(hour=22))
    write(at=NOW.replace(hour=23, minute=30))
    Account.objects.filter(pk=acme.pk).update(time_zone="Europe/Berlin")
    client = browser(sam)

    everything = text(client.get(PAGE))
    one_day = text(client.get(PAGE, {"since": "2026-11-23", "until": "2026-11-23"}))

    assert "Monday, 23 November 2026, Europe/Berlin · 1 entry 00:30:00" in everything
    assert "Sunday, 22 November 2026, Europe/Berlin · 1 entry 23:00:00" in everything
    assert "00:30:00 Sam" in one_day
    assert "23:00:00 Sam" not in one_day
