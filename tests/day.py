"""The day on which tests take place."""

from collections.abc import Iterator

import pytest
import time_machine

from tests.factories import NOW


@pytest.fixture(autouse=True)
def day_of_tests(request: pytest.FixtureRequest) -> Iterator[None]:
    """Set the clock of this process to the time of the tests' data, so that nothing expires.

    Not with a browser, whose clock is that of the machine.
    """
    if request.node.get_closest_marker("browser"):
        yield
        return
    with time_machine.travel(NOW, tick=True):
        yield
