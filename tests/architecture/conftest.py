"""The small world in which every command is attempted."""

from tests.factories.shared_world import shared_world, world

__all__ = ["shared_world", "world"]
