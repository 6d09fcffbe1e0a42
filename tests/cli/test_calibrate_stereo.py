"""`perception calibrate stereo`: the recorded pair's truth, photos, videos, and bad input."""

import contextlib
import io
import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from embodied_perception.bags import BagReader
from embodied_perception.bags.images import calibration_of, frame_sets
from embodied_perception.camera import baseline_m, read_camera_info_yaml
from embodied_perception.camera.calibration import Chessboard
from embodied_perception.cli.main import main
from embodied_perception.geometry import Transform
from embodied_perception.stages.camera import CameraStageConfig
from embodied_perception.stages.messages import transform_from_message

BAG = Path(__file__).parents[2] / "src/embodied_perception_bringup/demo/calibration.mcap"
SIDES = ("left", "right")
TOPICS = [f"/{side}/image_raw/compressed" for side in SIDES]
BOARD = ("--size", "9x6", "--square", "0.05")


def angle_deg(transform):
    return np.degrees(np.linalg.norm(transform.rotation_vector))


@pytest.fixture(scope="module")
def truth():
    """left_from_right."""
    with BagReader(BAG) as bag:
        ((_, _, message),) = bag.messages(["/ground_truth/tf_static"])
    placed = {edge.child_frame_id: transform_from_message(edge) for edge in message.transforms}
    return placed["left_optical_frame"].inverse() @ placed["right_optical_frame"]


@pytest.fixture(scope="module")
def pairs():
    """What both cameras saw at each stop."""
    return [tuple(f.gray for f in pair) for pair in frame_sets(BAG, TOPICS, 0, pytest.fail)]


def write_photos(folder, grays):
    folder.mkdir()
    for place, gray in enumerate(grays):
        cv2.imwrite(str(folder / f"{place:02}.png"), gray)
    return folder


def write_video(path, grays):
    """Each image for as long as it takes to be steady."""
    height, width = grays[0].shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5, options={"crf": "8"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, gray in enumerate(gray for gray in grays for _ in range(2)):
            frame = av.VideoFrame.from_ndarray(gray, format="gray")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def calibrate(folder, *words):
    """Returns what was printed to both streams."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        status = main(["calibrate", "stereo", *map(str, words), "-o", str(folder)])
    assert status == 0, err.getvalue()
    return out.getvalue(), err.getvalue()


def place_in(folder):
    """The right camera's place as the camera node reads it, with the frames."""
    content = yaml.safe_load((folder / "extrinsics.yaml").read_text())
    assert list(content) == ["/**"]
    config = CameraStageConfig.from_mapping(content["/**"]["ros__parameters"])
    return config.parent_from_child, (config.parent_frame, config.child_frame)


# The recording, every second stop of it: the others are for tests of what was found.


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stereo") / "calibration"
    out, err = calibrate(folder, BAG, "--topics", *TOPICS, *BOARD, "--every", "2")
    return folder, out, err


@pytest.fixture(scope="module")
def content(recorded):
    return json.loads((recorded[0] / "calibration.json").read_text())


def test_the_right_camera_is_where_it_was(recorded, truth):
    place, frames = place_in(recorded[0])
    assert frames == ("left_optical_frame", "right_optical_frame")
    assert np.linalg.norm(place.translation - truth.translation) < 2e-3
    assert angle_deg(place.inverse() @ truth) < 0.1


def test_deviations_of_its_place_are_honest(content, truth):
    pair = content["pair"]
    place = Transform.from_quaternion(
        pair["left_from_right"]["rotation_quaternion_xyzw"],
        pair["left_from_right"]["translation_m"],
    )
    sigmas = np.array([pair["sigmas"][name] for name in ("x", "y", "z", "rx", "ry", "rz")])
    turned = place.rotation @ truth.rotation.T
    off = [*(place.translation - truth.translation), *cv2.Rodrigues(turned)[0].ravel()]
    assert (np.abs(off) < 4 * sigmas).all()
    assert (sigmas[:3] < 5e-4).all()
    assert (sigmas[3:] < np.radians(0.05)).all()


def test_both_cameras_are_what_they_were(recorded, content):
    for side in SIDES:
        camera, name = read_camera_info_yaml(recorded[0] / f"{side}.yaml")
        known = calibration_of(BAG, f"/ground_truth/{side}/image_raw")
        assert name == side
        np.testing.assert_allclose(camera.K, known.K, rtol=0.003)
        assert content[side]["values"]["fx"] == camera.fx
        assert content[side]["rms_px"] < 0.1
    assert content["pair"]["rms_px"] < 0.1
    assert content["pair"]["remarks"] == []


def test_p_holds_the_baseline(recorded, content, truth):
    left, right = (read_camera_info_yaml(recorded[0] / f"{side}.yaml")[0] for side in SIDES)
    assert baseline_m(left, right) == pytest.approx(content["pair"]["baseline_m"], rel=1e-9)
    assert baseline_m(left, right) == pytest.approx(np.linalg.norm(truth.translation), abs=5e-4)


def test_rectified_corners_are_in_one_row_and_as_far_away_as_they_were(recorded, pairs):
    """By stops that the calibration never saw; squares come out as large as they are."""
    left, right = (read_camera_info_yaml(recorded[0] / f"{side}.yaml")[0] for side in SIDES)
    board, rows, sides_m = Chessboard(9, 6, 0.05), [], []
    for pair in pairs[1::4]:
        found = [board.detect(gray) for gray in pair]
        if None in found:
            continue
        flat = []
        for camera, each in zip((left, right), found, strict=True):
            rays = camera.unproject(each.pixels) @ camera.R.T
            flat.append((rays[:, :2] / rays[:, 2:]) * camera.P[0, 0])
        rows.append(flat[0][:, 1] - flat[1][:, 1])
        disparity = flat[0][:, 0] - flat[1][:, 0] + left.P[0, 2] - right.P[0, 2]
        depth = left.P[0, 0] * baseline_m(left, right) / disparity
        points = np.column_stack([flat[0] / left.P[0, 0], np.ones(54)]) * depth[:, None]
        sides_m.append(np.linalg.norm(np.diff(points.reshape(6, 9, 3), axis=1), axis=2).ravel())
    assert len(rows) >= 6
    assert np.abs(np.median(np.concatenate(rows))) < 0.05
    assert np.median(np.abs(np.concatenate(rows))) < 0.15
    assert np.median(np.concatenate(sides_m)) == pytest.approx(0.05, rel=0.005)


def test_the_last_word(recorded, content):
    folder, out, err = recorded
    count = len(content["left"]["views"])
    assert out == (
        f"{folder}/left.yaml, right.yaml: {content['pair']['rms_px']:.3f} px over {count} pairs; "
        f"report: {folder}/index.html\n"
    )
    assert f"15 images, {count} views" in err
    assert f"│ baseline                 │ {content['pair']['baseline_m'] * 1e3:.2f} mm " in err


def test_the_report_has_pictures_of_both(recorded):
    folder = recorded[0]
    page = (folder / "index.html").read_text()
    pictures = ["rectified.jpg"]
    kinds = ("residuals.png", "flat.jpg", "coverage.jpg")
    pictures += [f"{side}_{kind}" for side in SIDES for kind in kinds]
    places = [page.index(f'<img src="{picture}"') for picture in pictures]
    assert places == sorted(places)
    files = {"left.yaml", "right.yaml", "extrinsics.yaml", "calibration.json", "index.html"}
    assert {path.name for path in folder.iterdir()} == {*files, *pictures}
    for picture in pictures:
        assert np.array(Image.open(folder / picture).convert("L")).std() > 20


# Photos and videos.


def test_two_folders_of_photos(pairs, truth, tmp_path):
    sides = zip(*pairs[:12], strict=True)
    folders = [write_photos(tmp_path / name, side) for name, side in zip("lr", sides, strict=True)]
    out, _ = calibrate(tmp_path / "out", *folders, *BOARD, "--names", "port", "starboard")
    assert out.startswith(f"{tmp_path}/out/port.yaml, starboard.yaml: 0.0")
    place, frames = place_in(tmp_path / "out")
    assert frames == ("port_optical_frame", "starboard_optical_frame")
    assert np.linalg.norm(place.translation - truth.translation) < 2e-3
    assert angle_deg(place.inverse() @ truth) < 0.2
    assert read_camera_info_yaml(tmp_path / "out/starboard.yaml")[1] == "starboard"


def test_two_videos(pairs, truth, tmp_path):
    board = Chessboard(9, 6)
    seen = [pair for pair in pairs[:14] if all(map(board.detect, pair))]
    sides = zip(*seen[:10], strict=True)
    files = [write_video(tmp_path / f"{n}.mp4", side) for n, side in zip("lr", sides, strict=True)]
    _, err = calibrate(tmp_path / "out", *files, *BOARD)
    assert "20 images, 11 views, 9 moving; " in err
    place, _ = place_in(tmp_path / "out")
    assert np.linalg.norm(place.translation - truth.translation) < 2e-3
    assert angle_deg(place.inverse() @ truth) < 0.2


# What makes no sense.


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Call with what is refused; returns the words. Nothing may be written or printed."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        before = sorted(tmp_path.rglob("*"))
        assert main(["calibrate", "stereo", *map(str, words), "-o", "out"]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert sorted(tmp_path.rglob("*")) == before
        start, _, error = said.err.splitlines()[-1].partition("perception: error: ")
        assert start == ""
        return error

    return call


@pytest.fixture
def photos(pairs, tmp_path):
    """Folders left and right with six photos each."""
    sides = zip(*pairs[:6], strict=True)
    return [write_photos(tmp_path / name, side) for name, side in zip(SIDES, sides, strict=True)]


def test_folders_of_unequal_number(refused, photos):
    (photos[1] / "05.png").unlink()
    assert refused(*photos, *BOARD) == (
        "photos of two cameras belong together in the order of names: left has 6, right has 5"
    )


def test_right_before_left(refused, photos):
    error = refused(*reversed(photos), *BOARD)
    assert error.startswith("stereo pair: the right camera is 0.1")
    assert error.endswith(" m to the left of the left one; swap them")


def test_photos_that_belong_to_other_moments(refused, photos):
    (photos[0] / "05.png").unlink()
    (photos[1] / "00.png").unlink()
    error = refused(*photos, *BOARD)
    assert "are both images taken at the same time" in error


def test_a_pair_that_both_cameras_reject_is_one(pairs, tmp_path):
    def squeezed(gray):
        picture = np.full_like(gray, 120)
        picture[:, 70:570] = cv2.resize(gray, (500, 480))
        return picture

    spoilt = [*pairs[:3], tuple(map(squeezed, pairs[3])), *pairs[4:12]]
    folders = [
        write_photos(tmp_path / name, side)
        for name, side in zip(SIDES, zip(*spoilt, strict=True), strict=True)
    ]
    out, err = calibrate(tmp_path / "out", *folders, *BOARD)
    assert "over 11 pairs" in out
    assert err.count("03.png") == 1
    assert "03.png (left) does not fit the others" in err
    assert "; (right) does not fit the others" in err


def test_one_camera_twice(refused, photos):
    assert refused(photos[0], photos[0], *BOARD) == (
        "stereo pair: the right camera is at [0.0, 0.0, 0.0] m from the left one, expected it "
        "beside (x)"
    )


def test_a_board_that_one_camera_never_sees(refused, photos):
    for path in photos[1].iterdir():
        cv2.imwrite(str(path), np.full((480, 640), 120, np.uint8))
    assert refused(*photos, *BOARD) == (
        "left right: the board was found in 6 images of one camera, never in both at a time: show "
        "it where both see it"
    )


def test_too_few_pairs(refused, photos):
    for path in sorted(photos[1].iterdir())[3:]:
        cv2.imwrite(str(path), np.full((480, 640), 120, np.uint8))
    assert refused(*photos, *BOARD) == (
        "stereo calibration: both cameras saw the board in 3 pairs, expected 4 at least, and "
        "better 15"
    )


def test_cameras_of_two_sizes(refused, photos):
    for path in photos[1].iterdir():
        cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path), 0), (1280, 960)))
    assert refused(*photos, *BOARD) == (
        "stereo pair: left is 640x480, right is 1280x960; expected one size"
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["left"], "sources: got 1, expected 2, one a camera, or a bag"),
        (["left", "nowhere"], "nowhere: no such file, folder or camera"),
        (["left", "right", "--topics", "/a", "/b"], "left is no bag, and has no topics"),
        (["left", "right", "--names", "l", "r/s"], "got the name 'r/s', expected letters, digits"),
        (["left", "right", "--names", "1", "2"], "got the name '1', expected letters, digits and"),
        (["left", "right", "--names", "a", "a"], "--names: got a a, expected two that differ, and"),
        (["left", "right", "--names", "left", "extrinsics"], "--names: got left extrinsics, expec"),
        (["left", "right", "--names", "left", "pair"], "--names: got left pair, expected two that"),
        (["left", "right", "--square", "0"], "board: got squares of 0.0 m, expected more than 0"),
        (["left", "right", "--every", "-1"], "--every: got -1, expected 1 or more"),
        ([], "give photos, a video or a bag, or two topics: --topics"),
        (
            [BAG, "--topics", TOPICS[0], "/b"],
            f"{BAG}: no topic /b with images; there are: {TOPICS[0]}, {TOPICS[1]}",
        ),
    ],
)
@pytest.mark.usefixtures("photos")
def test_what_cannot_be_a_pair(refused, words, error):
    assert refused(*BOARD, *words).startswith(error)
