"""Every public name of accounts, portal and products is used by production code."""

import ast
import re
from collections.abc import Iterator

from tests.architecture.source import PRODUCT, ROOT, Function, modules

# A definition with one of these decorators is used by what it registers with.
REGISTERING = (
    "admin.register",
    "register.",
    "register(",
    "shared_task",
    "worker_init.connect",
    "task_prerun.connect",
    "task_postrun.connect",
)
# Frameworks look these names up.
FRAMEWORK_NAMES = re.compile(
    r"Command|urlpatterns|handler(400|404|429|500)|process_exception|process_view|get_help_text|DATE(TIME)?_FORMAT"  # Django
    r"|on_(body|header|headers_complete|message_complete)"  # httptools
)
# Django and its apps read every setting.
SETTINGS = "portal.settings"


def names_of(node: ast.stmt) -> list[str]:
    """Return the names that a statement gives: to a function, to a class or to variables."""
    if isinstance(node, Function | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
    return [each.id for each in targets if isinstance(each, ast.Name)]


def methods_of(node: ast.stmt) -> list[str]:
    """Return the methods of a class without bases; a base may call other methods."""
    if not isinstance(node, ast.ClassDef) or node.bases:
        return []
    return [each.name for each in node.body if isinstance(each, Function)]


def is_registered(node: ast.stmt) -> bool:
    decorators = map(ast.unparse, getattr(node, "decorator_list", []))
    return any(each.startswith(REGISTERING) for each in decorators)


def names_used_in(node: ast.AST) -> Iterator[str]:
    """Yield the names that a piece of code reads; a string may be a dotted path."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id
        elif isinstance(each, ast.Attribute):
            yield each.attr
        elif isinstance(each, ast.alias) and each.asname:
            yield each.name
        elif isinstance(each, ast.keyword):
            yield each.arg or ""
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield from re.findall(r"\w+", each.value) if " " not in each.value else ()


def words_in_templates() -> Iterator[str]:
    for path in ROOT.glob("templates/**/*.html"):
        yield from re.findall(r"\w+", path.read_text("utf-8"))


def test_every_public_name_is_used_by_production_code():
    used, defined = set(words_in_templates()), set()
    for module in modules(*PRODUCT):
        for node in module.tree.body:
            used |= set(names_used_in(node)) - set(names_of(node))
            if not is_registered(node) and module.name != SETTINGS:
                names = names_of(node) + methods_of(node)
                defined |= {(module.name, name) for name in names}

    assert {
        (module, name)
        for module, name in defined
        if name not in used
        and not name.startswith("_")
        and not FRAMEWORK_NAMES.fullmatch(name)
    } == set()
