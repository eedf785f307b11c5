"""A story of the portal in production, with TLS in front: sign in, enable, deploy, and a WebSocket."""

import json
import socket
import sys

import pytest
from playwright.sync_api import Browser, Page, expect
from websockets.exceptions import InvalidMessage, InvalidStatus
from websockets.sync.client import connect

from tests.browser import WAIT_MILLISECONDS, chromium
from tests.deploy.prepare_database import DOMAIN, EMAIL
from tests.deploy.production import (
    VISITOR,
    Production,
    started,
)
from tests.portal.free_ports import free_port
from tests.stories.stack import GENEROUS_SECONDS, within

pytestmark = [pytest.mark.browser, pytest.mark.haproxy]


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def made(portal):
    """Run worker, edge and origin; return what the database was prepared with."""
    origin, plain, tls = portal.ports["ECHO"], portal.ports["EDGE"], free_port()
    found = portal.made | {"tls": tls}
    certificates = portal.folder / "certificates"
    certificates.mkdir()
    (certificates / f"{DOMAIN}.pem").write_bytes(
        (portal.folder / "portal.pem").read_bytes()
    )
    python = sys.executable
    edge = [python, "manage.py", "edge", "--bind", f"127.0.0.1:{plain}"]
    edge += ["--tls-certificates", str(certificates), "--tls-port", str(tls)]
    edge += ["--ca-file", str(portal.folder / "ca.pem")]
    edge += ["--allow-private", "127.0.0.1/32"]  # only the story's origin is there
    celery = [python, "-m", "celery", "--app", "portal.celery"]
    with (
        started(
            portal, "echo", [python, "-m", "portal.echo_origin", "--port", str(origin)]
        ),
        started(portal, "edge", edge),
        started(portal, "worker", [*celery, "worker", "--pool", "solo"]),
        started(portal, "beat", [*celery, "beat"]),
    ):
        yield found


def test_a_superuser_signs_in_enables_deploys_and_a_websocket_echoes(
    portal: Production, made: dict[str, str], browser: Browser
) -> None:
    context = browser.new_context(ignore_https_errors=True)
    context.set_default_timeout(WAIT_MILLISECONDS)
    page = context.new_page()

    signs_in(page, portal, made["password"])
    cookies = context.cookies()
    assert all(
        each["secure"] and each["name"].startswith("__Host-") for each in cookies
    )
    enables(page, portal, made["password"])
    deploys(page, portal, made["service"])

    within(GENEROUS_SECONDS, "it echoes", lambda: echoes(portal, made))
    context.close()


def test_the_trail_has_the_visitors_address(
    portal: Production, made: dict[str, str]
) -> None:
    key = {"Fastly_Key": made["token"]}
    body = json.dumps({"comment": "From another address"}).encode()
    changed, _ = portal.ask(
        "PUT",
        f"/api/service/{made['service']}",
        body=body,
        Content_Type="application/json",
        X_Forwarded_For="203.0.113.7",
        **key,
    )
    assert changed.status == 200

    _, events = portal.ask("GET", "/api/events?sort=-created_at", **key)

    newest = json.loads(events)["data"][0]["attributes"]
    assert newest["ip"] == VISITOR


def signs_in(page: Page, portal: Production, password: str) -> None:
    response = page.goto(f"https://{portal.host}/accounts/login/")
    assert response is not None
    assert response.headers["strict-transport-security"].startswith("max-age=31536000")
    page.locator("#id_login").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"https://{portal.host}/")


def enables(page: Page, portal: Production, password: str) -> None:
    page.goto(f"https://{portal.host}/products/websockets/enable/")
    if "/reauthenticate/" in page.url:
        page.get_by_label("Password", exact=True).fill(password)
        page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Reason").fill("For the chat")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Enable WebSockets").click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("WebSockets is enabled")


def deploys(page: Page, portal: Production, service: str) -> None:
    page.goto(f"https://{portal.host}/services/{service}/")
    page.get_by_role("button", name="Switch WebSockets on").click()
    page.get_by_text("On for this service").first.wait_for()
    page.goto(f"https://{portal.host}/services/{service}/versions/1/activate/")
    page.get_by_role("button", name="Activate version 1").click()
    page.get_by_text("Activated version 1 of echo.").first.wait_for()


def echoes(portal: Production, made: dict[str, str]) -> bool:
    """Return whether a WebSocket through the edge, with TLS, returns what it is sent."""
    try:
        with connect(
            f"wss://{DOMAIN}:{made['tls']}/",
            sock=socket.create_connection(("127.0.0.1", int(made["tls"])), 10),
            ssl=portal.trust,
            open_timeout=20,
            close_timeout=5,
        ) as opened:
            opened.send("Grüße")
            return opened.recv(timeout=10) == "Grüße"
    except (OSError, InvalidMessage, InvalidStatus):
        return False
