"""Reads the worked examples of the bill, one JSON object a line."""

import json
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent / "billing" / "vectors" / "billing.jsonl"


def vectors() -> dict[str, Any]:
    """Every worked example, by its id."""
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    return {each["id"]: each for each in map(json.loads, lines)}


def given(vector_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What one example starts from, and what must come out."""
    vector = vectors()[vector_id]
    return vector["input"], vector["expect"]
