"""The answers of all operations but those on parts are as the document says, in three examples each."""

import pytest

from tests.factories.shared_world import shared_world, world
from tests.portal.openapi.conformance import EXAMPLES, check, loaded, one_connection

__all__ = ["one_connection", "shared_world", "world"]

PARTS = r"/version/\{number\}/\w+"
document = loaded().exclude(path_regex=PARTS)


@document.parametrize()
@EXAMPLES
@pytest.mark.usefixtures("one_connection")
def test_every_answer_is_as_described(case, world):
    check(case, world, ["superuser", "user"])
