"""The bill of materials that `make sbom` prints, from the lock file."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.txt"


def printed():
    command = [sys.executable, str(ROOT / ".ci" / "sbom"), str(LOCK)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_every_pin_of_the_lock_is_a_component_with_its_hashes():
    document = json.loads(printed())

    lock = LOCK.read_text()
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    parts = document["components"]
    assert len(parts) == len(re.findall(r"^[\w.-]+==", lock, re.MULTILINE))
    hashes = [each["content"] for part in parts for each in part["hashes"]]
    assert hashes == re.findall(r"sha256:([0-9a-f]{64})", lock)
    assert {"type", "name", "version", "purl", "bom-ref", "hashes"} <= set(parts[0])
    assert len({part["bom-ref"] for part in parts}) == len(parts)


def test_the_same_lock_gives_the_same_document():
    assert printed() == printed()
