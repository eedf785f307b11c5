"""The moves of a version, every state with every move."""

import pytest

from products.services.lifecycle import Move, MoveRefused, State, after, allowed

ALLOWED = {
    (State.DRAFT, Move.EDIT, State.DRAFT),
    (State.DRAFT, Move.CLONE, State.DRAFT),
    (State.DRAFT, Move.LOCK, State.LOCKED),
    (State.DRAFT, Move.ACTIVATE, State.ACTIVE),
    (State.LOCKED, Move.CLONE, State.LOCKED),
    (State.LOCKED, Move.ACTIVATE, State.ACTIVE),
    (State.ACTIVE, Move.CLONE, State.ACTIVE),
    (State.ACTIVE, Move.DEACTIVATE, State.LOCKED),
}
REFUSED = {(state, move) for state in State for move in Move} - {
    (state, move) for state, move, _ in ALLOWED
}


@pytest.mark.parametrize(("state", "move", "result"), sorted(ALLOWED))
def test_an_allowed_move_leads_to_its_state(state, move, result):
    assert allowed(state, move) is True
    assert after(state, move) is result


@pytest.mark.parametrize(("state", "move"), sorted(REFUSED))
def test_any_other_move_is_refused(state, move):
    with pytest.raises(MoveRefused) as refusal:
        after(state, move)

    assert allowed(state, move) is False
    assert (refusal.value.state, refusal.value.move) == (state, move)


def test_the_refusal_says_what_cannot_be_done():
    with pytest.raises(MoveRefused, match=r"^One cannot edit an active version\.$"):
        after(State.ACTIVE, Move.EDIT)


def test_no_sequence_of_moves_makes_a_locked_version_a_draft_again():
    reached = {State.LOCKED}
    reached |= {end for start, _, end in ALLOWED if start in reached}
    reached |= {end for start, _, end in ALLOWED if start in reached}

    assert reached == {State.LOCKED, State.ACTIVE}
