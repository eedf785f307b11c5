"""Modules open with a line that says what they are, and import at the top."""

import ast
from collections.abc import Iterator

from tests.architecture.source import EVERYTHING, Module, modules

MAX_SENTENCE_LENGTH = 120
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


def test_a_module_opens_with_one_line_that_says_what_it_is():
    silent = [
        module.path
        for module in modules(*EVERYTHING)
        if not module.text.startswith('"""')
        or not opening(module).endswith((".", "!", "?"))
        or len(opening(module)) > MAX_SENTENCE_LENGTH
    ]

    assert silent == []


def test_nothing_is_imported_inside_a_function():
    hidden = {
        module.path: lines
        for module in modules(*EVERYTHING)
        if (lines := list(imports_inside(module)))
    }

    assert hidden == {}


def test_no_module_is_named_utils():
    badly_named = [
        module.path
        for module in modules(*EVERYTHING)
        if USEFUL & set(module.name.split("."))
    ]

    assert badly_named == []


def test_the_modules_are_found():
    names = {module.name for module in modules(*EVERYTHING)}

    assert {"accounts.change", "products.edge.proxy.server", "portal.urls"} <= names
