"""The frame of every page."""

import time

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from playwright.sync_api import expect

from accounts.models import User
from tests.browser import violations
from tests.factories.accounts import PASSWORD
from tests.factories.usage import connection_usage, reporting_edge
from tests.portal.waiting import time_away_from_midnight

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def page(browser, live_server):
    """Return a narrow, dark page; `complaints` has the console's errors."""
    context = browser.new_context(
        base_url=live_server.url,
        viewport={"width": 320, "height": 800},
        color_scheme="dark",
    )
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    context.close()


def sign_in(page, actor):
    client = Client()
    client.force_login(
        User.objects.get(pk=actor.id), settings.AUTHENTICATION_BACKENDS[0]
    )
    name = settings.SESSION_COOKIE_NAME
    session = {"name": name, "value": client.cookies[name].value}
    page.context.add_cookies([session | {"domain": "localhost", "path": "/"}])


def faults(page):
    """Return the errors of the console, axe's violations, and whether the page is too wide."""
    overhang = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return list(page.complaints), violations(page), max(overhang, 0)


def test_shortcuts_open_pages_until_they_are_switched_off(page, sam):
    sign_in(page, sam)
    page.goto("/")

    page.keyboard.press("g")
    page.keyboard.press("p")
    expect(page.get_by_role("heading", level=1)).to_have_text("Products")
    page.wait_for_load_state()  # the keys are heard once the script has run
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    page.get_by_label("Use keyboard shortcuts in this browser").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("?")

    expect(page.locator("#shortcuts")).to_be_hidden()
    assert page.complaints == []


def test_the_list_of_shortcuts_takes_the_focus_and_returns_it(page, sam):
    sign_in(page, sam)
    page.goto("/services/")
    page.locator("footer a").first.focus()

    page.keyboard.press("?")
    expect(page.locator("#shortcuts").get_by_role("button")).to_be_focused()
    page.keyboard.press("Escape")

    expect(page.locator("footer a").first).to_be_focused()


def test_a_failed_sign_in_shows_the_reason_before_the_form(page):
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill("noah@example.com")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in", exact=True).click()

    summary = page.get_by_role("alert")
    expect(summary).to_contain_text("You are not signed in")
    expect(summary).to_be_focused()
    assert faults(page) == ([], [], 0)


@pytest.fixture
def wide(browser, live_server):
    context = browser.new_context(base_url=live_server.url)
    yield context.new_page()
    context.close()


def end_session(page):
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)


def test_what_was_typed_is_kept_while_signing_in_again(wide, sam):
    sign_in(wide, sam)
    wide.goto("/services/")
    wide.get_by_label("Name").fill("chat")
    end_session(wide)

    wide.get_by_role("button", name="Create service").click()
    expect(wide.get_by_role("main")).to_contain_text("Nothing was changed. Sign in")
    wide.wait_for_load_state()  # its script keeps the form, and a person types more slowly
    wide.get_by_label("Email").fill("sam@example.com")
    wide.get_by_label("Password").fill(PASSWORD)
    wide.get_by_role("button", name="Sign in", exact=True).click()

    wide.wait_for_url("**/services/")
    expect(wide.get_by_label("Name")).to_have_value("chat")
    expect(wide.get_by_role("main")).to_contain_text("What you typed was kept.")
    wide.reload()
    expect(wide.get_by_label("Name")).to_have_value("")


def test_a_part_is_kept_while_signing_in_again_but_no_secret(wide, eve, draft):
    sign_in(wide, eve)
    part = reverse("add_part", args=[draft.service_id, draft.number, "backend"])
    wide.goto(part)
    wide.get_by_label("Name", exact=True).fill("origin")
    wide.locator("[name=address]").fill("up.example.com")
    wide.get_by_text("Advanced settings").click()
    wide.locator("[name=ssl_client_key]").fill("PRIVATE")
    end_session(wide)

    wide.get_by_role("button", name="Save draft").click()
    expect(wide.get_by_role("main")).to_contain_text("Nothing was changed. Sign in")
    wide.wait_for_load_state()  # its script keeps the form, and a person types more slowly
    kept = wide.evaluate("sessionStorage.getItem('tollgate.form')")
    wide.get_by_label("Email").fill("eve@example.com")
    wide.get_by_label("Password").fill(PASSWORD)
    wide.get_by_role("button", name="Sign in", exact=True).click()

    wide.wait_for_url(f"**{part}")
    expect(wide.get_by_label("Name", exact=True)).to_have_value("origin")
    expect(wide.locator("[name=address]")).to_have_value("up.example.com")
    expect(wide.locator("[name=ssl_client_key]")).to_have_value("")
    assert "PRIVATE" not in kept


def test_a_failed_part_says_so_and_the_old_result_is_marked(
    wide, sam, acme, websockets
):
    sign_in(wide, sam)
    wide.goto("/products/websockets/enable/")
    wide.get_by_label("Connections per month").fill("1000")
    wide.get_by_label("Average length in seconds").fill("60")

    wide.route("**/*connections=*", lambda route: route.abort())
    wide.get_by_role("button", name="Estimate", exact=True).click()
    expect(wide.get_by_role("alert")).to_contain_text("Could not reach the server.")
    expect(wide.locator(".outdated")).to_have_count(1)
    wide.unroute_all()
    wide.get_by_role("button", name="Estimate", exact=True).click()

    expect(wide.locator(".outdated")).to_have_count(0)
    expect(wide.get_by_role("alert")).to_have_count(0)


def test_a_pressed_button_shows_that_it_works_and_offline_is_shown(
    wide, sam, acme, websockets
):
    sign_in(wide, sam)
    wide.goto("/products/websockets/enable/")
    wide.get_by_label("Connections per month").fill("1000")
    wide.get_by_label("Average length in seconds").fill("60")
    wide.route("**/*connections=*", lambda route: None)

    wide.get_by_role("button", name="Estimate", exact=True).click()
    expect(wide.locator("button[aria-busy=true]")).to_have_text("Working…")
    wide.context.set_offline(True)
    expect(wide.get_by_role("main")).to_contain_text("You are offline.")
    wide.context.set_offline(False)
    expect(wide.get_by_role("main")).not_to_contain_text("You are offline.")


def test_numbers_that_refresh_leave_the_focus_where_it_is(wide, sam, switched_on):
    sign_in(wide, sam)
    wide.clock.install()
    wide.goto(f"/services/{switched_on.pk}/")
    live = wide.locator(".live")

    controls = live.locator("a:visible, button:visible, [tabindex]:visible").all()
    kept = [keeps_focus_twice(wide, live, control) for control in controls]

    assert kept == [True] * len(controls)
    assert len(controls) >= 1


def keeps_focus_twice(page, live, control):
    """Return whether a control has the focus after the numbers beside it were refreshed, twice."""
    control.focus()
    refresh(page, live)
    refresh(page, live)
    return control.evaluate("element => element === document.activeElement")


def refresh(page, live):
    """Let the time pass after which the numbers are replaced, and wait for it."""
    numbers = live.locator("[data-live]")
    numbers.evaluate("element => element.firstElementChild.dataset.old = ''")
    page.clock.fast_forward(5_000)
    expect(numbers.locator("[data-old]")).to_have_count(0)


def test_numbers_do_not_fade_while_a_slow_server_is_asked_for_them(
    wide, sam, switched_on
):
    sign_in(wide, sam)
    wide.clock.install()
    wide.goto("/products/")
    numbers = wide.locator("[data-live]")
    address = numbers.get_attribute("hx-get")
    wide.route(f"**{address}", lambda route: None)

    with wide.expect_request(f"**{address}"):
        wide.clock.fast_forward(5_000)
    wide.clock.fast_forward(1_000)

    assert numbers.get_attribute("aria-busy") is None


def test_the_chart_of_seven_days_opens_as_a_table(browse, sam, switched_on):
    now = time_away_from_midnight(minutes=2)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    reporting_edge(now)
    connection_usage(switched_on, today, 3, month=f"{today:%Y-%m}")
    for path in ("/products/", f"/services/{switched_on.pk}/"):
        page = browse(sam)
        page.open(path)
        page.reads("Connection minutes per day, the last seven days.")
        expect(page.page.locator("svg.chart")).to_be_visible()
        page.unfold("The seven days as a table")
        days = page.page.get_by_role("row").filter(has_text="(today)")
        expect(days.get_by_role("cell")).to_have_text("3")
        assert page.faults() == []


def test_numbers_stay_as_they_are_while_updates_are_paused(wide, sam, switched_on):
    sign_in(wide, sam)
    wide.clock.install()
    wide.goto("/products/")
    asked = []
    address = wide.locator("[data-live]").get_attribute("hx-get")
    wide.on("request", lambda request: asked.append(request.url))

    wide.get_by_role("button", name="Pause updates").click()
    wide.clock.fast_forward(20_000)
    paused = [url for url in asked if url.endswith(address)]
    wide.get_by_role("button", name="Pause updates").click()
    refresh(wide, wide.locator(".live"))

    assert paused == []
    assert [url for url in asked if url.endswith(address)] != []


def tab_to(page, name):
    """Press Tab until an element with this name has the focus; return how often."""
    named = page.get_by_role("main").get_by_text(name, exact=True)
    target = named.locator("xpath=ancestor-or-self::*[self::a or self::button]").first
    for presses in range(1, 80):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return presses
    raise AssertionError(f"{name} can't be reached with the keyboard.")


def test_a_superuser_enables_with_the_keyboard_alone(wide, sam, acme, websockets):
    sign_in(wide, sam)
    started_at = time.monotonic()
    wide.goto("/products/")

    tab_to(wide, "Enable WebSockets…")
    wide.keyboard.press("Enter")
    wide.wait_for_url("**/enable/")
    wide.locator("#id_agree").focus()
    wide.keyboard.press("Space")
    tab_to(wide, "Enable WebSockets")
    wide.keyboard.press("Enter")
    heading = wide.get_by_role("heading", level=1)
    expect(heading).to_have_text("Confirm to enable WebSockets for Acme")
    expect(wide.get_by_label("Your password")).to_be_focused()
    wide.keyboard.type(PASSWORD)
    wide.keyboard.press("Enter")

    expect(heading).to_have_text("WebSockets is enabled")
    assert time.monotonic() - started_at < 60
