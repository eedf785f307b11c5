"""Celery's broker without a server: each message is a file in the data folder.

Kombu's own transport writes files in place. A worker that reads half a message exits, and a table
of queues that was cut off by a full disk stops every later worker. Here a file is complete as
soon as it is visible. Nothing is synced: after a power cut a file may be empty, and a file that
cannot be read counts as absent. A lost message costs a sweep some seconds, a lost table is
written again when a worker starts.
"""

import fcntl
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any
from uuid import uuid4

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.transport.filesystem import exchange_queue_t
from kombu.utils.json import dumps, loads

log = logging.getLogger(__name__)

# How long a worker waits for a message before it looks whether it was asked to stop.
MAX_WAIT_SECONDS = 0.25

Table = list[exchange_queue_t]


class Channel(filesystem.Channel):
    """Reads and writes messages and tables of queues."""

    # The type stubs of kombu's classes contradict each other.
    def _put(self, queue: str, payload: Any, **_: Any) -> None:  # type: ignore[override]
        """Add a message to a queue. Raises ChannelError if it cannot be written."""
        name = f"{time.time_ns()}_{uuid4()}.{queue}.msg"  # read in this order
        _write(Path(self.data_folder_out) / name, dumps(payload))

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        """Take the oldest message from a queue. Raises Empty if there is none."""
        folder = Path(self.data_folder_in)
        names = sorted(path.name for path in folder.iterdir())
        for name in names:
            if name.partition(".")[2] != f"{queue}.msg":
                continue
            try:
                content = (folder / name).read_bytes()
                (folder / name).unlink()
            except OSError:  # another worker has taken it
                continue
            try:
                return loads(content)
            except ValueError:
                log.warning("A damaged message was removed.", extra={"file": name})
        raise Empty

    def get_table(self, exchange: str) -> Table:  # type: ignore[override]
        """Return the queues of an exchange; none if its file is missing or damaged."""
        try:
            rows = loads(self._file_of(exchange).read_bytes())
            return [exchange_queue_t(*row) for row in rows]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError):
            log.warning("A damaged exchange was ignored.", extra={"exchange": exchange})
            return []

    def _queue_bind(
        self, exchange: str, routing_key: str, pattern: str | None, queue: str
    ) -> None:
        """Add a queue to an exchange. Raises ChannelError if it cannot be written."""
        row = exchange_queue_t(routing_key or "", pattern or "", queue or "")
        self._change_table(
            exchange, lambda table: table if row in table else [row, *table]
        )

    def _delete(
        self,
        queue: str,
        exchange: str,
        routing_key: str,
        pattern: str,
        *_: Any,
        **__: Any,
    ) -> None:
        """Remove a queue with its messages. Raises ChannelError if it cannot be written."""
        self._purge(queue)
        row = exchange_queue_t(routing_key or "", pattern or "", queue or "")
        self._change_table(
            exchange, lambda table: [each for each in table if each != row]
        )

    def _change_table(self, exchange: str, change: Callable[[Table], Table]) -> None:
        self.control_folder.mkdir(exist_ok=True)
        with _locked(self.control_folder):
            before = self.get_table(exchange)
            after = change(before)
            if after != before:
                _write(self._file_of(exchange), dumps(after))

    def _file_of(self, exchange: str) -> Path:
        file: Path = self._exchange_file(exchange)  # type: ignore[attr-defined]  # not in the stubs
        return file


class Transport(filesystem.Transport):
    """Kombu's file transport with the channel above."""

    Channel = Channel

    def drain_events(
        self, connection: Any, timeout: float | None = None, **_: Any
    ) -> None:
        """Deliver one message. Raises TimeoutError after a shorter time than kombu would."""
        if timeout is not None:
            timeout = min(timeout, MAX_WAIT_SECONDS)
        super().drain_events(connection, timeout=timeout)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(path: Path, content: str) -> None:
    """Create or replace a file in one step; its draft has a name that no reader looks for."""
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        draft.write_text(content, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ChannelError(f"Cannot write {path}: {error.strerror}") from error
