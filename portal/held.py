"""The hold on a data folder: one supervisor works on it at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class AlreadyRunningError(Exception):
    """Another supervisor works on the same data folder."""


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the data folder for this process; raise AlreadyRunningError when another one does."""
    with (folder / "run.lock").open("w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(
                f"Tollgate already runs on {folder}. Stop it, or choose another folder with DATA_DIR."
            ) from error
        yield
