"""`perception evaluate`: results against ground truth, one subcommand for each kind of result."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from embodied_perception.bags.trajectories import read_trajectory
from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation import TrajectoryErrors, evaluate_trajectory, plot_trajectory

SUMMARY = "compare results with ground truth"

_ODOMETRY_EPILOG = """\
Poses come from nav_msgs/Odometry or geometry_msgs/PoseStamped topics of a bag, or from TUM text
files (.txt, .tum: stamp tx ty tz qx qy qz qw), in which case the topics have no meaning.

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
    """Declare the subcommands."""
    kinds = parser.add_subparsers(title="what to evaluate", metavar="KIND", required=True)
    odometry = kinds.add_parser(
        "odometry",
        help="ATE, RPE and drift of poses",
        description="ATE, RPE and drift of estimated poses, as a table, errors.json and a picture.",
        epilog=_ODOMETRY_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    odometry.add_argument("bag", type=Path, metavar="BAG", help="holds the estimate")
    odometry.add_argument(
        "--reference", type=Path, metavar="BAG", help="holds the true poses; default: the same bag"
    )
    odometry.add_argument("--estimate-topic", default="/odom", help="default: %(default)s")
    odometry.add_argument(
        "--reference-topic", default="/ground_truth/odom", help="default: %(default)s"
    )
    odometry.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="write errors.json and trajectory.png here"
    )
    odometry.add_argument(
        "--sim3", action="store_true", help="align with scale too, for monocular estimates"
    )
    odometry.set_defaults(evaluate=_odometry)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate what the subcommand says."""
    return arguments.evaluate(arguments)


def _odometry(arguments: argparse.Namespace) -> int:
    estimate = read_trajectory(arguments.bag, arguments.estimate_topic)
    reference_path = arguments.reference or arguments.bag
    reference = read_trajectory(reference_path, arguments.reference_topic)
    errors = evaluate_trajectory(estimate, reference, with_scale=arguments.sim3)
    Console().print(error_table(errors, len(estimate)))
    if arguments.output is not None:
        write_errors(errors, arguments.output, arguments.bag.stem)
        print(f"wrote {arguments.output / 'errors.json'} and {arguments.output / 'trajectory.png'}")
    return 0


def write_errors(errors: TrajectoryErrors, folder: Path, title: str) -> None:
    """Write errors.json and trajectory.png into a folder, which is made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "errors.json").write_text(json.dumps(errors.figures(), indent=2))
        plot_trajectory(errors, folder / "trajectory.png", title)
    except OSError as error:
        raise EvaluationError(f"{folder}: cannot write: {error}") from error


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
