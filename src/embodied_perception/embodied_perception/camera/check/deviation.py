"""How far a calibration is from what images say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

#: So many looks count; older ones are forgotten.
LOOKS = 20
#: Fewer looks do not say how far one is from another.
LEAST_LOOKS = 3
#: Rotations about the axes of an optical frame (x right, y down, z forward).
ROTATION_NAMES = ("pitch", "yaw", "roll")


class Verdict(Enum):
    """What is to be thought of a deviation."""

    UNKNOWN = "not known"  #: the images do not say it well enough
    FINE = "fine"
    OFF = "off"


@dataclass(frozen=True)
class Deviation:
    """One number of a calibration, as images have it, less what the calibration says.

    Attributes:
        name: of the number.
        value: in ``unit``; 0 where both agree.
        sigma: standard deviation of ``value``; infinite where nothing is known.
        unit: ``deg`` or ``%``.
        limit: what is tolerated.

    """

    name: str
    value: float
    sigma: float
    unit: str
    limit: float

    @property
    def verdict(self) -> Verdict:
        """Fine, or off, if that is certain by two standard deviations."""
        if not 2 * self.sigma < self.limit:
            return Verdict.UNKNOWN
        return Verdict.OFF if abs(self.value) - 2 * self.sigma > self.limit else Verdict.FINE

    def __str__(self) -> str:
        """Return it in words."""
        if self.verdict is Verdict.UNKNOWN:
            return f"{self.name}: not known"
        return f"{self.name}: {self.value:+.2f} ± {self.sigma:.2f} {self.unit}"


@dataclass(frozen=True)
class Limits:
    """What is tolerated.

    Attributes:
        rotation_deg: about each axis.
        focal_percent: of focal lengths.

    """

    rotation_deg: float = 0.5
    focal_percent: float = 1.0


def deviations(
    solution: np.ndarray, covariance: np.ndarray, focal: str, limits: Limits
) -> list[Deviation]:
    """Make deviations of a rotation (radians) and a relative focal length, (4,) with (4, 4)."""
    sigmas = np.sqrt(np.diag(covariance))
    degrees, turns = np.degrees(solution[:3]), np.degrees(sigmas[:3])
    found = [
        Deviation(name, float(value), float(sigma), "deg", limits.rotation_deg)
        for name, value, sigma in zip(ROTATION_NAMES, degrees, turns, strict=True)
    ]
    percent, sigma = 100 * float(solution[3]), 100 * float(sigmas[3])
    return [*found, Deviation(focal, percent, sigma, "%", limits.focal_percent)]


def clustered(matrices: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Solve the sum of normal equations; return the solution (U,) and its covariance (U, U).

    Errors within one cluster have common causes; what varies are clusters as a whole (K.-Y. Liang,
    S. Zeger, Longitudinal data analysis using generalized linear models, 1986).

    Args:
        matrices: (C, U, U) of each cluster.
        vectors: (C, U) of each cluster: its right side.

    """
    count, unknowns = vectors.shape
    nothing = np.zeros(unknowns), np.full((unknowns, unknowns), np.inf)
    if count < LEAST_LOOKS:
        return nothing
    try:
        whole = np.linalg.inv(matrices.sum(axis=0))
    except np.linalg.LinAlgError:
        return nothing
    solution = whole @ vectors.sum(axis=0)
    moves = (vectors - matrices @ solution) @ whole.T
    return solution, moves.T @ moves * count / (count - 1)
