"""Modules say what they are, and no class name is defined twice."""

import ast
from collections import Counter

from tests.architecture.source import EVERYTHING, PRODUCT, modules

MAX_SENTENCE_LENGTH = 120
MEANINGLESS = frozenset({"common", "helpers", "misc", "util", "utils"})


def test_a_module_opens_with_one_sentence_that_says_what_it_is():
    openings = {
        module.path: (ast.get_docstring(module.tree) or "").partition("\n")[0]
        for module in modules(*EVERYTHING)
    }

    assert [
        path
        for path, opening in openings.items()
        if not opening.endswith((".", "!", "?")) or len(opening) > MAX_SENTENCE_LENGTH
    ] == []


def test_no_module_has_a_name_without_meaning():
    names = [module.name for module in modules(*EVERYTHING)]

    assert [name for name in names if MEANINGLESS & set(name.split("."))] == []


def test_no_class_name_is_defined_twice():
    names = Counter(
        node.name
        for module in modules(*PRODUCT)
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and node.name != "Command"
    )

    assert {name for name, count in names.items() if count > 1} == set()
