"""The delays between restarts."""

import pytest

from products.backoff import RestartBackoff


def test_the_delay_doubles_up_to_thirty_seconds():
    backoff = RestartBackoff(1.0)

    assert [backoff.delay_after(20) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize(("run_seconds", "delay"), [(59.9, 2.0), (60.0, 0.5)])
def test_a_run_of_a_minute_resets_the_delay(run_seconds, delay):
    backoff = RestartBackoff(0.5)
    backoff.delay_after(1)
    assert backoff.delay_after(1) == 1.0

    assert backoff.delay_after(run_seconds) == delay
