"""The life of a version, draft → locked → active, as a pure table of moves.

Only a draft can be changed; what was once locked or active never can again, and a
change to it starts from a clone.
Source: https://www.fastly.com/documentation/guides/getting-started/services/working-with-services/.
"""

from enum import StrEnum


class State(StrEnum):
    """Where a version is in its life; an active one counts as locked too."""

    DRAFT = "draft"
    LOCKED = "locked"
    ACTIVE = "active"


class Move(StrEnum):
    """What can be done with a version."""

    EDIT = "edit"
    CLONE = "clone"  # makes a new draft; the version itself stays what it is
    LOCK = "lock"
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"


class MoveRefused(Exception):  # noqa: N818 - a refusal is named for what it says
    """A move that a version's state does not allow."""

    def __init__(self, state: State, move: Move) -> None:
        """Keep both, and say them in a sentence."""
        article = "an" if state is State.ACTIVE else "a"
        super().__init__(f"One cannot {move} {article} {state} version.")
        self.state = state
        self.move = move


MOVES: dict[tuple[State, Move], State] = {
    (State.DRAFT, Move.EDIT): State.DRAFT,
    (State.DRAFT, Move.CLONE): State.DRAFT,
    (State.DRAFT, Move.LOCK): State.LOCKED,
    (State.DRAFT, Move.ACTIVATE): State.ACTIVE,
    (State.LOCKED, Move.CLONE): State.LOCKED,
    (State.LOCKED, Move.ACTIVATE): State.ACTIVE,
    (State.ACTIVE, Move.CLONE): State.ACTIVE,
    (State.ACTIVE, Move.DEACTIVATE): State.LOCKED,
}


def allowed(state: State, move: Move) -> bool:
    """Tell whether a version in this state may make this move."""
    return (state, move) in MOVES


def after(state: State, move: Move) -> State:
    """Return the state that a move leads to.

    Raises MoveRefused when the state does not allow it.
    """
    if not allowed(state, move):
        raise MoveRefused(state, move)
    return MOVES[state, move]
