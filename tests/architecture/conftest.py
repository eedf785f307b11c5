"""The world on which the door is tried."""

from tests.factories.standing import standing_world, world

__all__ = ["standing_world", "world"]
