"""The moves of a version, every state with every move."""

import pytest

from products.services.lifecycle import (
    Transition,
    TransitionRefused,
    VersionState,
    after,
    allowed,
)

ALLOWED = {
    (VersionState.DRAFT, Transition.EDIT, VersionState.DRAFT),
    (VersionState.DRAFT, Transition.CLONE, VersionState.DRAFT),
    (VersionState.DRAFT, Transition.LOCK, VersionState.LOCKED),
    (VersionState.DRAFT, Transition.ACTIVATE, VersionState.ACTIVE),
    (VersionState.LOCKED, Transition.CLONE, VersionState.LOCKED),
    (VersionState.LOCKED, Transition.ACTIVATE, VersionState.ACTIVE),
    (VersionState.ACTIVE, Transition.CLONE, VersionState.ACTIVE),
    (VersionState.ACTIVE, Transition.DEACTIVATE, VersionState.LOCKED),
}
REFUSED = {(state, move) for state in VersionState for move in Transition} - {
    (state, move) for state, move, _ in ALLOWED
}


@pytest.mark.parametrize(("state", "move", "result"), sorted(ALLOWED))
def test_an_allowed_move_leads_to_its_state(state, move, result):
    assert allowed(state, move) is True
    assert after(state, move) is result


@pytest.mark.parametrize(("state", "move"), sorted(REFUSED))
def test_any_other_move_is_refused(state, move):
    with pytest.raises(TransitionRefused) as refusal:
        after(state, move)

    assert allowed(state, move) is False
    assert (refusal.value.state, refusal.value.move) == (state, move)


def test_the_refusal_says_what_cannot_be_done():
    with pytest.raises(
        TransitionRefused, match=r"^One cannot edit an active version\.$"
    ):
        after(VersionState.ACTIVE, Transition.EDIT)


def test_no_sequence_of_moves_makes_a_locked_version_a_draft_again():
    reached = {VersionState.LOCKED}
    reached |= {end for start, _, end in ALLOWED if start in reached}
    reached |= {end for start, _, end in ALLOWED if start in reached}

    assert reached == {VersionState.LOCKED, VersionState.ACTIVE}
