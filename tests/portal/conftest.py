"""Fixtures of the portal's tests."""

import pytest

from tests.portal import free_ports


@pytest.fixture
def free_port():
    """Return a free TCP port on loopback."""
    return free_ports.free_port()
