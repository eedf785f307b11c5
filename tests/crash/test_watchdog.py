"""A process of the web server that hangs is replaced, and the portal answers again."""

import time
from contextlib import suppress
from urllib.request import urlopen

import pytest

from tests.crash.hanging_server import PAGE
from tests.stories.stack import answers, within

HANG_SECONDS = 2


@pytest.fixture
def hanging(portal, monkeypatch):
    """Run the portal with the page that hangs, in one process."""
    settings = {"WEB_WORKERS": "1", "HANG_SECONDS": str(HANG_SECONDS)}
    portal.kill()
    monkeypatch.setattr(portal, "program", "tests.crash.hanging_server")
    monkeypatch.setattr(portal, "environment", portal.environment | settings)
    portal.start()
    yield portal
    portal.kill()
    monkeypatch.undo()
    portal.start()


def test_a_process_that_hangs_is_replaced(hanging, note_figures):
    asked_at = time.monotonic()

    with suppress(OSError):  # the process ends without a response
        urlopen(f"{hanging.url}/{PAGE}", timeout=HANG_SECONDS + 20)
    ended_at = time.monotonic()
    within(20, "the portal answers again", lambda: answers(hanging.url))

    note_figures(
        f"ended after {ended_at - asked_at:.1f} s, "
        f"answered {time.monotonic() - ended_at:.1f} s later"
    )
    # The last proof may have been given half a second before.
    assert HANG_SECONDS - 0.6 <= ended_at - asked_at < HANG_SECONDS + 10
    assert hanging.process.poll() is None
    assert "hanging_server.py" in (hanging.folder / "web").read_text()
