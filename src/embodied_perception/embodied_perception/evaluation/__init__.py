"""Compare results with the truth, and draw the comparison."""

from embodied_perception.evaluation.plots import plot_trajectory
from embodied_perception.evaluation.trajectory import (
    Trajectory,
    TrajectoryErrors,
    evaluate_trajectory,
)

__all__ = ["Trajectory", "TrajectoryErrors", "evaluate_trajectory", "plot_trajectory"]
