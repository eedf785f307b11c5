"""No room is too large, and each says at its door what it is."""

import ast
from collections.abc import Iterator

from tests.house.source import EVERYTHING, Module, modules

MOST_LINES = 300
LONGEST_SENTENCE = 120
USEFUL = frozenset({"common", "helpers", "misc", "util", "utils"})
# Django calls an app's `ready` when its models can be imported, and not before.
MAY_IMPORT_INSIDE = frozenset({"ready"})


def imports_inside(module: Module) -> Iterator[int]:
    for function in ast.walk(module.tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if function.name in MAY_IMPORT_INSIDE:
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield node.lineno


def opening(module: Module) -> str:
    return (ast.get_docstring(module.tree) or "").partition("\n")[0]


def test_a_module_fits_on_three_hundred_lines():
    large = {
        module.path: len(module.text.splitlines())
        for module in modules(*EVERYTHING)
        if len(module.text.splitlines()) > MOST_LINES
    }

    assert large == {}


def test_a_module_opens_with_one_line_that_says_what_it_is():
    mute = [
        module.path
        for module in modules(*EVERYTHING)
        if not module.text.startswith('"""')
        or not opening(module).endswith((".", "!", "?"))
        or len(opening(module)) > LONGEST_SENTENCE
    ]

    assert mute == []


def test_nothing_is_imported_inside_a_function():
    hidden = {
        module.path: lines
        for module in modules(*EVERYTHING)
        if (lines := list(imports_inside(module)))
    }

    assert hidden == {}


def test_no_room_is_named_for_being_useful():
    useful = [
        module.path
        for module in modules(*EVERYTHING)
        if USEFUL & set(module.name.split("."))
    ]

    assert useful == []


def test_there_is_a_house_to_look_at():
    names = {module.name for module in modules(*EVERYTHING)}

    assert {"accounts.change", "products.edge.gateway", "portal.urls"} <= names
