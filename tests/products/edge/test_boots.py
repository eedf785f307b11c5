"""What stands in a spool beside what is to be sent."""

import os
import time

from products.edge.boots import Boots


def test_a_folder_whose_process_never_began_goes_after_a_minute(tmp_path):
    old, young, born = (tmp_path / name for name in (".OLD", ".YOUNG", "BORN"))
    for folder in (old, young, born):
        folder.mkdir()
        (folder / "lock").touch()
    os.utime(old, (time.time() - 61,) * 2)
    os.utime(born, (time.time() - 61,) * 2)

    Boots(tmp_path, keep_seconds=60, most_bytes=1 << 20, clock=time.time).tidy(
        is_writable=True
    )

    assert not old.exists()
    assert young.exists()
    assert born.exists()
