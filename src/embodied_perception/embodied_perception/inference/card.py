"""What a model's card, the README.md beside its weights, says for programs to read."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

_FILE = "README.md"
_MOST_BYTES = 1_000_000
# Hugging Face's cards begin with YAML between two lines of dashes.
_HEAD = re.compile(r"\A---\s*\n(.*?)\n---\s*(\n|\Z)", re.DOTALL)


def licence_of(folder: Path) -> str | None:
    """The licence that a model's card names; None where it names none, or there is no card."""
    path = folder / _FILE
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        return None
    head = _HEAD.match(path.read_text(encoding="utf-8", errors="replace"))
    try:
        values = yaml.safe_load(head[1]) if head else None
    except yaml.YAMLError:
        return None
    if not isinstance(values, dict):
        return None
    # "other" has its name beside it.
    named = values.get("license_name") or values.get("license")
    return named if isinstance(named, str) else None
