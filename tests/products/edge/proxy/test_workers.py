"""Workers: when one cannot restart, the others go on."""

import subprocess

from tests.products.edge.fake_portal import eventually
from tests.products.edge.proxy.test_tunnel import open_tunnel


def test_a_worker_that_cannot_restart_does_not_stop_the_others(stand, tmp_path):
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    own = stand("--processes", "2", "--tls-certificates", str(certificates))
    host, _ = own.serve()
    workers = own.edge.workers()
    tunnels = [open_tunnel(own.edge, host) for _ in range(40)]

    certificates.rename(tmp_path / "being-swapped")
    subprocess.run(["/bin/kill", "-9", str(workers[0])], check=True)
    eventually(lambda: own.edge.log().count("No folder of certificates") > 1)

    assert sum(_echoes(tunnel) for tunnel in tunnels) > 0
    (tmp_path / "being-swapped").rename(certificates)
    eventually(lambda: len(own.edge.workers()) == 2, seconds=40)
    assert own.edge.workers()[0] == workers[1]
    open_tunnel(own.edge, host).close()


def _echoes(tunnel):
    try:
        tunnel.sendall(b"x")
        return tunnel.recv(1) == b"x"
    except OSError:
        return False
