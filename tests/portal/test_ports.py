"""Free ports, and the words for those that are not."""

import socket

import pytest

from portal.ports import PortTakenError, require_free


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_free_ports_pass(free_port):
    require_free({"PORT": free_port})


def test_a_taken_port_is_named_with_the_variable_that_chooses_another(taken_port):
    with pytest.raises(PortTakenError) as refused:
        require_free({"EDGE_PORT": taken_port})

    other = taken_port + 1000 if taken_port <= 64535 else taken_port - 1000
    assert str(refused.value) == (
        f"Port {taken_port} is in use by another program. Choose another with EDGE_PORT, "
        f"for example: make run EDGE_PORT={other}"
    )


def test_one_port_cannot_serve_two_programs(free_port):
    with pytest.raises(PortTakenError) as refused:
        require_free({"PORT": free_port, "ECHO_PORT": free_port})

    assert str(refused.value) == (
        f"PORT and ECHO_PORT are both {free_port}: choose two ports."
    )


def test_a_connection_that_lingers_from_the_last_run_does_not_take_the_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = server.accept()
            accepted.close()  # this side closes first, so it is the one that lingers

    require_free({"PORT": port})
