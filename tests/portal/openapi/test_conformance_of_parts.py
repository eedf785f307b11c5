"""The answers of operations on versions and parts are as the document says, in three examples each."""

import pytest

from tests.factories.shared_world import shared_world, world
from tests.portal.openapi.conformance import EXAMPLES, check, loaded, one_connection
from tests.portal.openapi.test_conformance import PARTS

__all__ = ["one_connection", "shared_world", "world"]

# All log endpoints have one view, and schemas from one table: three of them stand for all here. The
# nightly test has them all, and Fastly's Python client reads each of them in tests/clients.
OTHER_LOG_ENDPOINTS = r"/logging/(?!(https|kafka|s3)(/|$))"
# Beside the settings of single operations, `include` has no effect.
OTHER_PATHS = rf"^(?!.*{PARTS})"
document = (
    loaded().exclude(path_regex=OTHER_PATHS).exclude(path_regex=OTHER_LOG_ENDPOINTS)
)


@document.parametrize()
@EXAMPLES
@pytest.mark.usefixtures("one_connection")
def test_every_answer_is_as_described(case, world):
    check(case, world, ["superuser", "user"])
