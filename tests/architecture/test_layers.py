"""Accounts names nothing of products, not even in a string; the import contracts see only imports."""

import ast
import re
from collections.abc import Iterator

import pytest
from django.apps import apps

from tests.architecture.source import Module, modules

# How a model, a content type or a permission is reached by its name.
BY_NAME = frozenset({"get_by_natural_key", "get_app_config", "get_model"})
NAMED = ("app_label", "content_type__model", "codename", "codename__startswith")


def labels_above() -> list[str]:
    return [
        config.label
        for config in apps.get_app_configs()
        if config.name.startswith("products.")
    ]


def codenames_above() -> set[str]:
    """Return the permissions that the models of products declare."""
    return {
        codename
        for label in labels_above()
        for model in apps.get_app_config(label).get_models()
        for codename, _ in model._meta.permissions
    }


def names_above(tree: ast.AST) -> Iterator[str]:
    """Yield the strings that name an app, a model or a permission of products."""
    dotted = re.compile(rf"\b({'|'.join(labels_above())})\.\w+")
    prefixes = {codename.partition("_")[0] + "_" for codename in codenames_above()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if dotted.search(text) or text in prefixes | codenames_above():
                yield text
        elif isinstance(node, ast.Call):
            yield from strings_given_by_name(node)


def strings_given_by_name(call: ast.Call) -> Iterator[str]:
    """Yield the constants by which a call looks something up by name."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    given = call.args if name in BY_NAME else []
    by_keyword = [
        keyword.value
        for keyword in call.keywords
        if keyword.arg and keyword.arg.endswith(NAMED)
    ]
    for value in [*given, *by_keyword]:
        if isinstance(value, ast.Constant):
            yield str(value.value)


def without_docstrings(module: Module) -> ast.AST:
    tree = ast.parse(module.text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            doc = ast.get_docstring(node)
            node.body = node.body[1:] if doc is not None else node.body
    return tree


def test_no_string_in_accounts_names_an_app_a_model_or_a_permission_of_products():
    found = {
        module.name: names
        for module in modules("accounts")
        if (names := list(names_above(without_docstrings(module))))
    }

    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        'assign_perm(f"services.access_{level}", user, service)',
        'filter(permission__content_type__app_label="services")',
        'filter(permission__codename__startswith="access_")',
        'ContentType.objects.get_by_natural_key("services", "service")',
        'codename.removeprefix("access_")',
        'level = "access_full"',
    ],
)
def test_a_string_that_names_something_of_products_is_found(line):
    assert list(names_above(ast.parse(line)))
