"""200 examples of each operation, and its limits, as people of every role in turn."""

from itertools import cycle

import pytest
from hypothesis import Phase, settings

from tests.factories.shared_world import shared_world, world
from tests.portal.openapi.conformance import EXAMPLES, check, loaded, one_connection

__all__ = ["one_connection", "shared_world", "world"]

# A failure is reported as it was found: to make it smaller takes up to five minutes per operation.
PHASES = (Phase.explicit, Phase.generate)
document = loaded(coverage=True)
people = cycle(
    [
        "superuser",
        "user",
        "billing",
        "engineer",
        "inside",
        "outside",
        "non_member",
    ]
)


@pytest.mark.nightly
@document.parametrize()
@settings(EXAMPLES, max_examples=200, phases=PHASES)
@pytest.mark.usefixtures("one_connection")
def test_every_answer_is_as_described(case, world):
    check(case, world, [next(people)])
