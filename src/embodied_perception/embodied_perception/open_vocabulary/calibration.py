"""How sure a zero-shot model may be in some place: found by a few images, kept in a file.

Sources: C. Guo et al., On Calibration of Modern Neural Networks, 2017, for the temperature; T. Zhao
et al., Calibrate Before Use, 2021, for the offsets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from embodied_perception.errors import OpenVocabularyError

_HEADER = """\
# Written by `perception calibrate words`: for --calibration of `perception classify`, and the
# parameter `calibration_file` of the zero_shot node.
"""
_KEYS = ("model", "temperature", "offsets")


@dataclass(frozen=True)
class Calibration:
    """What logits are corrected by: ``(logit - offset) / temperature``.

    Attributes:
        temperature: above 0; more than 1 makes less sure.
        offsets: of labels by their names; 0 of others.

    """

    temperature: float = 1.0
    offsets: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (_is_finite(self.temperature) and self.temperature > 0):
            raise OpenVocabularyError(
                f"temperature: got {self.temperature!r}, expected a number above 0"
            )
        for name, offset in self.offsets.items():
            if not isinstance(name, str) or not _is_finite(offset):
                raise OpenVocabularyError(
                    f"offsets: {name!r}: got {offset!r}, expected a number of a name"
                )

    @classmethod
    def read(cls, path: Path, model: str) -> Calibration:
        """Read the file of a model.

        Args:
            path: YAML with ``model``, ``temperature`` and ``offsets``.
            model: source of the one that runs.

        Raises:
            OpenVocabularyError: it cannot be read, makes no calibration, or is another model's.

        """
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise OpenVocabularyError(f"{path} cannot be read: {error}") from error
        if not isinstance(values, dict) or set(values) != set(_KEYS):
            raise OpenVocabularyError(f"{path}: expected the keys {', '.join(_KEYS)}")
        if values["model"] != model:
            raise OpenVocabularyError(
                f"{path} is of the model {values['model']!r}, not of {model!r}; calibrate again: "
                "perception calibrate words"
            )
        if not isinstance(values["offsets"], dict):
            raise OpenVocabularyError(f"{path}: offsets: expected numbers by the labels' names")
        try:
            return cls(values["temperature"], values["offsets"])
        except OpenVocabularyError as error:
            raise OpenVocabularyError(f"{path}: {error}") from error

    def write(self, path: Path, model: str) -> None:
        """Write the file of a model.

        Raises:
            OpenVocabularyError: it cannot be written.

        """
        offsets = {name: round(offset, 6) for name, offset in self.offsets.items()}
        values = dict(zip(_KEYS, (model, round(self.temperature, 6), offsets), strict=True))
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        try:
            path.write_text(_HEADER + text, encoding="utf-8")
        except OSError as error:
            raise OpenVocabularyError(f"{path} cannot be written: {error}") from error


def _is_finite(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
