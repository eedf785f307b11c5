"""What the tests of the proxy share."""

import json
import subprocess
import sys

import pytest

from tests.stories.stack import ROOT


@pytest.fixture(scope="module")
def made(portal):
    """Prepare the module's production; return its people's token and service."""
    prepared = subprocess.run(
        [sys.executable, "-m", "tests.stories.prepare_production", "1"],
        cwd=ROOT,
        env=portal.environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(prepared.stdout.splitlines()[-1])
