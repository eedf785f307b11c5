"""Which functions write rows, and which of those writes no door stands around."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.architecture.source import Module

# Methods of Django and guardian that write; dictionaries are merged with `|`, so that a name
# says enough.
WRITES = frozenset(
    {
        "bulk_create",
        "bulk_update",
        "create",
        "create_superuser",
        "create_user",
        "delete",
        "execute",
        "executemany",
        "get_or_create",
        "save",
        "update",
        "update_or_create",
    }
)
GRANTS = frozenset({"assign_perm", "remove_perm"})
# Of a collection these are harmless; of a relation they write.
RELATION_WRITES = frozenset({"add", "clear", "remove", "set"})
DOORS = frozenset({"recorded_change", "record_refusal"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(slots=True)
class Steps:
    """What a function does outside any door: the writes, and whom it calls; and what inside one."""

    writes: list[int] = field(default_factory=list)
    calls: set[str] = field(default_factory=set)
    doors: list[ast.With] = field(default_factory=list)
    refuses: bool = False


def writes_of(
    tree: ast.AST, relations: frozenset[str] = frozenset()
) -> Iterator[ast.Call]:
    """Yield the calls that write rows; `relations` are the names of relations to many."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _writes(node.func, relations):
            yield node


def _writes(called: ast.expr, relations: frozenset[str]) -> bool:
    if isinstance(called, ast.Name):
        return called.id in GRANTS
    if not isinstance(called, ast.Attribute):
        return False
    if called.attr in WRITES | GRANTS:
        return True
    of = called.value
    return (
        called.attr in RELATION_WRITES
        and isinstance(of, ast.Attribute)
        and of.attr in relations
    )


def functions_of(module: Module) -> Iterator[Function]:
    """Yield the functions at the top of a module."""
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def called_name(call: ast.Call) -> str:
    """Return the last part of what is called: `append` for `trail.entries.append(…)`."""
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def is_door(node: ast.AST) -> bool:
    """Tell whether a `with` opens the door."""
    return isinstance(node, ast.With) and any(
        isinstance(item.context_expr, ast.Call)
        and called_name(item.context_expr) in DOORS
        for item in node.items
    )


def names_in(module: Module) -> Mapping[str, str]:
    """Return what each name at the top of a module stands for, as a dotted path."""
    names = {
        function.name: f"{module.name}.{function.name}"
        for function in functions_of(module)
    }
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def steps_of(
    function: Function, names: Mapping[str, str], relations: frozenset[str]
) -> Steps:
    """Return what a function does outside its doors."""
    steps = Steps()
    _walk(function, names, relations, steps)
    return steps


def _walk(
    node: ast.AST, names: Mapping[str, str], relations: frozenset[str], steps: Steps
) -> None:
    for child in ast.iter_child_nodes(node):
        if is_door(child):
            assert isinstance(child, ast.With)
            steps.doors.append(child)
            continue
        if isinstance(child, ast.Call):
            if _writes(child.func, relations):
                steps.writes.append(child.lineno)
            steps.refuses = steps.refuses or called_name(child) == "record_refusal"
        target = _target(child, names)
        if target:
            steps.calls.add(target)
        _walk(child, names, relations, steps)


def _target(node: ast.AST, names: Mapping[str, str]) -> str:
    """Return the dotted path of a function of ours that is named here, called or passed on."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        of = names.get(node.value.id, "")
        return f"{of}.{node.attr}" if of else ""
    return ""


def behind_no_door(steps: Mapping[str, Steps]) -> frozenset[str]:
    """Return the functions that write outside a door, by themselves or through others."""
    bare = {name for name, each in steps.items() if each.writes}
    while True:
        more = {name for name, each in steps.items() if each.calls & bare} - bare
        if not more:
            return frozenset(bare)
        bare = bare | more
