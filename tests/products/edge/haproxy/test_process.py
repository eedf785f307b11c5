"""The running HAProxy, as the agent finds it."""

import os
import subprocess

import pytest

from products.edge.haproxy.process import ConfigRejected, HAProxy, Processes


@pytest.fixture
def zombie():
    """Return the id of a process that has exited, and that its parent has not waited for."""
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    yield child.pid
    child.wait(20)


class Listing(HAProxy):
    """A HAProxy whose socket lists one process as its master."""

    def __init__(self, folder, process):
        super().__init__(folder, "haproxy")
        self.process = process

    async def processes(self):
        return Processes(self.process, (), ())


async def test_a_master_that_its_parent_has_not_waited_for_has_exited(zombie, tmp_path):
    process = Listing(tmp_path, zombie)

    await process.find()

    assert await process.has_exited(0.0)


async def test_a_master_that_runs_has_not_exited(tmp_path):
    process = Listing(tmp_path, os.getpid())

    await process.find()

    assert not await process.has_exited(0.0)


async def test_a_check_that_does_not_end_rejects_the_configuration(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("products.edge.haproxy.process._START_SECONDS", 0.2)
    program = tmp_path / "haproxy"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    program.chmod(0o700)

    with pytest.raises(ConfigRejected, match="took too long"):
        await HAProxy(tmp_path, str(program)).install(b"global\n")

    assert not (tmp_path / "haproxy.cfg").exists()
