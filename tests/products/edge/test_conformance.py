"""The Autobahn cases through the edge: no verdict may differ from a direct run."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.products.edge.fake_portal import origin
from tests.products.edge.running import ROOT

ECHO = """
import asyncio
from websockets.asyncio.server import serve
async def echo(connection):
    async for message in connection:
        await connection.send(message)
async def main():
    async with serve(echo, "127.0.0.1", 0, max_size=None, ping_interval=None,
                     compression="deflate") as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()
asyncio.run(main())
"""
KOSOKU = Path(sys.executable).with_name("kosoku")
EXPECTED_CASES = 247


@pytest.fixture(scope="module")
def echo_port():
    process = subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE)
    yield int(process.stdout.readline())
    process.kill()
    process.wait(20)
    process.stdout.close()


def verdicts(port, folder, *select):
    """Run cases against a port; give each case's verdict."""
    shutil.rmtree(folder, ignore_errors=True)
    arguments = [
        KOSOKU, "-m", "fuzzingclient", *select, "-p", "8", "-o", folder, f"localhost:{port}",
    ]  # fmt: skip
    subprocess.run(arguments, cwd=ROOT, capture_output=True, timeout=120, check=False)
    (agent,) = json.loads((folder / "index.json").read_text()).values()
    return {
        case: (one["behavior"], one["behaviorClose"]) for case, one in agent.items()
    }


def test_no_verdict_differs_from_a_direct_run(shared_stand, echo_port, tmp_path):
    select = ["-x", "9.*", "-x", "12.*", "-x", "13.*"]
    shared_stand.serve(host="localhost", to=origin(echo_port))

    direct = verdicts(echo_port, tmp_path / "direct", *select)
    through = verdicts(shared_stand.edge.port, tmp_path / "through", *select)

    assert len(direct) == EXPECTED_CASES
    assert through == direct


@pytest.mark.nightly
def test_no_verdict_of_the_compression_cases_differs(shared_stand, echo_port, tmp_path):
    shared_stand.serve(host="localhost", to=origin(echo_port))

    direct = verdicts(echo_port, tmp_path / "direct", "-i", "12.1.*", "-i", "13.1.*")
    through = verdicts(
        shared_stand.edge.port, tmp_path / "through", "-i", "12.1.*", "-i", "13.1.*"
    )

    assert len(direct) == 36
    assert through == direct
