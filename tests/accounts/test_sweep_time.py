"""A sweep that waits for other machines ends after its time, so that others can run."""

from types import SimpleNamespace

import pytest

from accounts import sweep_time
from accounts.commands import mail
from accounts.models import OutgoingMail
from accounts.sweep_time import while_time_is_left
from tests.factories import NOW


@pytest.fixture
def clock(monkeypatch):
    """Let each look of the module at the clock find it 15 seconds later."""
    times = iter(range(0, 1_000, 15))
    monkeypatch.setattr(
        sweep_time, "time", SimpleNamespace(monotonic=lambda: next(times))
    )


def test_a_sweep_ends_after_its_time_and_does_at_least_one(clock, monkeypatch):
    assert list(while_time_is_left("abcd")) == ["a", "b"]

    monkeypatch.setattr(sweep_time, "SWEEP_SECONDS", 0)
    assert list(while_time_is_left("abcd")) == ["a"]


def test_a_mail_server_that_does_not_answer_delays_other_sweeps_for_a_limited_time(
    acme, clock, monkeypatch
):
    for number in range(4):
        mail.queue_mail(
            account=acme, to=f"{number}@a.example", subject="s", body="b", now=NOW
        )
    asked = []

    def time_out(self):
        asked.append(self.to)
        raise TimeoutError

    monkeypatch.setattr(mail.EmailMultiAlternatives, "send", time_out)

    assert mail.send_due_mail(now=NOW) == 0
    assert len(asked) == 2
    assert OutgoingMail.objects.filter(attempts=0).count() == 2
