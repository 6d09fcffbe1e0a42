"""`perception calibrate camera`: the recorded camera's truth, photos, videos, and bad input."""

import contextlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from embodied_perception.bags.images import calibration_of, frame_sets
from embodied_perception.camera import read_camera_info_yaml
from embodied_perception.camera.calibration import Chessboard
from embodied_perception.cli.main import main

BAG = Path(__file__).parents[2] / "src/embodied_perception_bringup/demo/calibration.mcap"
LEFT = "/left/image_raw/compressed"
BOARD = ("--size", "9x6", "--square", "0.05")
NAMES = ["fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3"]


def numbers_of(camera):
    return np.array([camera.fx, camera.fy, camera.cx, camera.cy, *camera.D])


def apart_px(camera, truth, reach=0.8):
    """Where the camera sees the truth's rays, less where the truth does, inside of the edges."""
    edge = (1 - reach) / 2 * np.array(truth.resolution_wh)
    x, y = (np.linspace(e, n - e, 25) for e, n in zip(edge, truth.resolution_wh, strict=True))
    pixels = np.stack(np.meshgrid(x, y), axis=-1)
    return np.linalg.norm(camera.project(truth.unproject(pixels)) - pixels, axis=-1)


def write_photos(folder, grays, suffix=".png"):
    folder.mkdir()
    for place, gray in enumerate(grays):
        cv2.imwrite(str(folder / f"{place:02}{suffix}"), gray)
    return folder


def write_video(path, grays, rate=5):
    height, width = grays[0].shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "8"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, gray in enumerate(grays):
            frame = av.VideoFrame.from_ndarray(gray, format="gray")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def grays():
    """What the left camera saw at its first 12 stops."""
    sets = frame_sets(BAG, [LEFT], 0, pytest.fail)
    return [frame.gray for (frame,), _ in zip(sets, range(12), strict=False)]


@pytest.fixture(scope="module")
def truth():
    return calibration_of(BAG, "/ground_truth/left/image_raw")


@dataclass
class Done:
    """What a run wrote and said."""

    folder: Path
    out: str
    err: str

    @property
    def json(self):
        return json.loads((self.folder / "calibration.json").read_text())

    def camera(self, name="camera"):
        return read_camera_info_yaml(self.folder / f"{name}.yaml")[0]


def calibrate(folder, *words):
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        status = main(["calibrate", "camera", *map(str, words), "-o", str(folder)])
    assert status == 0, err.getvalue()
    return Done(folder, out.getvalue(), err.getvalue())


# The recording.


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("camera") / "deep" / "calibration"
    return calibrate(folder, BAG, "--topic", LEFT, *BOARD, "--name", "front_left")


def test_the_file_is_the_camera_that_recorded(recorded, truth):
    camera, name = read_camera_info_yaml(recorded.folder / "front_left.yaml")
    assert (name, camera.distortion_model) == ("front_left", "plumb_bob")
    assert camera.resolution_wh == (640, 480)
    np.testing.assert_allclose(camera.K, truth.K, rtol=0.003, atol=0)
    np.testing.assert_array_equal(camera.R, np.eye(3))
    assert apart_px(camera, truth).max() < 0.6


def test_the_json_tells_values_and_honest_deviations(recorded, truth):
    content = recorded.json["front_left"]
    assert list(content["values"]) == list(content["sigmas"]) == NAMES
    values, sigmas = (np.array(list(content[key].values())) for key in ("values", "sigmas"))
    np.testing.assert_array_equal(values, numbers_of(recorded.camera("front_left")))
    assert (sigmas[:4] < 0.5).all()
    assert (np.abs(values - numbers_of(truth)) < 4 * sigmas).all()


def test_the_json_tells_errors_by_view(recorded):
    content = recorded.json["front_left"]
    by_view = np.array(list(content["views"].values()))
    assert len(by_view) >= 28  # of 30 stops
    assert all(re.fullmatch(r"17000000\d\d\.000 s", name) for name in content["views"])
    assert content["rms_px"] < 0.1
    assert content["rms_px"] == pytest.approx(np.sqrt((by_view**2).mean()))
    assert (content["resolution_wh"], content["rejected"]) == ([640, 480], {})
    assert 0.6 < content["coverage"] < 0.9
    assert 60 < content["tilt_deg"] < 110


def test_the_last_word_is_where_it_lies_and_how_well_it_fits(recorded):
    content = recorded.json["front_left"]
    assert recorded.out == (
        f"{recorded.folder}/front_left.yaml: {content['rms_px']:.3f} px over "
        f"{len(content['views'])} views; report: {recorded.folder}/index.html\n"
    )
    assert f"30 images, {len(content['views'])} views; " in recorded.err


def test_the_report_has_figures_and_pictures(recorded):
    page = (recorded.folder / "index.html").read_text()
    sources = re.findall(r'<img src="([^"]*)"', page)
    assert sources == [
        f"front_left_{kind}" for kind in ("residuals.png", "flat.jpg", "coverage.jpg")
    ]
    written = {"index.html", "calibration.json", "front_left.yaml", *sources}
    assert {path.name for path in recorded.folder.iterdir()} == written
    for source in sources:
        picture = np.array(Image.open(recorded.folder / source).convert("RGB"))
        assert picture.shape[1] >= 640
        assert picture.std() > 20
    content = recorded.json["front_left"]
    fx, sigma = content["values"]["fx"], content["sigmas"]["fx"]
    assert f"<td>fx</td><td>{fx:.2f} ± {sigma:.2f} px</td>" in page
    assert f"<td>{content['rms_px']:.3f} px</td>" in page
    assert "views of a chessboard of 9x6 inner corners" in page


def test_a_size_the_other_way_round_is_the_same_board(recorded, tmp_path):
    words = (BAG, "--topic", LEFT, "--size", "6x9", "--square", "0.05", "--every", "2")
    turned = calibrate(tmp_path / "out", *words).camera()
    assert apart_px(turned, recorded.camera("front_left")).max() < 0.5


def test_lengths_do_not_change_the_camera(tmp_path):
    words = (BAG, "--topic", LEFT, "--size", "9x6", "--every", "4")
    squares = calibrate(tmp_path / "squares", *words).camera()
    metres = calibrate(tmp_path / "metres", *words, "--square", "0.05").camera()
    np.testing.assert_allclose(numbers_of(squares), numbers_of(metres), atol=1e-4)


# Photos and videos.


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_photos(grays, truth, tmp_path, suffix):
    photos = write_photos(tmp_path / "photos", grays, suffix)
    done = calibrate(tmp_path / "out", photos, *BOARD)
    np.testing.assert_allclose(done.camera().K, truth.K, rtol=0.005)
    assert list(done.json["camera"]["views"]) == [f"{place:02}{suffix}" for place in range(12)]


def test_names_are_no_formulas_and_no_markup(grays, tmp_path):
    (tmp_path / "a[").mkdir()
    photos = write_photos(tmp_path / "a[" / "b] $x_0_1$", grays)
    (photos / "00.png").rename(photos / "a$x_0_1$.png")
    (photos / "01.png").rename(photos / "[red]b.png")
    (photos / "[bold]c.png").write_text("no photo")
    done = calibrate(tmp_path / "out", photos, *BOARD)
    assert "[bold]c.png: cannot be read as a photo" in done.err
    assert {"a$x_0_1$.png", "[red]b.png"} <= set(done.json["camera"]["views"])


def test_what_is_no_photo_is_left_out_and_named(grays, tmp_path):
    photos = write_photos(tmp_path / "photos", grays[:8])
    (photos / "02.png").write_text("no photo")
    (photos / "notes.txt").write_text("no photo either")
    done = calibrate(tmp_path / "out", photos, *BOARD)
    assert f"left out: {photos / '02.png'}: cannot be read as a photo" in done.err
    assert "notes.txt" not in done.err
    assert len(done.json["camera"]["views"]) == 7


def test_a_photo_that_does_not_fit_is_left_out_and_told_everywhere(grays, truth, tmp_path):
    squeezed = np.full_like(grays[3], 120)
    squeezed[:, 70:570] = cv2.resize(grays[3], (500, 480))
    photos = write_photos(tmp_path / "photos", [*grays[:3], squeezed, *grays[4:]])
    done = calibrate(tmp_path / "out", photos, *BOARD)
    assert "left out: 03.png does not fit the others: " in done.err
    assert list(done.json["camera"]["rejected"]) == ["03.png"]
    assert "<li>03.png: does not fit the others: " in (done.folder / "index.html").read_text()
    assert " px over 11 views; " in done.out
    np.testing.assert_allclose(done.camera().K, truth.K, rtol=0.005)


def test_only_so_many_views_as_asked_for(grays, tmp_path):
    photos = write_photos(tmp_path / "photos", grays)
    done = calibrate(tmp_path / "out", photos, *BOARD, "--views", 8, "--every", 1)
    assert len(done.json["camera"]["views"]) == 8
    assert "12 images, 8 views; " in done.err
    assert "remark: only " in done.err
    assert "of the image was covered: where no corner was, distortion is a guess" in done.err


def test_of_a_video_the_moments_count_in_which_the_board_stands_still(grays, truth, tmp_path):
    video = write_video(tmp_path / "a.mp4", [gray for gray in grays for _ in range(3)])
    done = calibrate(tmp_path / "out", video, *BOARD)
    assert "36 images, 25 views, 11 moving; " in done.err
    np.testing.assert_allclose(done.camera().K, truth.K, rtol=0.005)
    assert "picture 0" in done.json["camera"]["views"]


# What makes no sense.


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Call with what is refused; returns the words. Nothing may be written or printed."""
    monkeypatch.chdir(tmp_path)

    def call(*words, output="out"):
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        assert main(["calibrate", "camera", *map(str, words), "-o", str(output)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
        start, _, error = said.err.splitlines()[-1].partition("perception: error: ")
        assert start == ""
        return error

    return call


def test_a_board_that_is_not_there(refused, tmp_path):
    blank = np.full((480, 640), 120, np.uint8)
    assert refused(write_photos(tmp_path / "photos", [blank] * 2), *BOARD) == (
        "photos: no chessboard of 9x6 inner corners in 2 images; --size counts inner corners, one "
        "less than squares; is it right?"
    )


@pytest.mark.parametrize("size", ["10x7", "7x10"])
def test_squares_in_place_of_corners(refused, grays, tmp_path, size):
    photos = write_photos(tmp_path / "photos", grays[:2])
    there = {"10x7": "9x6", "7x10": "6x9"}[size]
    assert refused(photos, "--size", size) == (
        f"photos: no chessboard of {size} inner corners in 2 images; but there is one of {there}: "
        "--size counts inner corners, not squares"
    )


def test_squares_of_which_one_image_shows_as_many(refused, grays, tmp_path):
    board = Chessboard(8, 5, 1.0).picture(40)
    photos = write_photos(tmp_path / "photos", [*grays[:4], board])
    assert refused(photos, "--size", "8x5") == (
        "photos: no chessboard of 8x5 inner corners in most of 5 images; but there is one of 9x6: "
        "--size counts inner corners, not squares"
    )


def test_another_kind_of_board(refused, grays, tmp_path):
    photos = write_photos(tmp_path / "photos", grays[:2])
    assert refused(photos, "--size", "9x6", "--board", "circles") == (
        "photos: no symmetric grid of 9x6 circles in 2 images; is --size right, and the whole "
        "board in the image, with white around it?"
    )


def test_views_that_are_all_alike(refused, grays, tmp_path):
    rng = np.random.default_rng(2)
    shifts = [np.roll(grays[0], place, axis=1) for place in range(10)]
    noisy = [np.clip(g + rng.normal(0, 2, g.shape), 0, 255).astype(np.uint8) for g in shifts]
    error = refused(write_photos(tmp_path / "photos", noisy), *BOARD)
    assert error.startswith(
        "calibration: the views are too much alike: the board's tilt differs by"
    )
    assert error.endswith(
        "; tilt the board by 20 to 40 degrees to all sides, and show it near and far"
    )


def test_one_photo_again_and_again(refused, grays, tmp_path):
    photos = write_photos(tmp_path / "photos", [grays[0]] * 6)
    assert "the views are too much alike: the board's tilt differs by 0 deg" in refused(
        photos, *BOARD
    )


def test_too_few_views(refused, grays, tmp_path):
    assert refused(write_photos(tmp_path / "photos", grays[:3]), *BOARD) == (
        "calibration: 3 of 3 views can be used, expected 4 at least, and better 15: show the board "
        "in all parts of the image, near and far, and tilted"
    )


def test_images_of_several_sizes(refused, grays, tmp_path):
    photos = write_photos(tmp_path / "photos", [*grays[:4], cv2.resize(grays[4], (1280, 960))])
    assert refused(photos, *BOARD) == (
        "calibration: images of several sizes: 03.png is 640x480, 04.png is 1280x960; take those "
        "of one size"
    )


def test_a_folder_with_nothing_to_see(refused, tmp_path):
    folder = tmp_path / "photos"
    assert refused(folder, *BOARD) == f"{folder}: no such file, folder or camera"
    folder.mkdir()
    (folder / "a.txt").write_text("no photo")
    assert refused(folder, *BOARD).startswith(f"{folder}: no photos in it (.jpg, ")
    (folder / "a.png").write_text("no photo")
    assert refused(folder, *BOARD).startswith(
        f"photos: no image could be read: {folder / 'a.png'}: cannot be read as a photo"
    )
    assert refused(folder / "a.txt", *BOARD).startswith(
        f"{folder / 'a.txt'}: no video that FFmpeg can read"
    )


def test_a_video_in_which_the_board_never_stands_still(refused, grays, tmp_path):
    video = write_video(tmp_path / "a.mp4", [np.full_like(grays[0], 120), *grays[:6]])
    assert refused(video, *BOARD) == (
        "a.mp4: the board was found in 6 images, but never stood still: hold it for half a second "
        "in each place"
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--topic", "/a"], f"no topic /a with images; there are: {LEFT}, /right/image_raw/compre"),
        (
            ["--topic", "/tf"],
            f"no topic /tf with images; there are: {LEFT}, /right/image_raw/compr",
        ),
        ([], f"with images there are: {LEFT}, /right/image_raw/compressed; choose by --topic"),
    ],
)
def test_topics_of_a_bag(refused, words, error):
    assert refused(BAG, *words, *BOARD).startswith(f"{BAG}: {error}")


def test_no_bag_where_one_is_named(refused, tmp_path):
    assert refused(tmp_path / "a.mcap", *BOARD) == f"{tmp_path / 'a.mcap'}: no such file or folder"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--size=9by6"], "--size: got '9by6', expected COLUMNSxROWS, as in 9x6"),
        (["--size=-9x6"], "--size: got '-9x6', expected COLUMNSxROWS, as in 9x6"),
        (["--size=2x6"], "board: got 2x6, expected 3 to 100 columns and rows"),
        (["--size=9x101"], "board: got 9x101, expected 3 to 100 columns and rows"),
        ([*BOARD, "--square", "0"], "board: got squares of 0.0 m, expected more than 0"),
        ([*BOARD, "--square", "-0.1"], "board: got squares of -0.1 m, expected more than 0"),
        ([*BOARD, "--square", "nan"], "board: got squares of nan m, expected more than 0"),
        (
            [*BOARD, "--board", "charuco", "--marker", "0.05"],
            "board: got markers of 0.05 m in squares of 0.05 m, expected smaller ones",
        ),
        (
            [*BOARD, "--name", "front/left"],
            "got the name 'front/left', expected letters, digits and _, as front_left",
        ),
        (
            [*BOARD, "--name", "../a"],
            "got the name '../a', expected letters, digits and _, as front_left",
        ),
        ([*BOARD, "--every", "0"], "--every: got 0, expected 1 or more"),
        ([*BOARD, "--topic", "/a"], "photos is no bag, and has no topics"),
    ],
)
def test_options_are_checked_before_anything_is_looked_at(refused, tmp_path, words, error):
    (tmp_path / "photos").mkdir()
    assert refused("photos", *words) == error


def test_nothing_to_look_at(refused):
    assert refused(*BOARD) == "give photos, a video or a bag, or a topic of the graph: --topic"


def test_an_output_that_is_a_file(refused, grays, tmp_path):
    photos = write_photos(tmp_path / "photos", grays[:6])
    (tmp_path / "taken").write_text("mine")
    assert refused(photos, *BOARD, output="taken") == "taken: cannot be written to: File exists"
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--square", "0.05"], "the following arguments are required: --size"),
        ([*BOARD, "--square", "big"], "argument --square: invalid float value: 'big'"),
        ([*BOARD, "--model", "pinhole"], "argument --model: invalid choice: 'pinhole'"),
        ([*BOARD, "--views", "3"], "argument --views: got 3, expected 4 or more"),
        ([*BOARD, "--board", "carpet"], "argument --board: invalid choice: 'carpet'"),
    ],
)
def test_words_that_are_no_options_are_told_with_the_usage(tmp_path, capsys, words, error):
    with pytest.raises(SystemExit) as caught:
        main(["calibrate", "camera", str(tmp_path), *words, "-o", str(tmp_path / "out")])
    assert caught.value.code == 2
    assert error in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
