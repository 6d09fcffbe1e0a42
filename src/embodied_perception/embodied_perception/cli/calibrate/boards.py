"""The board, as the command line describes it."""

from __future__ import annotations

import argparse
import re

from embodied_perception.camera.calibration import Board, CharucoBoard, Chessboard, CircleGrid
from embodied_perception.errors import ConfigError

_KINDS = ("chessboard", "circles", "asymmetric-circles", "charuco")
_MARKER_PART = 0.75  # of a square, if not given

HELP = """\
The board (perception calibrate board prints one):
  chessboard          --size counts inner corners: 9x6 on a board of 10x7 squares
  circles             --size counts dots; --square is from one to the next
  asymmetric-circles  --size counts dots as OpenCV does: 4x11; --square is half of the distance
                      between two dots of a row
  charuco             --size counts squares; may be seen in part
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare what a board is known by."""
    board = parser.add_argument_group("the board")
    board.add_argument("--board", choices=_KINDS, default=_KINDS[0], help="default: %(default)s")
    board.add_argument("--size", required=True, metavar="CxR", help="columns and rows, as in 9x6")
    board.add_argument(
        "--square",
        type=float,
        default=1.0,
        metavar="M",
        help="its side, metres, as measured; default: 1, and then lengths are in squares",
    )
    board.add_argument(
        "--marker", type=float, metavar="M", help="side of a ChArUco marker; default: 3/4 square"
    )
    board.add_argument(
        "--dictionary", default="5X5_100", help="of ChArUco markers; default: %(default)s"
    )


def board_of(arguments: argparse.Namespace) -> Board:
    """Make the board.

    Raises:
        ConfigError: the size is no size.
        CameraError: there is no such board.

    """
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", arguments.size)
    if match is None:
        raise ConfigError(f"--size: got {arguments.size!r}, expected COLUMNSxROWS, as in 9x6")
    columns, rows, square_m = int(match[1]), int(match[2]), arguments.square
    if arguments.board == "charuco":
        marker_m = _MARKER_PART * square_m if arguments.marker is None else arguments.marker
        return CharucoBoard(columns, rows, square_m, marker_m, arguments.dictionary)
    if arguments.board == "chessboard":
        return Chessboard(columns, rows, square_m)
    return CircleGrid(columns, rows, square_m, arguments.board == "asymmetric-circles")
