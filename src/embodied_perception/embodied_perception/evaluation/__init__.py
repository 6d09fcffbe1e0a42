"""Compare results with the truth, and draw them."""

from embodied_perception.evaluation.frame_plots import plot_frames
from embodied_perception.evaluation.plots import plot_trajectory
from embodied_perception.evaluation.trajectory import (
    Trajectory,
    TrajectoryErrors,
    evaluate_trajectory,
)

__all__ = [
    "Trajectory",
    "TrajectoryErrors",
    "evaluate_trajectory",
    "plot_frames",
    "plot_trajectory",
]
