"""The folders of instances: whose process runs, which are damaged."""

import subprocess
import sys

from products.edge.usage.instances import (
    damaged_in,
    instances_in,
    is_running,
    quarantine_damaged,
)


def test_an_instance_is_held_until_its_process_has_ended(tmp_path):
    folder = tmp_path / "usage" / "INSTANCE"
    holding = (
        "import sys; from pathlib import Path; "
        "from products.edge.usage.instances import hold_instance; "
        "hold_instance(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while_alive = is_running(folder)
        process.kill()

    assert (while_alive, is_running(folder)) == (True, False)


def test_a_folder_without_a_lock_is_of_no_running_process(tmp_path):
    assert not is_running(tmp_path)


def test_instances_are_listed_without_damaged_ones(tmp_path):
    for name in ("B", "A", "C"):
        (tmp_path / name).mkdir()
    (tmp_path / "E").touch()

    aside = quarantine_damaged(tmp_path / "C", ValueError())

    assert [path.name for path in instances_in(tmp_path)] == ["A", "B"]
    assert damaged_in(tmp_path) == damaged_in(tmp_path, "C") == [aside]
    assert damaged_in(tmp_path, "A") == []


def test_an_earlier_quarantine_is_not_overwritten(tmp_path):
    for _ in range(2):
        (tmp_path / "A").mkdir()
        quarantine_damaged(tmp_path / "A", ValueError())

    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["A.damaged-1", "A.damaged-2"]
