"""The Containerfile: from the lock, for a user without rights, with a health check.

Building it needs a network and a builder, so it is built only by the nightly run, where a builder
is installed.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stories.stack import OWN

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Containerfile").read_text()
BUILDER = shutil.which("podman") or shutil.which("buildah")


def instructions():
    """Return the instructions with their arguments; continued lines are joined."""
    lines = re.sub(r"\\\n\s*", " ", TEXT).splitlines()
    return [
        tuple(line.split(maxsplit=1)) for line in lines if line and line[0] not in "# "
    ]


def arguments(name):
    return [rest for each, rest in instructions() if each == name]


def test_packages_come_from_the_lock_by_hash():
    (install,) = [each for each in arguments("RUN") if "pip install" in each]

    assert "--require-hashes -r requirements.txt" in install
    assert "--no-deps" in install


def test_programs_run_without_rights():
    last = max(n for n, (name, _) in enumerate(instructions()) if name == "USER")

    assert arguments("USER") == ["10001"]
    assert [name for name, _ in instructions()[last:] if name in {"RUN", "COPY"}] == []


def test_images_have_a_version_and_nothing_is_downloaded_by_url():
    names = [each.split()[0] for each in arguments("FROM")]

    assert all(re.fullmatch(r"docker\.io/library/\S+:\d\S+", name) for name in names)
    assert arguments("ADD") == []


def test_the_health_check_asks_the_process_itself():
    (check,) = arguments("HEALTHCHECK")

    assert "/healthz" in check


def test_what_is_copied_exists_and_is_not_ignored():
    allowed = re.findall(
        r"^!(\S+)", (ROOT / ".containerignore").read_text(), re.MULTILINE
    )
    copied = [each.split()[0] for each in arguments("COPY") if "--from" not in each]

    assert sorted(copied) == sorted(allowed)
    assert [each for each in copied if not (ROOT / each).exists()] == []


def test_the_help_pages_are_shown_from_what_is_copied(tmp_path):
    for each in arguments("COPY"):
        if "--from" not in each:
            source, target = each.split()
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, tmp_path / target)
    show = (
        "import django; django.setup(); from django.test import Client; "
        "print(Client().get('/help/roles/', headers={'host': 'localhost'}).status_code)"
    )
    inherited = {key: each for key, each in os.environ.items() if key not in OWN}
    settings = {"DJANGO_SETTINGS_MODULE": "portal.settings", "DATA_DIR": str(tmp_path)}

    shown = subprocess.run(
        [sys.executable, "-c", show],
        cwd=tmp_path,
        env=inherited | settings,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    assert shown.stdout == "200\n"


def test_no_secret_is_in_the_image():
    values = " ".join(arguments("ENV"))

    assert re.findall(r"(?i)\w*(?:key|pepper|token|password)\w*=", values) == []


if BUILDER:

    @pytest.mark.nightly
    def test_the_image_is_built():
        subprocess.run(
            [str(BUILDER), "build", "--tag", "tollgate-test", "."], cwd=ROOT, check=True
        )
