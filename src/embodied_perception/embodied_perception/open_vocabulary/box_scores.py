"""How sure a box is: the share that was right of boxes whose places fitted as well.

Source: J. Platt, Probabilistic Outputs for Support Vector Machines, 1999.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from embodied_perception.errors import InferenceError
from embodied_perception.inference.checkpoint import CONFIG, Checkpoint

_KEY = "box_scores"
_LEAST = 1e-6  # of a fit, and less than 1: what float32 makes 0 or 1 has no logit


@dataclass(frozen=True)
class BoxScores:
    """What makes scores of boxes, by logits: ``scale * logit(fit) + bias``.

    Attributes:
        scale: above 0.
        bias: added to that.

    """

    scale: float = 1.0
    bias: float = 0.0

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> BoxScores:
        """Those of a checkpoint: ``box_scores`` of config.json; what fits so much, if it has none.

        Raises:
            InferenceError: what is there makes no sense.

        """
        given = checkpoint.config.get(_KEY, {})
        try:
            found = cls(**given)
            makes_sense = math.isfinite(found.scale + found.bias) and found.scale > 0
        except TypeError:
            makes_sense = False
        if not makes_sense:
            raise InferenceError(
                f"{checkpoint.folder / CONFIG}: {_KEY}: got {given!r}, expected numbers: scale, "
                "above 0, and bias"
            )
        return found

    def score(self, fit: float) -> float:
        """Score of a box from 0 to 1, by how well its places fit, from 0 to 1."""
        fit = min(max(fit, _LEAST), 1 - _LEAST)
        odds = math.exp(self.bias) * (fit / (1 - fit)) ** self.scale
        return odds / (1 + odds)
