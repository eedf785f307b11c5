"""What the portal's app does in every process that loads it."""

import subprocess
import sys

SOURCE = """
import atexit, gc

atexit.register(lambda: print(gc.get_freeze_count() > 100_000))  # called last
import django

django.setup()
"""


def test_a_process_ends_without_a_search_for_garbage():
    ended = subprocess.run(
        [sys.executable, "-c", SOURCE], capture_output=True, text=True, check=True
    )

    assert ended.stdout == "True\n"
