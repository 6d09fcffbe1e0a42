"""`perception evaluate odometry`: how far poses are from the true ones."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from embodied_perception.bags.trajectories import read_trajectory
from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation import (
    Consistency,
    Trajectory,
    TrajectoryErrors,
    evaluate_consistency,
    evaluate_trajectory,
    plot_consistency,
    plot_trajectory,
)

SUMMARY = "ATE, RPE, drift and NEES of estimated poses: tables, errors.json, pictures"

EPILOG = """\
Poses come from nav_msgs/Odometry or geometry_msgs/PoseStamped topics of a bag, or from TUM text
files (.txt, .tum: stamp tx ty tz qx qy qz qw), in which case the topics have no meaning.

Where odometry states covariances, they are compared with its errors: NEES is the squared error
over stretches of 1 s, weighed by their inverse. Its mean should be the degrees of freedom; more
says that odometry trusts itself too much.

Examples:
  perception evaluate odometry out.mcap -o report
  perception evaluate odometry out.mcap --reference desk.mcap --estimate-topic /rtabmap/odom
  perception evaluate odometry estimate.txt --reference groundtruth.txt --sim3
"""

# Name in errors.json: (label, factor, unit).
_ROWS = {
    "ate_rmse_m": ("ATE, RMSE", 100, "cm"),
    "ate_median_m": ("ATE, median", 100, "cm"),
    "ate_max_m": ("ATE, largest", 100, "cm"),
    "rpe_1s_m": ("RPE over 1 s", 100, "cm"),
    "rpe_1s_deg": ("RPE over 1 s", 1, "deg"),
    "rpe_1m_m": ("RPE over 1 m", 100, "cm"),
    "rpe_1m_deg": ("RPE over 1 m", 1, "deg"),
    "drift_percent": ("drift over 10 to 50 % of the path", 1, "%"),
    "end_error_m": ("end error, first pose aligned", 100, "cm"),
    "path_length_m": ("path", 1, "m"),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("bag", type=Path, metavar="BAG", help="holds the estimate")
    parser.add_argument(
        "--reference", type=Path, metavar="BAG", help="holds the true poses; default: the same bag"
    )
    parser.add_argument("--estimate-topic", default="/odom", help="default: %(default)s")
    parser.add_argument(
        "--reference-topic", default="/ground_truth/odom", help="default: %(default)s"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="write errors.json and pictures here"
    )
    parser.add_argument(
        "--sim3", action="store_true", help="align with scale too, for monocular estimates"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the tables, and write the report."""
    estimate = read_trajectory(arguments.bag, arguments.estimate_topic)
    reference_path = arguments.reference or arguments.bag
    reference = read_trajectory(reference_path, arguments.reference_topic)
    errors = evaluate_trajectory(estimate, reference, with_scale=arguments.sim3)
    console = Console()
    console.print(error_table(errors, len(estimate)))
    consistency = None
    try:
        consistency = _consistency(estimate, reference, arguments.sim3)
        console.print(consistency_table(consistency))
    except EvaluationError as error:
        print(f"no NEES: {error}")
    if arguments.output is not None:
        written = write_errors(errors, arguments.output, arguments.bag.stem, consistency)
        print(f"wrote {', '.join(map(str, written))}")
    return 0


def _consistency(estimate: Trajectory, reference: Trajectory, with_scale: bool) -> Consistency:
    if with_scale:
        raise EvaluationError("with --sim3 the unit of the covariances is not known")
    return evaluate_consistency(estimate, reference)


def write_errors(
    errors: TrajectoryErrors, folder: Path, title: str, consistency: Consistency | None = None
) -> list[Path]:
    """Write errors.json and pictures into a folder, which is made; return their paths."""
    figures: dict[str, Any] = errors.figures()
    written = [folder / "errors.json", folder / "trajectory.png"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        plot_trajectory(errors, folder / "trajectory.png", title)
        if consistency is not None:
            figures["nees"] = consistency.figures()
            plot_consistency(consistency, folder / "nees.png", title)
            written.append(folder / "nees.png")
        (folder / "errors.json").write_text(json.dumps(figures, indent=2))
    except OSError as error:
        raise EvaluationError(f"{folder}: cannot write: {error}") from error
    return written


def error_table(errors: TrajectoryErrors, estimated_poses: int) -> Table:
    """The figures in words and sensible units."""
    table = Table(
        title=f"{errors.matched_poses} of {estimated_poses} poses compared, "
        f"{errors.alignment} aligned"
    )
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("unit")
    figures = errors.figures()
    for name, (label, factor, unit) in _ROWS.items():
        value = figures[name]
        shown = "path too short" if value is None else f"{float(value) * factor:.2f}"
        table.add_row(label, shown, unit)
    if errors.alignment == "Sim(3)":
        table.add_row("scale", f"{errors.scale:.4f}", "")
    return table


def consistency_table(consistency: Consistency) -> Table:
    """What odometry says of its errors, beside what they are."""
    table = Table(title=f"NEES over {len(consistency.ends_ns)} stretches of 1 s")
    for heading in ("error of", "mean", "should be", "in 95 % ellipsoid", "odometry is"):
        table.add_column(heading)
    for name, nees in consistency.stretches.items():
        low, high = nees.band
        table.add_row(
            name,
            f"{nees.mean:.3g}",
            f"{nees.freedom} ({low:.1f} to {high:.1f})",
            f"{100 * nees.share_inside:.0f} %",
            nees.verdict,
        )
    return table
