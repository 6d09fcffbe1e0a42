"""`perception calibrate board`: a board to print, in its true size."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from rich.console import Console

from embodied_perception.camera.calibration import Board, CharucoBoard, Chessboard, CircleGrid
from embodied_perception.cli.calibrate import boards
from embodied_perception.errors import ConfigError

SUMMARY = "print a board, in its true size"

EPILOG = f"""\
Print the file at 100 % (not "fit to page"), glue it to something flat such as glass, and measure
the length that is written below the board: --square is what you measure, not what you asked for.

{boards.HELP}
Examples:
  perception calibrate board --size 9x6 --square 0.025 -o board.pdf
  perception calibrate board --board charuco --size 12x9 --square 0.028 --paper a3 -o board.pdf
"""

_PAPERS_M = {
    "a4": (0.210, 0.297),
    "a3": (0.297, 0.420),
    "a2": (0.420, 0.594),
    "a1": (0.594, 0.841),
    "a0": (0.841, 1.189),
    "letter": (0.2159, 0.2794),
    "tabloid": (0.2794, 0.4318),
}
_INCH_M = 0.0254
_LEAST_DPI = 300
_LEAST_SQUARE_M = 0.002
_SKETCHED_PX = 40  # a square, to see how large the board is
_TEXT_M, _FOOT_M = 0.0025, 0.008
_EDGE_M = 0.005  # what printers leave white at the least


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    boards.configure(parser)
    parser.add_argument(
        "--paper", choices=list(_PAPERS_M), default="a4", help="default: %(default)s"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("board.pdf"),
        metavar="FILE",
        help=".pdf or .png; default: %(default)s",
    )


def run(arguments: argparse.Namespace) -> int:
    """Draw the board on its paper."""
    if arguments.output.suffix.lower() not in (".pdf", ".png"):
        raise ConfigError(f"--output: got {arguments.output}, expected a .pdf or a .png")
    board = boards.board_of(arguments)
    if board.square_m < _LEAST_SQUARE_M:
        raise ConfigError(
            f"--square: got {board.square_m * 1e3:g} mm, expected {_LEAST_SQUARE_M * 1e3:g} mm at "
            "least; it is in metres"
        )
    page, dpi = page_of(board, arguments.paper)
    try:
        if arguments.output.suffix.lower() == ".pdf":
            page.save(arguments.output, resolution=dpi)
        else:
            page.save(arguments.output, dpi=(dpi, dpi))
    except OSError as error:
        raise ConfigError(f"{arguments.output}: cannot be written: {error}") from error
    Console(stderr=True).print("print it at 100 %, and measure it", highlight=False)
    print(f"{arguments.output}: {_words(board)}, on {arguments.paper.upper()}")
    return 0


def page_of(board: Board, paper: str) -> tuple[Image.Image, float]:
    """Draw a board in the middle of a sheet; return the sheet and its dots an inch.

    Raises:
        ConfigError: the paper is too small.

    """
    height_m, width_m = (
        np.array(_pattern(board, _SKETCHED_PX).shape) * board.square_m / _SKETCHED_PX
    )
    room_m = np.array([width_m, height_m]) + board.square_m  # white all around, half a square wide
    room_m[1] += _foot_m(board)
    paper_m = np.array(sorted(_PAPERS_M[paper], reverse=bool(width_m > height_m)))
    if (room_m > paper_m).any():
        needed, there = (" x ".join(f"{m * 1e3:.0f}" for m in size) for size in (room_m, paper_m))
        raise ConfigError(
            f"--paper: {_words(board)}, needs {needed} mm, {paper.upper()} is {there} mm: take "
            "larger paper, or a smaller --square (metres)"
        )
    # Whole pixels a square, so that every square is as large as the others.
    square_px = int(np.ceil(board.square_m / _INCH_M * _LEAST_DPI))
    px_a_m = square_px / board.square_m
    pattern = _pattern(board, square_px)
    height, width = pattern.shape
    page = np.full(np.rint(paper_m[::-1] * px_a_m).astype(int), 255, np.uint8)
    left, top = (
        (page.shape[1] - width) // 2,
        (page.shape[0] - height - round(_foot_m(board) * px_a_m)) // 2,
    )
    page[top : top + height, left : left + width] = pattern
    _write_foot(page, board, page.shape[0] - round((_EDGE_M + _TEXT_M / 2) * px_a_m), px_a_m)
    return Image.fromarray(page).convert("1", dither=Image.Dither.NONE), px_a_m * _INCH_M


def _foot_m(board: Board) -> float:
    """Room for the text, which must not pass for dots of the grid's next row."""
    is_sparse = isinstance(board, CircleGrid) and board.asymmetric
    return _FOOT_M + (2 * board.square_m if is_sparse else 0)


def _pattern(board: Board, square_px: int) -> np.ndarray:
    """The picture without the white around it."""
    picture = board.picture(square_px)
    rows, columns = (np.flatnonzero((picture < 128).any(axis=axis)) for axis in (1, 0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _write_foot(page: np.ndarray, board: Board, y: int, px_a_m: float) -> None:
    """Write what the board is, and what to measure, in the middle of the page."""
    row_m = float(np.ptp(board.points[board.points[:, 1] == 0, 0]))
    what = "corner" if isinstance(board, Chessboard | CharucoBoard) else "dot"
    text = f"{_words(board)}; {row_m * 1e3:.1f} mm from the first to the last {what} of a row"
    font = cv2.FONT_HERSHEY_SIMPLEX
    scale = cv2.getFontScaleFromHeight(font, round(_TEXT_M * px_a_m))
    (width, _), _ = cv2.getTextSize(text, font, scale, 1)
    scale *= min(1.0, (page.shape[1] - 2 * _EDGE_M * px_a_m) / width)
    (width, _), _ = cv2.getTextSize(text, font, scale, 1)
    thickness = max(1, round(1.5 * scale))
    cv2.putText(
        page, text, ((page.shape[1] - width) // 2, y), font, scale, 0, thickness, cv2.LINE_AA
    )


def _words(board: Board) -> str:
    marker = f", markers of {board.marker_m * 1e3:g} mm" if isinstance(board, CharucoBoard) else ""
    return f"{board.what}, {board.square_m * 1e3:g} mm{marker}"
