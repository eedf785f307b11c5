"""The echo page in a real browser."""

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import chromium, faults
from tests.portal.free_ports import free_port
from tests.portal.waiting import until

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def origin():
    """Run the origin; return its process and the URL of the page."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "portal.echo_origin", "--port", str(port)], cwd=ROOT
    )
    yield process, f"http://127.0.0.1:{port}/"
    process.terminate()
    process.wait(30)


@pytest.fixture
def page(browser, origin):
    """Open the page and collect what the browser reports."""
    page = browser.new_page(color_scheme="light")
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    until(lambda: opens(page, origin[1]), "the page")
    yield page
    page.close()


def opens(page, address):
    try:
        page.goto(address)
    except Exception:  # noqa: BLE001 - the server does not listen yet
        return False
    page.complaints.clear()
    return True


def test_a_line_is_returned(page):
    expect(page.get_by_role("status")).to_have_text("Open")

    page.get_by_label("A line to send").fill("Grüße <b>")
    page.get_by_role("button", name="Send").click()

    expect(page.locator("#echoes li code")).to_have_text(["Grüße <b>"])
    expect(page.get_by_label("A line to send")).to_have_value("")
    assert page.complaints == []


def test_the_headers_of_the_handshake_are_shown(page):
    expect(page.get_by_role("status")).to_have_text("Open")

    page.get_by_role("button", name="Show the headers").click()

    expect(
        page.get_by_role("row", name="Upgrade websocket", exact=True)
    ).to_be_visible()
    assert page.complaints == []


def test_a_closed_connection_is_reported_and_can_be_opened_again(page, origin):
    expect(page.get_by_role("status")).to_have_text("Open")

    origin[0].terminate()

    expect(page.get_by_role("status")).to_have_text("Closed")
    expect(page.locator("#reason")).to_have_text(
        "The connection has ended (code 1001)."
    )
    expect(page.get_by_role("button", name="Connect again")).to_be_visible()


def test_a_refused_handshake_is_explained(page, origin):
    origin[0].terminate()
    origin[0].wait(30)

    page.get_by_role("button", name="Connect again").click()

    expect(page.get_by_role("status")).to_have_text("Not connected")
    expect(page.locator("#reason")).to_contain_text("The handshake was refused.")

    page.get_by_label("A line to send").fill("lost")
    page.get_by_role("button", name="Send").click()

    expect(page.locator("#reason")).to_have_text(
        "Not sent: the connection is not open."
    )
    expect(page.get_by_label("A line to send")).to_have_value("lost")


def test_the_page_is_accessible_and_fits_a_narrow_screen(page):
    expect(page.get_by_role("status")).to_have_text("Open")
    page.get_by_label("A line to send").fill("one")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#echoes li")).to_have_count(1)
    page.get_by_role("button", name="Show the headers").click()
    expect(page.locator("#headers tr").first).to_be_visible()

    assert faults(page) == []
