"""`perception calibrate board`: sheets in their true size, on which the board is found."""

import re

import cv2
import numpy as np
import pytest
from PIL import Image

from embodied_perception.camera.calibration import CharucoBoard, Chessboard, CircleGrid
from embodied_perception.cli.calibrate.board import page_of
from embodied_perception.cli.main import main
from embodied_perception.errors import ConfigError

A4_MM = (210, 297)
BOARDS = {
    "chessboard": (["--size", "9x6"], Chessboard(9, 6, 0.025)),
    "upright": (["--size", "6x9"], Chessboard(6, 9, 0.025)),
    "circles": (["--board", "circles", "--size", "7x5"], CircleGrid(7, 5, 0.025)),
    "asymmetric": (
        ["--board", "asymmetric-circles", "--size", "4x9", "--square", "0.02"],
        CircleGrid(4, 9, 0.02, asymmetric=True),
    ),
    "charuco": (
        ["--board", "charuco", "--size", "8x6", "--marker", "0.018"],
        CharucoBoard(8, 6, 0.025, 0.018),
    ),
}


@pytest.fixture(params=BOARDS)
def printed(request, tmp_path, capsys):
    """The sheet (H, W) of 0 and 255, the millimetres of a pixel, and the board."""
    words, board = BOARDS[request.param]
    path = tmp_path / "board.png"
    given = ["--square", "0.025"] if "--square" not in words else []
    assert main(["calibrate", "board", *words, *given, "-o", str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"{path}: {board.what}, ")
    with Image.open(path) as image:
        across, down = image.info["dpi"]
        assert across == down >= 300
        return np.array(image.convert("L")), 25.4 / across, board


def black_rows(sheet):
    """The first and the last one of the board, and the last one of what is written below it."""
    rows = np.flatnonzero((sheet < 128).any(axis=1))
    return rows[0], rows[np.flatnonzero(np.diff(rows) > 50)[-1]], rows[-1]


def test_the_sheet_is_as_large_as_the_paper(printed):
    sheet, mm, board = printed
    lies = np.ptp(board.points[:, 0]) > np.ptp(board.points[:, 1])
    expected = sorted(A4_MM, reverse=bool(lies))
    assert [side * mm for side in sheet.shape[::-1]] == pytest.approx(expected, abs=0.1)


def test_the_board_is_found_on_it_in_its_true_size(printed):
    sheet, mm, board = printed
    shrink = 500 / sheet.shape[1]  # to about what a camera gives
    small = cv2.resize(sheet, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    found = board.detect(small, thorough=True)
    assert list(found.ids) == list(range(len(board.points)))
    there_m = found.pixels / shrink * mm / 1e3
    # The same shape and size, wherever it is on the sheet.
    there_m -= there_m.mean(axis=0)
    flat = board.points[:, :2] - board.points[:, :2].mean(axis=0)
    if np.sum(there_m * flat) < 0:  # half a turn, where the board looks the same
        flat = -flat
    np.testing.assert_allclose(there_m, flat, atol=1e-4)


def test_there_is_white_around_it_for_detectors_and_printers(printed):
    sheet, mm, board = printed
    rows, columns = (np.flatnonzero((sheet < 128).any(axis=axis)) for axis in (1, 0))
    edges_mm = np.array([rows[0], columns[0], sheet.shape[0] - 1 - rows[-1],
                         sheet.shape[1] - 1 - columns[-1]]) * mm  # fmt: skip
    assert (edges_mm > 4.9).all()
    # The board is in the middle from side to side; below it is what to measure.
    assert edges_mm[1] == pytest.approx(edges_mm[3], abs=0.5)
    _, bottom, foot = black_rows(sheet)
    assert (foot - bottom) * mm > board.square_m * 1e3 / 2


def test_only_black_and_white_are_printed(printed):
    assert set(np.unique(printed[0])) == {0, 255}


@pytest.mark.parametrize(
    ("paper", "expected_mm"),
    [
        ("a4", (297, 210)),
        ("a3", (420, 297)),
        ("a2", (594, 420)),
        ("letter", (279.4, 215.9)),
        ("tabloid", (431.8, 279.4)),
    ],
)
def test_a_pdf_is_as_large_as_its_paper(tmp_path, capsys, paper, expected_mm):
    path = tmp_path / "board.pdf"
    words = ["--size", "9x6", "--square", "0.025", "--paper", paper, "-o", str(path)]
    assert main(["calibrate", "board", *words]) == 0
    said = capsys.readouterr()
    assert said.out == (f"{path}: chessboard of 9x6 inner corners, 25 mm, on {paper.upper()}\n")
    assert said.err == "print it at 100 %, and measure it\n"
    data = path.read_bytes()
    assert data.startswith(b"%PDF-")
    box = [float(n) for n in re.search(rb"/MediaBox \[([\d. ]+)\]", data)[1].split()]
    assert box[:2] == [0, 0]
    assert [points / 72 * 25.4 for points in box[2:]] == pytest.approx(expected_mm, abs=0.1)


def test_a_row_is_as_long_as_the_sheet_says():
    """10x7 squares of 30.2 mm: whole pixels a square, and the resolution makes up for it."""
    page, dpi = page_of(Chessboard(9, 6, 0.0302), "a3")
    sheet = np.array(page.convert("L"))
    first, last, _ = black_rows(sheet)
    columns = np.flatnonzero((sheet[first : last + 1] < 128).any(axis=0))
    assert (columns[-1] + 1 - columns[0]) / dpi * 25.4 == pytest.approx(10 * 30.2, abs=0.01)
    assert (last + 1 - first) / dpi * 25.4 == pytest.approx(7 * 30.2, abs=0.01)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["--size", "9x6", "--square", "0.03"],
            "--paper: chessboard of 9x6 inner corners, 30 mm, needs 330 x 248 mm, A4 is 297 x 210 "
            "mm: take larger paper, or a smaller --square (metres)",
        ),
        (
            ["--size", "9x6", "--square", "25"],
            "--paper: chessboard of 9x6 inner corners, 25000 mm, needs 275000 x 200008 mm, A4 is "
            "297 x 210 mm: take larger paper, or a smaller --square (metres)",
        ),
        (["--size", "9x6", "--square", "0"], "board: got squares of 0.0 m, expected more than 0"),
        (["--size", "9"], "--size: got '9', expected COLUMNSxROWS, as in 9x6"),
        (["--size", "9x2"], "board: got 9x2, expected 3 to 100 columns and rows"),
        (
            ["--size", "4x10", "--board", "asymmetric-circles"],
            "board: got an asymmetric grid of 10 rows, expected an odd number, as in 4x11: nothing "
            "tells at which end an even one begins",
        ),
        (
            ["--size", "20x20", "--board", "charuco"],
            "board: 5X5_100 has 100 markers, 20x20 squares need 200: take a larger dictionary, "
            "such as 5X5_1000",
        ),
        (
            ["--size", "8x6", "--board", "charuco", "--dictionary", "qr"],
            "dictionary: got 'qr', expected one of 4X4_100, ",
        ),
    ],
)
def test_boards_that_cannot_be_printed(tmp_path, capsys, words, error):
    path = tmp_path / "board.pdf"
    assert main(["calibrate", "board", *words, "-o", str(path)]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"perception: error: {error}")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not path.exists()


@pytest.mark.parametrize("name", ["board.svg", "board", "board.pdf.txt"])
def test_files_of_another_kind(tmp_path, capsys, name):
    path = tmp_path / name
    words = ["--size", "9x6", "--square", "0.025", "-o", str(path)]
    assert main(["calibrate", "board", *words]) == 2
    error = f"perception: error: --output: got {path}, expected a .pdf or a .png\n"
    assert capsys.readouterr().err == error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".pdf", ".png"])
def test_a_folder_that_is_not_there(tmp_path, capsys, suffix):
    path = tmp_path / "nowhere" / f"board{suffix}"
    words = ["--size", "9x6", "--square", "0.025", "-o", str(path)]
    assert main(["calibrate", "board", *words]) == 2
    assert f"{path}: cannot be written: " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_large_is_told_by_the_library_too():
    with pytest.raises(ConfigError, match="needs 330 x 248 mm, A4 is 297 x 210 mm"):
        page_of(Chessboard(9, 6, 0.03), "a4")


def test_squares_in_millimetres_are_taken_for_a_slip(tmp_path, capsys):
    words = ["--size", "9x6", "--square", "0.00002", "-o", str(tmp_path / "board.pdf")]
    assert main(["calibrate", "board", *words]) == 2
    assert "--square: got 0.02 mm, expected 2 mm at least; it is in metres" in (
        capsys.readouterr().err
    )
    assert not list(tmp_path.iterdir())
