"""Command line of the room renderer: ``python tools/demo_room --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

if not __package__:  # run as a folder: make the package importable by its name
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from demo_room.random_rooms import random_room
from demo_room.room import Room
from demo_room.rooms import DEMO, HELDOUT
from demo_room.world import build

FrameT = TypeVar("FrameT")
ROOMS = {room.name: room for room in (DEMO, HELDOUT)}

HELP = """\
Render a furnished room with named, coloured objects as an RGB-D recording with ground truth:
20 s at 15 Hz of colour, depth, camera poses, class masks, object boxes and 3D places.

  python tools/demo_room heldout                    write out/rooms/heldout.mcap
  python tools/demo_room 42 --preview look.png      look at the random room of seed 42
  python tools/demo_room --list                     colour-object pairs of each room
  python tools/demo_room --rounds 2                 the round twice over, to measure odometry by:
                                                    RGB-D, a rectified pair, and the true poses
  python tools/demo_room --calibration              a chessboard in the room, seen by a pair of
                                                    cameras on a moving hand, to calibrate by
  python tools/demo_room --masks 40                 pictures and class masks of 40 random rooms, and
                                                    of demo (val) and heldout (test), to train and
                                                    to judge a segmentation by: out/rooms/masks
  python tools/demo_room --captions 100             the same with the number and name of each thing,
                                                    to train a two-tower model by; the random rooms
                                                    lack some pairs of heldout: out/rooms/captions

Needs the development dependency group 'render' (MuJoCo) and, without a display, EGL
(Debian: libegl1 libgl1-mesa-dri). A bag needs the workspace's ROS: prefix ./run shell -c '...'.
"""


def room_of(text: str) -> Room:
    """Return the room of a name, or the random room of a seed."""
    if text in ROOMS:
        return ROOMS[text]
    if text.isdecimal():
        return random_room(int(text))
    raise argparse.ArgumentTypeError(
        f"got {text!r}, expected {', '.join(ROOMS)} or a seed such as 42"
    )


def count(text: str) -> int:
    """Return a whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number from 1 on")
    return int(text)


def print_pairs(rooms: list[Room]) -> None:
    """Which colour-object pairs exist in which room."""
    for pair in sorted({pair for room in rooms for pair in room.pairs}):
        print(f"{pair:16s} {' '.join(room.name for room in rooms if pair in room.pairs)}")


def main() -> int:
    """Parse, then list, preview or record."""
    parser = argparse.ArgumentParser(
        prog="demo_room", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "room",
        nargs="?",
        type=room_of,
        default=DEMO,
        help="demo (default), heldout, or the seed of a random room",
    )
    parser.add_argument(
        "-o", "--output", type=Path, help="the bag or folder; default out/rooms/ROOM.mcap"
    )
    parser.add_argument("--preview", type=Path, metavar="PNG", help="write a contact sheet, no bag")
    parser.add_argument(
        "--calibration", action="store_true", help="write the recording to calibrate cameras by"
    )
    parser.add_argument(
        "--rounds", type=count, metavar="N", help="write the recording to measure odometry by"
    )
    parser.add_argument(
        "--masks", type=count, metavar="N", help="write pictures and masks of N random rooms"
    )
    parser.add_argument(
        "--captions", type=count, metavar="N", help="write pictures and names of N random rooms"
    )
    parser.add_argument(
        "--list", action="store_true", help="print the colour-object pairs of the rooms"
    )
    arguments = parser.parse_args()
    room: Room = arguments.room
    if arguments.list:
        print_pairs(list({each.name: each for each in (*ROOMS.values(), room)}.values()))
        return 0

    if find_spec("mujoco") is None:
        parser.error("MuJoCo is not installed; install it: pip install --group render")
    if arguments.preview:
        print(preview(room, arguments.preview))
        return 0
    if arguments.masks:
        folder = arguments.output or Path("out/rooms/masks")
        record_masks(folder, arguments.masks)
        print(folder)
        return 0
    if arguments.captions:
        folder = arguments.output or Path("out/rooms/captions")
        record_captions(folder, arguments.captions)
        print(folder)
        return 0
    kind = "_calibration" if arguments.calibration else "_rounds" if arguments.rounds else ""
    output = arguments.output or Path("out/rooms") / f"{room.name}{kind}.mcap"
    if arguments.calibration:
        record_calibration(room, output)
    elif arguments.rounds:
        record_rounds(room, output, arguments.rounds)
    else:
        record_room(room, output)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB")
    return 0


# MuJoCo is imported only where something is drawn: --list and --help do without.


def preview(room: Room, picture: Path) -> Path:
    """Draw a contact sheet of some frames."""
    from demo_room.path import FRAMES
    from demo_room.preview import write_contact_sheet
    from demo_room.render import render

    step = 30
    write_contact_sheet(picture, shown(room, render(room, step), FRAMES // step))
    return picture


def record_room(room: Room, output: Path) -> None:
    """Write the round with its objects."""
    from demo_room.path import FRAMES
    from demo_room.record import write_bag
    from demo_room.render import render

    write_bag(output, shown(room, render(room), FRAMES), build(room).objects)


def record_rounds(room: Room, output: Path, rounds: int) -> None:
    """Write some rounds, to measure odometry by."""
    from demo_room.path import FRAMES
    from demo_room.rounds import render_rounds, write_rounds_bag

    write_rounds_bag(output, shown(room, render_rounds(room, rounds), rounds * FRAMES))


def record_calibration(room: Room, output: Path) -> None:
    """Write the stops of a hand, to calibrate cameras by."""
    from demo_room.calibration import render_stops, write_calibration_bag
    from demo_room.rig import STOPS

    write_calibration_bag(output, shown(room, render_stops(room), STOPS))


def record_masks(folder: Path, rooms: int) -> None:
    """Write random rooms to train by, and the two rooms that none of them is to judge by."""
    from demo_room.masks import render_masks, write_labels, write_split

    train = [random_room(seed) for seed in range(rooms)]
    for split, room, frames in split_rooms(train):
        write_split(folder, split, shown(room, render_masks(room, frames), frames))
    write_labels(folder)


def record_captions(folder: Path, rooms: int) -> None:
    """Write random rooms without the held-out pairs, and the two rooms that have them."""
    from demo_room.captions import render_captions, write_split
    from demo_room.palette import HELD_OUT_PAIRS

    train = [random_room(seed, HELD_OUT_PAIRS) for seed in range(rooms)]
    for split, room, frames in split_rooms(train):
        write_split(folder, split, shown(room, render_captions(room, frames), frames))


def split_rooms(train: list[Room]) -> list[tuple[str, Room, int]]:
    """Which split each room is in, and in how many pictures."""
    return [*(("train", room, 8) for room in train), ("val", DEMO, 30), ("test", HELDOUT, 30)]


def shown(room: Room, frames: Iterator[FrameT], total: int) -> Iterator[FrameT]:
    """Frames, with a progress bar."""
    from rich.progress import track

    return iter(track(frames, f"Rendering {room.name}", total=total))


if __name__ == "__main__":
    sys.exit(main())
