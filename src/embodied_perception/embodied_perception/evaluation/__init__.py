"""Compare results with the truth, and draw them."""

from embodied_perception.evaluation.consistency import Consistency, evaluate_consistency
from embodied_perception.evaluation.consistency_plots import plot_consistency
from embodied_perception.evaluation.frame_plots import plot_frames
from embodied_perception.evaluation.plots import plot_trajectory
from embodied_perception.evaluation.trajectory import (
    Trajectory,
    TrajectoryErrors,
    evaluate_trajectory,
)

__all__ = [
    "Consistency",
    "Trajectory",
    "TrajectoryErrors",
    "evaluate_consistency",
    "evaluate_trajectory",
    "plot_consistency",
    "plot_frames",
    "plot_trajectory",
]
