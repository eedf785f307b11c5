"""What the tests of the portal's rooms share."""

import pytest

from tests.portal import free_ports


@pytest.fixture
def free_port():
    """Return a TCP port on loopback that nobody listens on."""
    return free_ports.free_port()
