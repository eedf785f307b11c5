"""Home: what needs attention in each state and with which action, and the first steps."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.commands.accounts import suspend_account
from accounts.models import ApiToken, Invitation
from products.catalogue.commands import add_plan
from products.enablement.commands import disable, request_product, start_trial
from products.enablement.models import ProductRequest, ServiceProduct
from tests.factories import NOW
from tests.factories.domains import claimed, pending
from tests.factories.enablement import block_by_budget, entitle
from tests.factories.services import (
    BackendFactory,
    DomainFactory,
    ServiceFactory,
    VersionFactory,
)
from tests.factories.webhooks import WebhookFactory
from tests.factories.world import CATALOGUE, agreed_to_trial
from tests.products.web.conftest import text_of

SUSPENDED = (
    "Acme is suspended: Unpaid invoice. New connections are refused. Contact support to lift the "
    "suspension."
)
WITHOUT_EFFECT = "WebSockets is switched on for complete, but disabled for the account. It has no effect."


def attention(client):
    """Return the items of Home: word, sentence and action."""
    items = client.get("/").context["attention"]
    return [(each.word, each.sentence, each.action) for each in items]


def steps(client):
    """Return the first steps: title and whether it is done, and the one action."""
    found = client.get("/").context["steps"]
    actions = [step.action for step in found if step.action]
    return [(step.title, step.done) for step in found], actions


@pytest.fixture
def complete(acme):
    """Return a service with a complete active version."""
    service = ServiceFactory.create(account=acme, name="complete")
    version = VersionFactory.create(service=service, live=True)
    DomainFactory.create(version=version)
    BackendFactory.create(version=version)
    return service


def test_nothing_needs_attention_in_a_sound_account(browser, sam, complete, enabled):
    assert "Nothing needs your attention." in text_of(browser(sam).get("/"))


def test_a_suspended_account(browser, ada, sam, acme, now):
    suspend_account(ada, account=acme, reason="Unpaid invoice.", now=now)

    [item] = attention(browser(sam))

    assert item[:2] == (
        "Suspended",
        SUSPENDED,
    )


@pytest.mark.parametrize(
    ("who", "action", "remedy"),
    [
        ("sam", "Enable WebSockets…", ""),
        ("eve", "View WebSockets", " Superusers can enable it."),
    ],
)
def test_a_product_that_is_switched_on_and_disabled_for_the_account(
    request, browser, sam, acme, websockets, enabled, complete, now, who, action, remedy
):
    complete.products.create(product=websockets, starts_at=now)
    disable(sam, account=acme, product=websockets, drain_mode="cut", now=now)

    items = attention(browser(request.getfixturevalue(who)))

    assert items == [
        (
            "Disabled",
            WITHOUT_EFFECT + remedy,
            action,
        )
    ]


def test_a_product_that_is_blocked(browser, sam, enabled, complete, now):
    block_by_budget(enabled.account)

    [item] = attention(browser(sam))

    assert item == (
        "Blocked",
        "WebSockets is blocked, so new connections are refused: The budget of this month is used up.",
        "Open the budget",
    )
    in_use = text_of(browser(sam).get("/"))
    assert "WebSockets Blocked New connections are refused." in in_use


@pytest.mark.parametrize(
    ("parts", "sentence", "action"),
    [
        ((), "Version 1 of echo has no domain and no backend.", "Add a domain"),
        ((DomainFactory,), "Version 1 of echo has no backend.", "Add a backend"),
        ((BackendFactory,), "Version 1 of echo has no domain.", "Add a domain"),
    ],
)
def test_a_service_without_domain_or_backend(
    browser, eve, complete, echo, draft, parts, sentence, action
):
    draft.parts.all().delete()
    for part in parts:
        part.create(version=draft)

    assert attention(browser(eve)) == [("Incomplete", sentence, action)]


def test_who_cannot_configure_a_service_reads_nothing_of_its_faults(
    browser, una, bo, lin, complete, switched_on, draft
):
    draft.parts.all().delete()
    DomainFactory.create(version=draft)
    BackendFactory.create(version=draft, shield="frankfurt-de")
    incomplete = ServiceFactory.create(account=draft.service.account, name="new")
    VersionFactory.create(service=incomplete)

    assert [attention(browser(each)) for each in (una, bo, lin)] == [[], [], []]


def test_an_open_request_is_reviewed_by_superusers_and_shown_to_its_member(
    browser, sam, eve, bo, acme, complete, websockets, now
):
    request_product(eve, account=acme, product=websockets, note="For chat", now=now)

    for_sam, for_eve, for_bo = (attention(browser(each)) for each in (sam, eve, bo))

    assert for_sam == [
        ("Request", "Eve requested WebSockets: “For chat”", "Review request")
    ]
    assert for_eve == [
        ("Request", "You requested WebSockets: “For chat”", "View request")
    ]
    assert for_bo == []


@pytest.mark.parametrize("state", ["granted", "declined", "withdrawn"])
def test_an_answered_request_needs_no_attention(
    browser, sam, eve, acme, complete, websockets, now, state
):
    request_product(eve, account=acme, product=websockets, now=now)
    ProductRequest.objects.update(state=state, answered_at=now)

    assert attention(browser(sam)) == []


@pytest.mark.parametrize(
    ("days", "words"), [(-1, []), (3, ["Expires"]), (20, [])], ids=str
)
def test_an_own_token_that_expires_soon(browser, eve, acme, complete, days, words):
    now = timezone.now()
    ApiToken.objects.create(
        user_id=eve.user_id,
        account=acme,
        name="CI",
        scope="global",
        digest="d",
        created_at=now,
        expires_at=now + timedelta(days=days),
    )

    assert [item[0] for item in attention(browser(eve))] == words


@pytest.mark.parametrize(
    ("days", "end"), [(-1, "has expired."), (1, "expires soon."), (5, None)]
)
def test_an_invitation_that_ends(browser, sam, eve, acme, complete, days, end):
    now = timezone.now()
    Invitation.objects.create(
        account=acme,
        email="a@x.example",
        role="user",
        created_at=now,
        expires_at=now + timedelta(days=days),
    )

    sentences = [item[1] for item in attention(browser(sam))]

    expected = [f"The invitation for a@x.example {end}"] if end else []
    assert sentences == expected
    assert attention(browser(eve)) == []


def test_a_domain_that_is_not_verified_and_one_that_is_lost(
    browser, eve, una, acme, complete
):
    claimed(acme, "sound.example")
    pending(acme, "new.example", requested_at=NOW + timedelta(days=1))
    claimed(acme, "old.example", state="lost", lost_at=NOW, lost_reason="Not proved.")

    assert attention(browser(eve)) == [
        (
            "Domain",
            "new.example is not verified yet. No version with it can be activated.",
            "Verify new.example",
        ),
        (
            "Domain",
            "The claim on old.example is lost: Not proved.",
            "View the claim",
        ),
    ]
    assert attention(browser(una)) == []


def test_a_paused_webhook(browser, sam, acme, complete, now):
    WebhookFactory.create(account=acme, paused_at=now, pause_reason="It answers 500.")

    [item] = attention(browser(sam))

    assert item[0] == "Paused"
    assert item[1].endswith("is paused: It answers 500.")


def test_a_limited_engineer_sees_nothing_of_other_services(
    browser, lin, shop, echo, draft
):
    draft.parts.all().delete()

    assert attention(browser(lin)) == []


def test_every_action_leads_to_a_page(
    browser, sam, eve, acme, echo, draft, websockets, now
):
    draft.parts.all().delete()
    echo.products.create(product=websockets, starts_at=now)
    request_product(eve, account=acme, product=websockets, now=now)
    client = browser(sam)

    home = client.get("/").context
    urls = [each.url for each in (*home["attention"], *home["steps"]) if each.url]

    assert len(urls) > 3
    assert {url: client.get(url).status_code for url in urls} == dict.fromkeys(
        urls, 200
    )


def test_an_empty_account_starts_with_a_service(browser, sam, websockets):
    titles, actions = steps(browser(sam))

    assert titles == [
        ("Create a service", False),
        ("Add a domain", False),
        ("Add a backend", False),
        ("Activate the version", False),
        ("Enable WebSockets", False),
        ("Switch WebSockets on for the service", False),
    ]
    assert actions == ["Create a service…"]


def test_each_step_is_done_in_turn_and_all_of_them_disappear(
    browser, sam, acme, echo, draft, websockets, now
):
    draft.parts.all().delete()
    client = browser(sam)
    done = [steps(client)[1]]
    for make in (DomainFactory, BackendFactory):
        make.create(version=draft)
        done.append(steps(client)[1])
    draft.active = draft.locked = True
    draft.save()
    done.append(steps(client)[1])
    entitle(sam, acme, websockets)
    done.append(steps(client)[1])
    echo.products.create(product=websockets, starts_at=now)

    assert done == [
        ["Add a domain to echo"],
        ["Add a backend to echo"],
        ["Activate version 1…"],
        ["Enable WebSockets…"],
        ["Go to echo"],
    ]
    assert steps(client) == ([], [])


def test_readers_have_no_steps(browser, bo, una, websockets):
    assert steps(browser(bo)) == steps(browser(una)) == ([], [])


def test_at_most_ten_services_are_listed(browser, sam, acme):
    for number in range(12):
        ServiceFactory.create(account=acme, name=f"service-{number:02}")

    page = browser(sam).get(reverse("home"))

    assert len(page.context["services"]) == 10
    assert "All 12 services" in text_of(page)


@pytest.mark.parametrize(
    ("who", "action"),
    [("sam", "Purchase WebSockets…"), ("eve", "View WebSockets")],
)
def test_a_trial_that_ends_soon(
    request, browser, sam, acme, websockets, complete, who, action
):
    now = timezone.now()
    add_plan(
        CATALOGUE,
        product=websockets,
        kind="trial",
        name="Trial",
        trial_days=2,
        now=now,
    )
    start_trial(
        sam,
        account=acme,
        product=websockets,
        agreement=agreed_to_trial(acme, websockets),
        now=now,
    )

    [item] = attention(browser(request.getfixturevalue(who)))

    assert (item[0], item[2]) == ("Trial", action)
    assert item[1].startswith("The trial of WebSockets ends soon.")


def test_many_services_with_a_fault_hide_no_other_item(
    browser, sam, eve, acme, ngwaf, enabled, websockets
):
    for number in range(7):
        service = ServiceFactory.create(account=acme, name=f"shielded-{number}")
        version = VersionFactory.create(service=service, live=True)
        DomainFactory.create(version=version, name=f"{number}.example.com")
        BackendFactory.create(version=version, name="far", shield="frankfurt-de")
        ServiceProduct.objects.create(
            service=service, product=websockets, starts_at=NOW, started_by="Sam"
        )
        VersionFactory.create(
            service=ServiceFactory.create(account=acme, name=f"empty-{number}")
        )
    request_product(eve, account=acme, product=ngwaf, now=NOW)

    items = attention(browser(sam))

    sentences = [sentence for _, sentence, _ in items]
    assert sentences[0].startswith(
        "WebSocket connections of shielded-0 are refused: Backend far uses the shield"
    )
    assert "2 more services have a conflict." in sentences
    assert "2 more services have no domain or no backend." in sentences
    assert ("Request", "Eve requested Next-Gen WAF", "Review request") in items
