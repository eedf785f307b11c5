"""An upgrade to a version with one more migration, as docs/operations.md describes it.

There is no earlier release yet, so the test makes the next one: a copy of the code whose table of
services has one more column.
"""

import shutil
import subprocess
import sys
from functools import partial

import pytest

from tests.crash.edges import RealEdge
from tests.crash.portal import HOST, real_portal
from tests.crash.swarm import EchoOrigin
from tests.products.edge.running import handshake, read_until, status_of
from tests.races.writer import Writer
from tests.stories.stack import GENEROUS_SECONDS, ROOT, within

CODE = ("accounts", "portal", "products", "static", "templates")
COLUMN = '    colour = models.CharField(max_length=9, default="", db_default="")\n'
BEFORE = "    created_at = models.DateTimeField()\n"
MODELS = "products/services/models/service.py"


def manage(code, environment, *words):
    """Run `manage.py` of some code; return what it prints."""
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=code,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def portal(tmp_path, demo):
    with real_portal(tmp_path / "old", demo) as running:
        yield running


@pytest.fixture
def next_version(portal, tmp_path):
    """Return a folder with the code of the next version."""
    folder = tmp_path / "next_version"
    for name in CODE:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "manage.py", folder)
    model = folder / MODELS
    before, found, after = model.read_text().partition(BEFORE)
    model.write_text(before + COLUMN + found + after)
    words = ("makemigrations", "services", "--name", "colour")
    manage(folder, portal.environment, *words)
    return folder


@pytest.fixture
def edge(portal, tmp_path):
    """Return an edge of this version, with its origin; it calls the portal's first address."""
    origin = EchoOrigin(portal.origin_port)
    (tmp_path / "edge").mkdir()
    running = RealEdge(portal, tmp_path / "edge", at=portal)
    yield running
    running.stop()
    origin.close()


def answered(edge):
    """Return the status that a handshake gets."""
    with edge.connect() as connection:
        connection.sendall(handshake(HOST))
        return status_of(read_until(connection, b"\r\n\r\n"))


def switch(edge, portal, method, status):
    """Switch WebSockets on or off in a portal, and wait until the edge answers with the status."""
    service = portal.stack.service("echo")
    path = f"/api/enabled-products/v1/websockets/services/{service}"
    assert portal.stack.api(method, path)[0] in {200, 204}
    within(GENEROUS_SECONDS, f"{method} counts", lambda: answered(edge) == status)


def check_that_it_goes_on(portal, writer):
    """Check that a portal of the old version writes, also a row of the table that has changed."""
    written = len(writer.acknowledged)
    more = "the old version goes on"
    within(GENEROUS_SECONDS, more, lambda: len(writer.acknowledged) > written)
    body = {"name": "Made meanwhile"}
    assert portal.stack.api("POST", "/api/service", body=body)[0] == 200


def restart(portal, code):
    """Stop the portal, and start it with other code at the same address."""
    portal.stop()
    portal.code = code
    portal.start()


def test_an_upgrade_interrupts_nothing_and_can_be_undone(
    portal, edge, next_version, tmp_path
):
    backup = str(tmp_path / "backup")
    of_next = partial(manage, next_version, portal.environment)
    old_writer = Writer(portal.stack, "superuser", "old")

    # The next version's migrations run while the old version serves.
    portal.manage("backup", backup)
    assert "Applying services.0002_colour" in of_next("migrate")
    check_that_it_goes_on(portal, old_writer)

    # Both versions serve. The edge polls the old one, and then the new one at the same address.
    with portal.beside(tmp_path / "beside", next_version) as new:
        new_writer = Writer(new.stack, "engineer", "new")
        switch(edge, new, "DELETE", 403)
        switch(edge, portal, "PUT", 101)
        assert new_writer.has_written.wait(GENEROUS_SECONDS)
        old_writer.stop()
        restart(portal, next_version)
        switch(edge, new, "DELETE", 403)
        new_writer.stop()

    acknowledged = old_writer.acknowledged + new_writer.acknowledged
    assert old_writer.statuses | new_writer.statuses == {200}
    assert sorted(portal.comments()) == sorted(acknowledged)
    portal.manage("verify_audit")

    # Back: first the old version, then the migration.
    restart(portal, ROOT)
    of_next("migrate", "services", "0001")
    switch(edge, portal, "PUT", 101)

    # The next version restores the old one's backup.
    portal.stop()
    of_next("restore", backup, "--overwrite")
    assert "[X] 0002_colour" in of_next("showmigrations", "services")
    restart(portal, next_version)
    switch(edge, portal, "DELETE", 403)
