"""Boards found where they truly are; which way round they are; boards that nobody can print."""

from functools import cache

import cv2
import numpy as np
import pytest

from embodied_perception.camera import Camera
from embodied_perception.camera.calibration import CharucoBoard, Chessboard, CircleGrid
from embodied_perception.errors import CameraError
from embodied_perception.geometry import Transform

CHESSBOARD = Chessboard(9, 6, 0.03)
CIRCLES = CircleGrid(7, 5, 0.03)
ASYMMETRIC = CircleGrid(4, 11, 0.02, asymmetric=True)
CHARUCO = CharucoBoard(8, 6, 0.04, 0.03)
KINDS = {"chessboard": CHESSBOARD, "circles": CIRCLES, "asymmetric": ASYMMETRIC, "charuco": CHARUCO}
every_kind = pytest.mark.parametrize("board", KINDS.values(), ids=KINDS.keys())
#: Mean error, pixels. The centre of a tilted dot's image is not the image of its centre.
MEAN_PX = {"chessboard": 0.06, "circles": 0.15, "asymmetric": 0.15, "charuco": 0.08}
LOOKS = [[0.0, 0, 0], [0.4, 0.1, 0.2], [-0.3, 0.5, -0.2], [0.1, -0.6, 0.3]]


def in_front(board, turn, width_px, camera):
    """camera_from_board with the board's middle on the axis, and about so wide."""
    rotation = Transform.from_rotation_vector(turn, np.zeros(3)).rotation
    middle = board.points.mean(axis=0)
    depth = camera.fx * np.ptp(board.points[:, 0]) / width_px
    return Transform(rotation, np.array([0, 0, depth]) - rotation @ middle)


@pytest.fixture(scope="module")
def pictures(studio):
    """The camera, and (camera_from_board, image) of four looks at a board."""
    camera = studio("plumb_bob").camera

    @cache
    def take(board):
        taken = type(studio("plumb_bob"))(camera, board)
        wide = 150 if board is ASYMMETRIC else 220
        poses = [in_front(board, turn, wide, camera) for turn in LOOKS]
        return camera, [(pose, taken.take(pose, seed=n)) for n, pose in enumerate(poses)]

    return take


@pytest.mark.parametrize("kind", KINDS)
def test_points_are_found_where_they_truly_are(pictures, kind):
    board = KINDS[kind]
    camera, looks = pictures(board)
    for pose, image in looks:
        seen = board.detect(image, thorough=True)
        assert len(seen.ids) == len(board.points)
        truth = camera.project(pose.apply(board.points))
        errors = [
            np.linalg.norm(truth[order][seen.ids] - seen.pixels, axis=1).mean()
            for order in board.symmetries
        ]
        assert min(errors) < MEAN_PX[kind]


def test_chessboard_corners_are_better_than_the_detectors_own(pictures):
    camera, looks = pictures(CHESSBOARD)
    ours, opencvs = [], []
    for pose, image in looks:
        truth = camera.project(pose.apply(CHESSBOARD.points))
        _, corners = cv2.findChessboardCornersSB(image, (9, 6))
        corners = corners[::-1]  # it begins at the other end
        ours.append(np.linalg.norm(CHESSBOARD.detect(image).pixels - truth, axis=1).mean())
        opencvs.append(np.linalg.norm(corners[:, 0] - truth, axis=1).mean())
    assert np.mean(ours) < 0.5 * np.mean(opencvs)


def test_of_a_half_hidden_charuco_board_the_other_half_is_found(pictures):
    camera, looks = pictures(CHARUCO)
    for pose, image in looks:
        image = image.copy()
        image[:, :230] = 110
        seen = CHARUCO.detect(image)
        assert 10 <= len(seen.ids) <= 25
        truth = camera.project(pose.apply(CHARUCO.points))[seen.ids]
        assert np.linalg.norm(seen.pixels - truth, axis=1).mean() < 0.1
        assert truth[:, 0].min() > 228


@every_kind
def test_too_little_of_a_board_is_no_board(pictures, board):
    _, looks = pictures(board)
    image = looks[0][1].copy()
    image[:, :330] = 110
    assert board.detect(image, thorough=True) is None


def test_one_column_of_a_charuco_board_does_not_say_how_it_lies():
    tall = CharucoBoard(4, 12, 0.04, 0.03)
    image = tall.picture(40)
    image[:, : 40 + 30] = 255
    assert set(tall.detect(image).ids % 3) == {1, 2}
    image[:, : 40 + 60] = 255
    assert tall.detect(image) is None


@every_kind
@pytest.mark.parametrize("thorough", [False, True])
def test_blank_and_noisy_images_show_no_board(board, thorough):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320), np.uint8)
    for image in (noise, np.full_like(noise, 200), np.zeros((1, 1), np.uint8)):
        assert board.detect(image, thorough) is None


def test_another_board_is_not_taken_for_this_one():
    assert Chessboard(8, 5).detect(CHESSBOARD.picture(40)) is None
    assert CIRCLES.detect(CHESSBOARD.picture(40)) is None
    assert CHARUCO.detect(CHESSBOARD.picture(40)) is None


@every_kind
def test_a_board_is_found_in_its_own_picture(board):
    seen = board.detect(board.picture(40))
    expected = board.points[:, :2] / board.square_m * 40 + board.origin_px(40)
    np.testing.assert_array_equal(seen.ids, np.arange(len(board.points)))
    np.testing.assert_allclose(seen.pixels, expected, rtol=0, atol=0.02)


@pytest.mark.parametrize("board", [CHESSBOARD, ASYMMETRIC, CHARUCO, Chessboard(6, 9)])
def test_a_board_with_one_way_up_is_known_when_it_is_turned(board):
    picture = board.picture(40)
    upright = board.points[:, :2] / board.square_m * 40 + board.origin_px(40)
    assert len(board.symmetries) == 1
    half, quarter = np.rot90(picture, 2), np.rot90(picture)
    last = np.array(picture.shape[::-1]) - 1
    seen = board.detect(np.ascontiguousarray(half)).pixels
    np.testing.assert_allclose(seen, last - upright, rtol=0, atol=0.02)
    seen = board.detect(np.ascontiguousarray(quarter)).pixels
    turned = np.column_stack([upright[:, 1], last[0] - upright[:, 0]])
    np.testing.assert_allclose(seen, turned, rtol=0, atol=0.02)


@pytest.mark.parametrize(
    "board",
    [
        *[Chessboard(*size) for size in [(9, 6), (7, 5), (8, 6), (6, 6), (7, 7), (3, 3)]],
        *[CircleGrid(*size) for size in [(7, 5), (6, 6), (5, 5)]],
        ASYMMETRIC,
        CHARUCO,
    ],
    ids=lambda board: board.what,
)
def test_symmetries_are_the_turns_that_leave_the_picture_as_it_is(board):
    picture = board.picture(24)
    turned = [np.rot90(picture, turn) for turn in range(4)]
    turns = [
        n
        for n, other in enumerate(turned)
        if other.shape == picture.shape and cv2.absdiff(other, picture).mean() < 5
    ]
    assert len(board.symmetries) == len(turns)
    points = board.points - (board.points.min(axis=0) + board.points.max(axis=0)) / 2
    for order, turn in zip(board.symmetries, turns, strict=True):
        rotation = Transform.from_rotation_vector([0, 0, turn * np.pi / 2], np.zeros(3)).rotation
        np.testing.assert_allclose(points[order], points @ rotation.T, atol=1e-9)


@pytest.mark.parametrize("size", [(7, 5), (6, 6), (7, 7)])
def test_a_symmetric_chessboard_is_found_in_one_of_its_orders(size):
    board = Chessboard(*size)
    upright = board.points[:, :2] * 40 + board.origin_px(40)
    last = np.array(board.picture(40).shape[::-1]) - 1
    for turn, places in [
        (0, upright),
        (1, np.column_stack([upright[:, 1], last[0] - upright[:, 0]])),
        (2, last - upright),
    ]:
        seen = board.detect(np.ascontiguousarray(np.rot90(board.picture(40), turn)))
        errors = [np.abs(places[order] - seen.pixels).max() for order in board.symmetries]
        assert min(errors) < 0.02


def test_points_lie_as_opencv_counts_them():
    assert CHESSBOARD.points[10].tolist() == [0.03, 0.03, 0]
    assert CHESSBOARD.outline().tolist() == [[0, 0, 0], [0.24, 0, 0], [0.24, 0.15, 0], [0, 0.15, 0]]
    by_rows = ASYMMETRIC.points.reshape(11, 4, 3) / 0.02
    np.testing.assert_allclose(by_rows[0, :, 0], [0, 2, 4, 6])
    np.testing.assert_allclose(by_rows[1, :, :2], [[1, 1], [3, 1], [5, 1], [7, 1]])
    assert CHARUCO.points.shape == (35, 3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Chessboard(2, 6), "got 2x6, expected 3 to 100 columns and rows"),
        (lambda: Chessboard(9, 101), "got 9x101, expected 3 to 100"),
        (lambda: CircleGrid(4, 0), "got 4x0"),
        (lambda: CircleGrid(-4, 11, asymmetric=True), "got -4x11"),
        (lambda: Chessboard(9, 6, 0), "got squares of 0 m, expected more than 0"),
        (lambda: Chessboard(9, 6, -0.03), "got squares of -0.03 m"),
        (lambda: CircleGrid(9, 6, np.inf), "got squares of inf m"),
        (lambda: CharucoBoard(9, 6, np.nan), "got squares of nan m"),
        (
            lambda: CharucoBoard(8, 6, 0.03, 0.03),
            "got markers of 0.03 m in squares of 0.03 m, expected smaller ones",
        ),
        (lambda: CharucoBoard(8, 6, 0.03, 0), "got markers of 0 m"),
        (lambda: CharucoBoard(3, 3), "3x3 squares have 4 inner corners, expected 6 at least"),
        (
            lambda: CharucoBoard(20, 20, 0.03, 0.02, "5X5_100"),
            "5X5_100 has 100 markers, 20x20 squares need 200: take a larger dictionary",
        ),
        (
            lambda: CircleGrid(4, 10, asymmetric=True),
            "got an asymmetric grid of 10 rows, expected an odd number, as in 4x11",
        ),
    ],
)
def test_boards_that_nobody_can_print_are_refused(make, words):
    with pytest.raises(CameraError, match=f"^board: {words}"):
        make()


def test_unknown_markers_are_refused_with_those_that_are_known():
    with pytest.raises(CameraError, match=r"'9X9_10', expected one of .*4X4_50.*APRILTAG_36H11"):
        CharucoBoard(8, 6, dictionary="9X9_10")


@pytest.mark.parametrize(
    ("board", "words"),
    [
        (CHESSBOARD, "chessboard of 9x6 inner corners"),
        (CIRCLES, "symmetric grid of 7x5 circles"),
        (ASYMMETRIC, "asymmetric grid of 4x11 circles"),
        (CHARUCO, "ChArUco board of 8x6 squares (5X5_100)"),
    ],
)
def test_a_board_says_in_words_what_is_counted(board, words):
    assert board.what == words


def test_a_board_too_small_in_the_image_is_not_made_up():
    camera = Camera.pinhole(320, 240, 300, 300, 159.5, 119.5)
    far = in_front(CHESSBOARD, [0.0, 0, 0], 12, camera)
    pixels = camera.project(far.apply(CHESSBOARD.outline())).astype(int)
    image = np.full((240, 320), 200, np.uint8)
    cv2.fillConvexPoly(image, pixels, 100)
    assert CHESSBOARD.detect(image, thorough=True) is None


@pytest.mark.parametrize("quarters", range(4))
def test_turned_circles_are_never_seen_from_behind(quarters):
    board = CircleGrid(7, 5)
    picture = np.ascontiguousarray(np.rot90(board.picture(40), quarters))
    pixels = board.detect(picture).pixels
    right, down = pixels[1] - pixels[0], pixels[7] - pixels[0]
    assert right[0] * down[1] - right[1] * down[0] == pytest.approx(40 * 40, rel=0.05)


def test_large_dots_are_dots_too():
    found = ASYMMETRIC.detect(ASYMMETRIC.picture(110), thorough=True)
    assert len(found.ids) == 44
