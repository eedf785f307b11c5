"""Roll back what a block changes, in a savepoint that `recorded_change` accepts."""

import contextlib
from collections.abc import Iterator

from django.db import transaction


@contextlib.contextmanager
def rolled_back() -> Iterator[None]:
    """Roll back all changes of the block, so that one world serves many attempts."""
    around = transaction.atomic()
    # A durable transaction opens only outside others, or inside a test's, which Django marks so.
    around._from_testcase = True
    with around:
        yield
        transaction.set_rollback(True)
