"""The answers of operations on versions and parts are as the document says, in three examples each."""

import pytest

from tests.factories.shared_world import shared_world, world
from tests.portal.openapi.conformance import EXAMPLES, check, loaded, one_connection
from tests.portal.openapi.test_conformance import PARTS

__all__ = ["one_connection", "shared_world", "world"]

document = loaded().include(path_regex=PARTS)


@document.parametrize()
@EXAMPLES
@pytest.mark.usefixtures("one_connection")
def test_every_answer_is_as_described(case, world):
    check(case, world, ["superuser", "user"])
