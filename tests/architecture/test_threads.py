"""No thread keeps a process from ending: a test that failed has not stopped its own."""

import ast

import pytest

from tests.architecture.source import EVERYTHING, modules


def thread_calls(tree):
    """Yield the calls that make a thread; in a subclass, the call of the constructor."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Thread"):
            yield node
        elif isinstance(node, ast.ClassDef) and any(
            ast.unparse(base).endswith("Thread") for base in node.bases
        ):
            yield from (
                each
                for each in ast.walk(node)
                if isinstance(each, ast.Call)
                and ast.unparse(each.func) == "super().__init__"
            )


def is_daemon(call):
    return any(
        word.arg == "daemon" and ast.unparse(word.value) == "True"
        for word in call.keywords
    )


def waiting(tree):
    """Return the lines that make a thread for which the interpreter waits at its end."""
    return [call.lineno for call in thread_calls(tree) if not is_daemon(call)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("threading.Thread(target=f)", [1]),
        ("Thread(target=f, daemon=False)", [1]),
        ("threading.Thread(target=f, daemon=True)", []),
        ("class A(Thread):\n def __init__(self):\n  super().__init__()", [3]),
        ("class A(Thread):\n def __init__(self):\n  super().__init__(daemon=True)", []),
    ],
)
def test_a_thread_is_recognised(text, lines):
    assert waiting(ast.parse(text)) == lines


def test_the_interpreter_waits_for_no_thread_at_its_end():
    found = [
        f"{module.path}:{line}"
        for module in modules(*EVERYTHING)
        for line in waiting(module.tree)
    ]

    assert found == []
