"""Fixtures of the portal's tests."""

import pytest

from tests.day import day_of_tests  # noqa: F401 - a fixture, as the next ones
from tests.portal import free_ports
from tests.products.conftest import draft, echo, ngwaf, websockets  # noqa: F401
from tests.products.web.conftest import enabled, switched_on  # noqa: F401


@pytest.fixture
def free_port():
    """Return a free TCP port on loopback."""
    return free_ports.free_port()
