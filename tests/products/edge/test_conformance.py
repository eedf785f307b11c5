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
WITHOUT_LONG = ("-x", "9.*", "-x", "12.*", "-x", "13.*")
AGAIN = 8


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


def assert_nothing_differs(direct_port, edge_port, folder, cases, *select):
    """Run cases directly and through the edge; what one run answers by chance, another may too.

    Some verdicts hang on which of two messages is read first, at the origin itself: a case that
    differs is run again both ways, and no verdict may come through the edge that never comes
    directly.
    """
    direct = verdicts(direct_port, folder / "direct", *select)
    through = verdicts(edge_port, folder / "through", *select)
    assert len(direct) == cases
    assert through.keys() == direct.keys()
    seen = {case: {verdict} for case, verdict in direct.items()}
    for _ in range(AGAIN):
        odd = [case for case, verdict in through.items() if verdict not in seen[case]]
        if not odd:
            break
        chosen = [word for case in odd for word in ("-i", case)]
        for case, verdict in verdicts(direct_port, folder / "direct", *chosen).items():
            seen[case].add(verdict)
        through |= verdicts(edge_port, folder / "through", *chosen)
    assert {case: v for case, v in through.items() if v not in seen[case]} == {}


def test_no_verdict_differs_from_a_direct_run(shared_stand, echo_port, tmp_path):
    shared_stand.serve(host="localhost", to=origin(echo_port))

    port = shared_stand.edge.port
    assert_nothing_differs(echo_port, port, tmp_path, EXPECTED_CASES, *WITHOUT_LONG)


@pytest.mark.nightly
def test_no_verdict_of_the_compression_cases_differs(shared_stand, echo_port, tmp_path):
    shared_stand.serve(host="localhost", to=origin(echo_port))

    port = shared_stand.edge.port
    assert_nothing_differs(
        echo_port, port, tmp_path, 36, "-i", "12.1.*", "-i", "13.1.*"
    )
