"""The broker of files: what is written is whole, and what is damaged stops nothing."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue
from kombu.exceptions import ChannelError
from kombu.transport.virtual import BrokerState

from portal.file_broker import Transport

ROOT = Path(__file__).resolve().parents[2]
TRANSPORT = "portal.file_broker:Transport"
QUEUE = Queue("celery", Exchange("celery"), routing_key="celery")
MESSAGES = 400  # of each writer; enough for kombu's own transport to fail each time
WRITER = """
import sys
from tests.portal.test_file_broker import MESSAGES, QUEUE, connection

with connection(sys.argv[1]) as broker:
    producer = broker.Producer()
    for number in range(MESSAGES):
        producer.publish(
            {"number": number, "text": "x" * 20_000},
            exchange=QUEUE.exchange, routing_key=QUEUE.routing_key, declare=[QUEUE],
        )
"""


def connection(folder, transport=TRANSPORT):
    """Return a connection to the broker in a folder."""
    return Connection(
        "filesystem://localhost//",
        transport=transport,
        transport_options={
            "data_folder_in": str(folder),
            "data_folder_out": str(folder),
            "control_folder": str(Path(folder) / "control"),
            "polling_interval": 0.001,
        },
    )


@pytest.fixture
def broker(tmp_path, monkeypatch):
    """Return an open connection of a process that has declared no queue yet."""
    monkeypatch.setattr(Transport, "global_state", BrokerState())
    with connection(tmp_path) as opened:
        yield opened


def publish(broker, body):
    """Send one message."""
    broker.Producer().publish(
        body, exchange=QUEUE.exchange, routing_key=QUEUE.routing_key, declare=[QUEUE]
    )


def receive(broker, count):
    """Return the bodies of so many messages."""
    received: list[Any] = []
    with broker.Consumer(QUEUE, callbacks=[keep_in(received)]):
        while len(received) < count:
            broker.drain_events(timeout=30)
    return received


def keep_in(received):
    """Return a callback that keeps the bodies of messages and acknowledges them."""

    def keep(body, message):
        received.append(body)
        message.ack()

    return keep


def start_writer(folder):
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], cwd=ROOT)


def test_a_reader_beside_two_writers_gets_every_message_whole(broker, tmp_path):
    writers = [start_writer(tmp_path) for _ in range(2)]
    received: list[Any] = []

    with broker.Consumer(QUEUE, callbacks=[keep_in(received)]):
        while any(writer.poll() is None for writer in writers):
            drain_all(broker)
        drain_all(broker)

    assert [writer.returncode for writer in writers] == [0, 0]
    assert sorted(body["number"] for body in received) == sorted(
        2 * list(range(MESSAGES))
    )
    assert {len(body["text"]) for body in received} == {20_000}
    assert [path.name for path in tmp_path.iterdir()] == ["control"]


def drain_all(broker):
    """Deliver what there is, until nothing has come for a moment."""
    try:
        while True:
            broker.drain_events(timeout=0.05)
    except TimeoutError:
        return


def test_a_damaged_message_is_removed_and_the_next_one_is_read(broker, tmp_path):
    (tmp_path / "0_empty.celery.msg").touch()
    (tmp_path / "0_half.celery.msg").write_text('{"body": "eyJ')
    publish(broker, "whole")

    assert receive(broker, 1) == ["whole"]
    assert [path.name for path in tmp_path.iterdir()] == ["control"]


@pytest.mark.parametrize("content", ["", "[[", '{"a": 1}', "[1]"])
def test_a_damaged_exchange_is_written_again_by_the_next_worker(
    broker, tmp_path, content
):
    exchange = tmp_path / "control" / "celery.exchange"
    exchange.parent.mkdir()
    exchange.write_text(content)

    publish(broker, "whole")  # declares the queue, as a worker does

    assert receive(broker, 1) == ["whole"]
    assert exchange.read_text() == '[["celery", "", "celery"]]'


def test_a_deleted_queue_leaves_no_message_and_no_row(broker, tmp_path):
    publish(broker, "old")

    QUEUE(broker.default_channel).delete()

    assert (tmp_path / "control" / "celery.exchange").read_text() == "[]"
    assert not list(tmp_path.glob("*.msg"))


def test_a_message_that_cannot_be_written_leaves_nothing(broker, tmp_path, monkeypatch):
    publish(broker, "first")

    def fail(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)

    with pytest.raises(ChannelError, match="No space left on device"):
        publish(broker, "second")
    assert len(list(tmp_path.glob("*.msg"))) == 1
    assert not list(tmp_path.glob(".*"))


def test_a_worker_looks_for_a_stop_signal_in_time(broker, monkeypatch):
    monkeypatch.setattr(broker.transport, "polling_interval", 3600)

    with broker.Consumer(QUEUE), pytest.raises(TimeoutError):
        broker.drain_events(timeout=3600)  # would sleep for an hour
