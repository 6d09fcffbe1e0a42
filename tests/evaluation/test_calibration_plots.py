"""Pictures of calibrations: the size that is expected, and what is on them."""

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from embodied_perception.camera import Camera, rectify_pair
from embodied_perception.camera.calibration import CalibratedView, Chessboard, Detection, View
from embodied_perception.camera.check import Deviation
from embodied_perception.evaluation.calibration_plots import (
    draw_coverage,
    draw_rectified_pair,
    draw_undistorted,
    plot_depth,
    plot_deviations,
    plot_residuals,
    plot_row_errors,
)
from embodied_perception.geometry import Transform

BOARD = Chessboard(9, 6, 0.05)
CAMERA = Camera(
    640,
    480,
    np.array([[430.0, 0, 320], [0, 431, 238], [0, 0, 1]]),
    D=np.array([-0.28, 0.08, 0, 0, 0]),
)
NOISE = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (480, 640), np.uint8), (0, 0), 3)
LINE_RGB = (90, 200, 90)
HERE = object()  # where a function wants the path of its picture


def view_of(name, pose, off_px):
    """A view whose corners are predicted ``off_px`` (2,) beside where they were seen."""
    pixels = CAMERA.project(pose.apply(BOARD.points))
    residuals = np.tile(np.asarray(off_px, float), (len(pixels), 1))
    detection = Detection(np.arange(len(pixels)), pixels)
    return CalibratedView(View(name, 0, BOARD, detection, (640, 480)), pose, residuals)


@pytest.fixture
def views():
    places = [(-0.3, -0.2, 0.9), (0.0, 0.0, 0.8), (-0.1, -0.15, 1.2)]
    poses = [Transform.from_rotation_vector((0.2, -0.3, 0.1), place) for place in places]
    return [view_of(f"view {n}", pose, (0.1 * n, -0.1)) for n, pose in enumerate(poses)]


@pytest.fixture
def figure_of(tmp_path, monkeypatch):
    """Call a function that writes a picture; returns the figure and the picture (H, W, 3)."""
    figures = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *args, **kw: (figures.append(self), save(self, *args, **kw))
    )

    def call(plot, *arguments):
        path = tmp_path / "plot.png"
        plot(*(path if each is HERE else each for each in arguments))
        return figures[-1], np.array(Image.open(path).convert("RGB"))

    return call


def is_colour(picture, rgb, tolerance=40):
    return (np.abs(picture.astype(int) - rgb) < tolerance).all(axis=2)


# Errors.


def test_errors_of_views_are_bars_of_their_length(figure_of, views):
    figure, picture = figure_of(plot_residuals, views, HERE, "left")
    assert picture.shape == (516, 1560, 3)
    bars = [bar.get_width() for bar in figure.axes[0].patches]
    assert bars == pytest.approx([np.hypot(0.1 * n, 0.1) for n in range(3)])
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["view 0", "view 1", "view 2"]
    rms_px = np.sqrt(np.mean(np.square(bars)))
    assert figure.get_suptitle() == f"left: {rms_px:.3f} px over 162 corners in 3 views"


def test_errors_of_corners_are_points_with_y_downwards(figure_of, views):
    figure, _ = figure_of(plot_residuals, views, HERE, "left")
    points = figure.axes[1].collections[0].get_offsets()
    np.testing.assert_allclose(np.unique(points, axis=0), [[0, -0.1], [0.1, -0.1], [0.2, -0.1]])
    bottom, top = figure.axes[1].get_ylim()
    assert bottom > 0.1 > -0.1 > top


def test_errors_over_the_image_are_where_the_corners_were(figure_of, views):
    (one,) = views[1:2]
    figure, _ = figure_of(plot_residuals, [one], HERE, "left")
    cells = np.ma.filled(figure.axes[2].images[0].get_array(), np.nan)
    assert cells.shape == (9, 12)
    seen = np.zeros((9, 12), bool)
    x, y = ((one.view.pixels + 0.5) / (640, 480) * (12, 9)).astype(int).T
    seen[y, x] = True
    np.testing.assert_array_equal(np.isfinite(cells), seen)
    assert cells[seen] == pytest.approx(np.hypot(0.1, 0.1))
    assert "means up to 0.14 px" in figure.axes[2].get_title()


def test_a_perfect_fit_can_be_drawn_too(figure_of, views):
    perfect = CalibratedView(views[0].view, views[0].camera_from_board, np.zeros((54, 2)))
    figure, picture = figure_of(plot_residuals, [perfect], HERE, "x")
    assert picture.std() > 10
    assert figure.get_suptitle() == "x: 0.000 px over 54 corners in 1 views"


def test_of_many_views_some_are_named(figure_of, views):
    many = [view_of(f"view {n}", views[0].camera_from_board, (0.1, 0)) for n in range(100)]
    figure, _ = figure_of(plot_residuals, many, HERE, "left")
    assert len(figure.axes[0].patches) == 100
    assert 10 < len(figure.axes[0].get_yticklabels()) <= 25


# Images.


def test_coverage_shows_every_corner_in_the_colour_of_its_view(views):
    gray = np.full((480, 640), 100, np.uint8)
    picture = draw_coverage(views, gray)
    assert (picture.shape, picture.dtype) == ((480, 640, 3), np.uint8)
    coloured = np.ptp(picture.astype(int), axis=2) > 30
    colours = []
    for each in views:
        x, y = np.rint(each.view.pixels).astype(int).T
        assert coloured[y, x].mean() > 0.95  # others may lie above
        colours.append(np.median(picture[y, x], axis=0))
    assert len(np.unique(colours, axis=0)) == 3
    # Elsewhere is the image, brighter.
    near = cv2.dilate(coloured.astype(np.uint8), np.ones((9, 9))) > 0
    assert (picture[~near] == 146).all()
    assert gray.min() == gray.max() == 100


def test_pictures_are_not_larger_than_a_screen(views):
    large = np.zeros((1500, 2000), np.uint8)
    assert draw_coverage(views, large).shape == (900, 1200, 3)
    assert draw_undistorted(NOISE, CAMERA).shape == (450, 1200, 3)


def small(camera):
    """The same view in half the size, so that nothing is shrunk to a screen."""
    K = camera.K * [[0.5], [0.5], [1]]
    return Camera(320, 240, K, D=camera.D)


def test_straight_lines_of_the_world_are_straight_in_the_rectified_half():
    camera = small(CAMERA)
    gray = np.zeros((240, 320), np.uint8)
    line = np.column_stack([np.linspace(-0.5, 0.5, 400), np.full(400, -0.35), np.ones(400)])
    for x, y in np.rint(camera.project(line)).astype(int):
        cv2.circle(gray, (int(x), int(y)), 2, 255, cv2.FILLED)
    picture = draw_undistorted(gray, camera)
    assert picture.shape == (240, 640, 3)

    def bend(half):
        lit = (half[..., 0] > 160) & (half[..., 1] > 160)
        rows = [np.flatnonzero(column).mean() for column in lit.T[60:260] if column.any()]
        assert len(rows) > 150
        return np.ptp(rows)

    assert bend(picture[:, :320]) > 4
    assert bend(picture[:, 320:]) < 2


def test_rulers_lie_every_40_pixels_across_both_halves():
    picture = draw_undistorted(np.zeros((240, 320), np.uint8), small(CAMERA))
    green = is_colour(picture, LINE_RGB, 1)
    assert np.flatnonzero(green.all(axis=1)).tolist() == [40, 80, 120, 160, 200]
    assert not green.any(axis=1)[[39, 41, 0, 239]].any()


def test_a_rectified_pair_shows_a_thing_in_one_row():
    camera = small(CAMERA)
    right_from_left = Transform.from_rotation_vector((0.06, 0.01, 0.05), (-0.12, 0.004, 0.0))
    left, right = rectify_pair(camera, camera, right_from_left)
    point = np.array([0.1, -0.12, 1.0])
    images = []
    for place in (point, right_from_left.apply(point)):
        image = np.zeros((240, 320), np.uint8)
        x, y = np.rint(camera.project(place)).astype(int)
        cv2.circle(image, (int(x), int(y)), 4, 255, cv2.FILLED)
        images.append(image)
    picture = draw_rectified_pair(*images, left, right)
    assert picture.shape == (240, 640, 3)
    bright = picture.min(axis=2) > 128
    rows = [np.nonzero(half)[0].mean() for half in (bright[:, :320], bright[:, 320:])]
    columns = [np.nonzero(half)[1].mean() for half in (bright[:, :320], bright[:, 320:])]
    assert rows[0] == pytest.approx(rows[1], abs=1)
    assert columns[0] - columns[1] > 10
    raw = [np.nonzero(image)[0].mean() for image in images]
    assert abs(raw[0] - raw[1]) > 5


# Checks.


def deviation(name, value, sigma):
    return Deviation(name, value, sigma, "deg", 0.5)


def test_deviations_stand_beside_what_is_tolerated(figure_of):
    known = [deviation("pitch", 0.05, 0.01), deviation("yaw", -1.5, 0.1)]
    figure, picture = figure_of(plot_deviations, [*known, deviation("roll", np.nan, np.inf)], HERE)
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["pitch: +0.05 ± 0.01 deg", "yaw: -1.50 ± 0.10 deg"]
    places = [bar.lines[0].get_xdata().item() for bar in axes.containers]
    assert places == pytest.approx([0.1, -3.0])
    low, high = axes.get_xlim()
    assert low < -3.4 < 3.4 < high
    assert axes.yaxis_inverted()
    assert is_colour(picture, (0xD0, 0x3A, 0x2E), 3).sum() > 30
    assert picture.shape[1] == 990


def test_row_errors_are_counted_whole(figure_of):
    rows = np.random.default_rng(0).normal(0.1, 0.2, 500)
    rows[0] = 90.0
    figure, picture = figure_of(plot_row_errors, rows, HERE)
    assert picture.shape == (330, 990, 3)
    bars = figure.axes[0].patches
    assert sum(bar.get_height() for bar in bars) == 500
    tallest = max(bars, key=lambda bar: bar.get_height())
    assert tallest.get_x() == pytest.approx(0.1, abs=0.15)
    assert figure.axes[0].get_title() == (
        f"500 features, median distance {np.median(np.abs(rows)):.3f} px"
    )


def test_depth_lies_beside_the_image(figure_of):
    depth = np.tile(np.geomspace(0.5, 5.0, 640), (480, 1))
    depth[:, :160] = np.nan
    figure, picture = figure_of(plot_depth, NOISE, depth, HERE)
    assert picture.shape == (473, 1430, 3)
    assert figure.axes[1].get_title() == "known in 75% of the image"
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), NOISE)
    low, high = figure.axes[1].images[0].get_clim()
    assert 0.5 < low < high < 5.0
    assert picture.std() > 40


@pytest.mark.parametrize("depth_m", [np.nan, 2.0])
def test_depth_that_is_nowhere_known_or_everywhere_the_same(figure_of, depth_m):
    figure, _ = figure_of(plot_depth, NOISE, np.full((480, 640), depth_m), HERE)
    share = "0" if np.isnan(depth_m) else "100"
    assert figure.axes[1].get_title() == f"known in {share}% of the image"
