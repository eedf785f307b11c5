"""The Autobahn cases through the edge: no result may differ from a direct run."""

import contextlib
import itertools
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.products.edge.fake_portal import origin
from tests.products.edge.running import ROOT, read_until
from tests.products.edge.scripted import Origin

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
AGAIN = 4
# Bytes that are sent in pieces; more would take longer than the time limit of a case.
CUT_BYTES = 2_000


@pytest.fixture(scope="module")
def echo_port():
    process = subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE)
    yield int(process.stdout.readline())
    process.kill()
    process.wait(20)
    process.stdout.close()


def results(port, folder, *select):
    """Run cases against a port; give the result of each case."""
    shutil.rmtree(folder, ignore_errors=True)
    arguments = [
        KOSOKU, "-m", "fuzzingclient", *select, "-p", "8", "-o", folder, f"localhost:{port}",
    ]  # fmt: skip
    subprocess.run(arguments, cwd=ROOT, capture_output=True, timeout=120, check=False)
    (agent,) = json.loads((folder / "index.json").read_text()).values()
    return {
        case: (one["behavior"], one["behaviorClose"]) for case, one in agent.items()
    }


def relay(connection, port, *, size=65_536, wait=0.0):
    """Pass bytes on to a port and back; the client's wait so many seconds, and go in such pieces."""
    with socket.create_connection(("127.0.0.1", port), 60) as there:
        there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=pump, args=[there, connection], daemon=True)
        back.start()
        pump(connection, there, size, wait)
        back.join(60)


def pump(source, sink, size=65_536, wait=0.0):
    """Copy until the source ends, and end the sink."""
    passed = 0
    with contextlib.suppress(OSError):
        while data := source.recv(size if passed < CUT_BYTES else 65_536):
            sink.sendall(data)
            passed += len(data)
            time.sleep(wait)
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def ways_to(port):
    """Yield ports of the same origin: direct, byte by byte, and in large pieces."""
    in_bytes = Origin(lambda client, _: relay(client, port, size=1, wait=0.0002))
    in_pieces = Origin(lambda client, _: relay(client, port, wait=0.02))
    yield port, in_bytes.port, in_pieces.port
    in_bytes.close()
    in_pieces.close()


def assert_nothing_differs(direct_port, edge_port, folder, cases, *select):
    """Run cases directly and through the edge; what the origin answers by chance, another may too.

    Some results hang on whether the origin reads two messages together or one after the other:
    a case that differs is run without the edge again, however the bytes are cut, and no result
    may have come through the edge that never comes so.
    """
    direct = results(direct_port, folder / "direct", *select)
    through = results(edge_port, folder / "through", *select)
    assert len(direct) == cases
    assert through.keys() == direct.keys()
    odd = {case: result for case, result in through.items() if result != direct[case]}
    with ways_to(direct_port) as ports:
        for port in AGAIN * ports:
            if not odd:
                break
            chosen = [word for case in odd for word in ("-i", case)]
            again = results(port, folder / "direct", *chosen)
            odd = {case: v for case, v in odd.items() if v != again[case]}
    assert odd == {}


def test_a_result_that_differs_once_is_reported(echo_port, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "AGAIN", 1)
    numbers = itertools.count()

    def faulty_once(client, there):
        if next(numbers) != 4:
            relay(client, echo_port)
            return
        with socket.create_connection(("127.0.0.1", echo_port), 60) as origin:
            origin.sendall(there.read_head(client))
            client.sendall(read_until(origin, b"\r\n\r\n"))

    edge = Origin(faulty_once)

    with pytest.raises(AssertionError, match=r"\{'1\.1\.\d': \('FAILED', 'FAILED'\)\}"):
        assert_nothing_differs(echo_port, edge.port, tmp_path, 8, "-i", "1.1.*")
    edge.close()


def test_no_result_differs_from_a_direct_run(shared_stand, echo_port, tmp_path):
    shared_stand.serve(host="localhost", to=origin(echo_port))

    port = shared_stand.edge.port
    assert_nothing_differs(echo_port, port, tmp_path, EXPECTED_CASES, *WITHOUT_LONG)


@pytest.mark.nightly
def test_no_result_of_the_compression_cases_differs(shared_stand, echo_port, tmp_path):
    shared_stand.serve(host="localhost", to=origin(echo_port))

    port = shared_stand.edge.port
    assert_nothing_differs(
        echo_port, port, tmp_path, 36, "-i", "12.1.*", "-i", "13.1.*"
    )
