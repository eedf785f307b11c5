"""The repository's own modules, as text and as syntax trees."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("accounts", "portal", "products")
EVERYTHING = (*PRODUCT, "bench", "tests")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """A module: its path, its dotted name and its content."""

    path: str
    name: str
    text: str
    tree: ast.Module

    @property
    def is_command(self) -> bool:
        """Tell whether state may change here: in `commands`, but not of `manage.py`."""
        parts = self.name.split(".")
        return "commands" in parts and "management" not in parts


@cache
def modules(*packages: str) -> tuple[Module, ...]:
    """Return the packages' modules without migrations, which Django writes."""
    return tuple(_read(packages))


def _read(packages: tuple[str, ...]) -> Iterator[Module]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" in path.parts:
                continue
            yield _module(path)


@cache
def _module(path: Path) -> Module:
    inside = path.relative_to(ROOT)
    text = path.read_text(encoding="utf-8")
    name = ".".join(inside.with_suffix("").parts).removesuffix(".__init__")
    return Module(str(inside), name, text, ast.parse(text))
