"""Fault 6: workers are killed with SIGKILL. Everything due is done after the last restart."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes

import pytest
from django.db import connections
from django.utils import timezone

from accounts.commands.mail import queue_mail
from accounts.models import OutgoingMail
from tests.races.conftest import ROOT, Arena

JOBS = 200
KILLS = 12
PATIENCE_SECONDS = 120


def start_worker(arena: Arena) -> "subprocess.Popen[bytes]":
    options = "worker --beat --pool solo --loglevel ERROR"
    celery = [sys.executable, "-m", "celery", "--quiet", "--app", "portal.celery"]
    return subprocess.Popen(
        [*celery, *options.split(), "--without-gossip", "--without-mingle"],
        cwd=ROOT,
        env=arena.environment | {"DJANGO_SETTINGS_MODULE": "portal.settings"},
        process_group=0,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def sent(folder) -> "Counter[str]":
    """Return how often each email was sent."""
    texts = [path.read_bytes() for path in (folder / "mail").glob("*")]
    messages = [
        each for text in texts for each in text.split(b"-" * 79) if each.strip()
    ]
    return Counter(message_from_bytes(each.strip())["Subject"] for each in messages)


@contextmanager
def database_of(arena: Arena) -> Iterator[None]:
    """Let this process use the database of the arena, which on SQLite is a copy."""
    settings = connections["default"].settings_dict
    shared = settings["NAME"]
    connections["default"].close()
    url = arena.environment["DATABASE_URL"]
    if url.startswith("sqlite"):
        settings["NAME"] = url.removeprefix("sqlite:///")
    try:
        yield
    finally:
        connections["default"].close()
        settings["NAME"] = shared


def kill(worker: "subprocess.Popen[bytes]") -> None:
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def finish(arena: Arena) -> int:
    """Run a worker until everything is sent; return how much is left when patience ends."""
    worker = start_worker(arena)
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while OutgoingMail.unsent().exists() and time.monotonic() < ends_at:
        time.sleep(0.5)
    kill(worker)
    return OutgoingMail.unsent().count()


@pytest.mark.nightly
def test_killed_workers_lose_no_email(arena, tmp_path, note_figures):
    seed = random.randrange(10**9)
    note_figures(f"seed {seed}")
    chance = random.Random(seed)

    with database_of(arena):
        for number in range(JOBS):
            queue_mail(
                account=arena.account,
                to="s@x.example",
                subject=f"job {number}",
                body="b",
                now=timezone.now() + timedelta(seconds=number / 4),
            )
        for _ in range(KILLS):
            worker = start_worker(arena)
            time.sleep(chance.uniform(1, 8))
            kill(worker)
        # What a dead worker had claimed is due after a minute; the test does not wait for that.
        OutgoingMail.unsent().update(due_at=timezone.now())
        left = finish(arena)

    found = sent(tmp_path)
    note_figures(
        f"{KILLS} kills, {len(found)} emails sent, {sum(found.values()) - len(found)} twice"
    )
    assert left == 0
    assert set(found) == {f"job {number}" for number in range(JOBS)}
    # A worker that was killed between sending and noting it sends that email again.
    assert sum(found.values()) - JOBS <= KILLS
