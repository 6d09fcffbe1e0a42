"""`perception calibrate hand-eye`: where a camera is on a robot."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from embodied_perception.bags import BagReader
from embodied_perception.bags.images import calibration_of, image_topics
from embodied_perception.bags.transforms import read_transforms
from embodied_perception.camera import Camera, read_camera_info_yaml
from embodied_perception.camera.calibration import View, calibrate_hand_eye
from embodied_perception.cli.calibrate import boards, images, output
from embodied_perception.cli.calibrate.collect import collect, summary
from embodied_perception.cli.calibrate.report import (
    figures_table,
    hand_eye_figures,
    write_hand_eye_report,
)
from embodied_perception.cli.problems import show_problems
from embodied_perception.errors import BagError, CameraError, GeometryError
from embodied_perception.geometry import Transform, TransformTree, hierarchy

SUMMARY = "find where a calibrated camera is on a robot, from a bag with TF"

EPILOG = f"""\
The board stands somewhere; the robot looks at it from places that differ, and stops for a moment in
each. It must turn about two axes by 20 degrees and more: what only drives on a floor leaves the
camera's height open, unless a ramp or a wedge tilts it. TF says where --parent was, as an arm or an
odometry knows it. The other way round, a camera that is fixed in the room sees a board that an arm
moves: --parent base_link --anchor tool0.

It writes extrinsics.yaml for the camera node (which puts it to /tf_static), a report with pictures,
and calibration.json with the uncertainties.

{boards.HELP}
Examples:
  perception calibrate hand-eye arm.mcap --topic /camera/image_raw --parent tool0 --size 9x6 \\
      --square 0.025
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("bag", type=Path, metavar="BAG", help="with images and TF")
    parser.add_argument("--topic", help="of the images")
    parser.add_argument(
        "--camera", type=Path, metavar="YAML", help="its calibration; default: the bag's"
    )
    parser.add_argument(
        "--parent",
        default="base_link",
        metavar="FRAME",
        help="that the camera is fixed to; default: %(default)s",
    )
    parser.add_argument(
        "--anchor",
        metavar="FRAME",
        help="that the board is fixed to; default: the root of the tree that --parent is in",
    )
    images.configure(parser)
    boards.configure(parser)
    output.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Collect views, look up the robot's poses, calibrate, and write it all."""
    console = Console(stderr=True)
    board = boards.board_of(arguments)
    with BagReader(arguments.bag) as bag:
        (topic,) = image_topics(bag, [arguments.topic] if arguments.topic else [], 1)
    camera = _camera(arguments.camera, arguments.bag, topic)
    history, _ = read_transforms(arguments.bag)
    anchor = arguments.anchor or _root(history.tree, arguments.parent)
    stream = images.open_images([arguments.bag], [topic], arguments.every)
    collection = collect(stream, board, arguments.views, console)
    views, poses = _with_poses(
        collection.of_camera(0), history.tree, anchor, arguments.parent, stream.problems
    )
    show_problems(console, stream.problems)
    console.print(summary(collection), highlight=False)
    with console.status("calibrating"):
        calibration = calibrate_hand_eye(camera, views, poses)
    folder, child = arguments.output, collection.frame_ids[0] or "camera_optical_frame"
    output.make_folder(folder)
    file = folder / "extrinsics.yaml"
    output.write_extrinsics(file, arguments.parent, child, calibration.parent_from_camera)
    page = write_hand_eye_report(
        folder, (arguments.parent, child), calibration, board, collection.samples[0]
    )
    console.print(figures_table(hand_eye_figures(calibration)))
    output.show_remarks(console, calibration.rejected, [])
    print(
        f"{file}: {calibration.rms_px:.3f} px over {len(calibration.views)} views; report: {page}"
    )
    return 0


def _camera(file: Path | None, bag: Path, topic: str) -> Camera:
    try:
        camera = calibration_of(bag, topic) if file is None else read_camera_info_yaml(file)[0]
    except BagError as error:
        raise BagError(f"{error}; give the calibration: --camera") from error
    # The images' own pixels are what the lens projects to.
    return camera.delivered()


def _root(tree: TransformTree, frame: str) -> str:
    for root in hierarchy(tree.edges()):
        if any(node.frame == frame for _, node in root.walk()):
            return root.frame
    known = ", ".join(tree.frames())
    raise GeometryError(f"--parent: frame {frame} is unknown; the bag's TF knows: {known}")


def _with_poses(
    views: list[View], tree: TransformTree, anchor: str, parent: str, problems: list[str]
) -> tuple[list[View], list[Transform]]:
    """Those views at whose time the robot's pose is known, with the poses."""
    found: list[tuple[View, Transform]] = []
    for view in views:
        try:
            found.append((view, tree.lookup(anchor, parent, view.stamp_ns)))
        except GeometryError as error:  # noqa: PERF203 - one does not spoil the others
            problems.append(f"{view.name}: {error}")
    if not found:
        raise CameraError(
            f"TF does not say where {parent} was in {anchor} when any view was taken; "
            f"{problems[-1]}"
        )
    return [view for view, _ in found], [pose for _, pose in found]
