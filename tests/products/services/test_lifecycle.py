"""The transitions of a version: every state with every transition."""

import pytest

from products.services.lifecycle import Transition, VersionState, is_allowed


@pytest.mark.parametrize(
    ("state", "transitions"),
    [
        (VersionState.DRAFT, {"edit", "lock", "activate"}),
        (VersionState.LOCKED, {"activate"}),
        (VersionState.ACTIVE, {"deactivate"}),
    ],
)
def test_each_state_allows_its_transitions_alone(state, transitions):
    assert {each for each in Transition if is_allowed(state, each)} == transitions
