"""`perception calibrate` on a live graph: cameras that send, are silent, or are not there."""

import json
import os
import re
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from embodied_perception.bags import BagReader
from embodied_perception.bags.images import calibration_of
from embodied_perception.camera import read_camera_info_yaml
from embodied_perception.camera.calibration import Chessboard
from embodied_perception.cli.main import main
from embodied_perception.errors import PerceptionError
from embodied_perception.geometry import Transform
from embodied_perception.ros import discovery, images
from embodied_perception.stages.image_messages import image_message

BAG = Path(__file__).parents[2] / "src/embodied_perception_bringup/demo/calibration.mcap"
BOARD = ("--size", "9x6", "--square", "0.05")
SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND
BLANK = np.full((48, 64), 120, np.uint8)


def gray_message(gray, stamp_ns, frame_id="optical"):
    return image_message(gray, "mono8", stamp_ns, frame_id)


@pytest.fixture
def repeat(graph):
    """Call a function again and again, with 0, 1, 2, ..."""
    timers = []

    def start(period_s, publish):
        numbers = iter(range(10**9))
        timers.append(graph.node.create_timer(period_s, lambda: publish(next(numbers))))

    yield start
    for timer in timers:
        graph.node.destroy_timer(timer)


# Calibrations.


def recorded(side, count):
    with BagReader(BAG) as bag:
        messages = bag.messages([f"/{side}/image_raw/compressed"])
        return [message for (_, _, message), _ in zip(messages, range(count), strict=False)]


def test_a_camera_is_calibrated_until_ctrl_c(graph, start, tmp_path):
    publisher = graph.publisher("/hand/left", CompressedImage)
    out = tmp_path / "out"
    words = ("--topic", "/hand/left", "--name", "hand_left", "-o", out)
    process = start("cli", "calibrate", "camera", *words, *BOARD)
    graph.until(publisher.get_subscription_count, lambda: process.output)
    for message in recorded("left", 15):
        publisher.publish(message)
        time.sleep(0.15)
    time.sleep(0.5)
    assert process.interrupt() == 0, process.output
    looked_at, found = map(int, re.search(r"(\d+) images, (\d+) views", process.output).groups())
    assert 8 <= found <= looked_at <= 15
    camera, name = read_camera_info_yaml(out / "hand_left.yaml")
    truth = calibration_of(BAG, "/ground_truth/left/image_raw")
    assert name == "hand_left"
    np.testing.assert_allclose(camera.K, truth.K, rtol=0.01)
    content = json.loads((out / "calibration.json").read_text())["hand_left"]
    assert process.output.splitlines()[-1] == (
        f"{out}/hand_left.yaml: {content['rms_px']:.3f} px over {found} views; "
        f"report: {out}/index.html"
    )


def photographs(board, focal_px=500.0, size_wh=(640, 480)):
    """What an ideal camera sees of a board: small and in all places, then large."""
    width, height = size_wh
    rng = np.random.default_rng(4)
    square_px, fine = 40, 2
    picture = board.picture(square_px)
    origin = board.origin_px(square_px)
    step = board.square_m / square_px
    board_from_picture = np.diag([step, step, 1.0])
    board_from_picture[:2, 2] = -step * origin
    centre = ((width - 1) / 2, (height - 1) / 2)
    K = np.array([[focal_px, 0, centre[0]], [0, focal_px, centre[1]], [0, 0, 1]])
    finer = np.array([[fine, 0, (fine - 1) / 2], [0, fine, (fine - 1) / 2], [0, 0, 1]])
    small = [(x, y, 24) for x in np.linspace(105, 535, 5) for y in np.linspace(85, 395, 5)]
    large = [(x, y, 55) for x in (260, 320, 380) for y in (200, 240, 280)]
    for x, y, shown_px in small + large:
        turn = np.radians(rng.uniform(-1, 1, 3) * (30, 30, 10))
        depth_m = focal_px * board.square_m / shown_px
        place = np.array([(x - centre[0]) / focal_px, (y - centre[1]) / focal_px, 1]) * depth_m
        pose = Transform.from_rotation_vector(turn, place)
        middle = pose.rotation @ board.points.mean(axis=0)
        columns = [pose.rotation[:, 0], pose.rotation[:, 1], pose.translation - middle]
        seen = finer @ K @ np.column_stack(columns) @ board_from_picture
        large_size = (width * fine, height * fine)
        image = cv2.warpPerspective(picture, seen, large_size, borderValue=110)
        image = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
        yield cv2.GaussianBlur(image, (0, 0), 0.7)


def test_it_ends_by_itself_when_there_are_enough_views(graph, start, repeat, tmp_path):
    publisher = graph.publisher("/front", Image)
    grays = list(photographs(Chessboard(7, 5, 0.03)))

    def publish(number):
        gray = grays[number % len(grays)]
        publisher.publish(gray_message(gray, START_NS + number * SECOND))

    out = tmp_path / "out"
    words = ("--topic", "/front", "--size", "7x5", "--square", "0.03", "-o", out)
    process = start("cli", "calibrate", "camera", *words)
    graph.until(publisher.get_subscription_count, lambda: process.output)
    repeat(0.1, publish)
    assert process.wait() == 0, process.output
    said = " ".join(process.output.split())
    found = re.search(r"(\d+)% of the image covered, board size (\d+)% to (\d+)%", said)
    share, low, high = map(int, found.groups())
    assert share >= 85
    assert high >= 2 * low
    content = json.loads((out / "calibration.json").read_text())["camera"]
    assert len(content["views"]) >= 25
    camera, _ = read_camera_info_yaml(out / "camera.yaml")
    assert camera.fx == pytest.approx(500, rel=0.005)
    assert (camera.cx, camera.cy) == pytest.approx((319.5, 239.5), abs=1.5)
    assert np.abs(camera.D[:2]).max() < 0.02


def test_a_pair_is_calibrated_until_ctrl_c(graph, start, tmp_path):
    topics = ("/rig/left", "/rig/right")
    publishers = [graph.publisher(topic, CompressedImage) for topic in topics]
    out = tmp_path / "out"
    process = start("cli", "calibrate", "stereo", "--topics", *topics, *BOARD, "-o", out)
    for publisher in publishers:
        graph.until(publisher.get_subscription_count, lambda: process.output)
    for pair in zip(recorded("left", 11), recorded("right", 11), strict=True):
        for publisher, message in zip(publishers, pair, strict=True):
            publisher.publish(message)
        time.sleep(0.15)
    time.sleep(0.5)
    assert process.interrupt() == 0, process.output
    content = json.loads((out / "calibration.json").read_text())["pair"]
    assert content["baseline_m"] == pytest.approx(0.1205, abs=2e-3)
    place = (out / "extrinsics.yaml").read_text()
    assert "parent_frame: left_optical_frame" in place
    assert "child_frame: right_optical_frame" in place


def test_ctrl_c_before_a_board_was_seen_says_so(graph, start, tmp_path):
    publisher = graph.publisher("/bare", Image)
    out = tmp_path / "out"
    process = start("cli", "calibrate", "camera", "--topic", "/bare", *BOARD, "-o", out)
    graph.until(publisher.get_subscription_count, lambda: process.output)
    for number in range(4):
        publisher.publish(gray_message(BLANK, START_NS + number * SECOND))
        time.sleep(0.1)
    time.sleep(0.3)
    assert process.interrupt() == 2
    assert re.fullmatch(
        r"perception: error: /bare: no chessboard of 9x6 inner corners in \d images; --size counts "
        r"inner corners, one less than squares; is it right\?\n",
        process.output,
    )
    assert not out.exists()


# Silence.


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(images, "_SILENCE_S", 2.0)


def refused(capsys, tmp_path, *words):
    out = tmp_path / "out"
    assert main(["calibrate", *words, "-o", str(out)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert not out.exists()
    return said.err.removeprefix("perception: error: ").rstrip("\n")


@pytest.mark.usefixtures("impatient")
def test_a_camera_that_is_silent(graph, capsys, tmp_path):
    graph.publisher("/silent", Image)
    words = ("camera", "--topic", "/silent", *BOARD)
    assert refused(capsys, tmp_path, *words) == (
        "no image on /silent for 2 s: does the camera run?"
    )


@pytest.mark.usefixtures("impatient")
def test_a_pair_whose_stamps_do_not_agree(graph, repeat, capsys, tmp_path):
    topics = ("/early", "/late")
    early, late = (graph.publisher(topic, Image) for topic in topics)

    def publish(number):
        stamp_ns = START_NS + number * SECOND // 2
        early.publish(gray_message(BLANK, stamp_ns))
        late.publish(gray_message(BLANK, stamp_ns + SECOND // 10))

    repeat(0.05, publish)
    words = ("stereo", "--topics", *topics, *BOARD)
    assert refused(capsys, tmp_path, *words) == (
        "no image on /early and /late for 2 s: does the camera run and do the stamps of both agree?"
    )


def test_a_topic_that_nobody_publishes(graph, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(discovery, "PATIENCE_S", 3.0)
    graph.publisher("/side/image_raw", Image)
    graph.publisher("/side/words", String)
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    words = ("camera", "--topic", "/nobody", *BOARD)
    assert refused(capsys, tmp_path, *words) == (
        "nobody publishes images on /nobody; with images there are: /side/image_raw "
        f"(ROS_DOMAIN_ID {domain})"
    )
    words = ("camera", "--topic", "/side/words", *BOARD)
    assert refused(capsys, tmp_path, *words).startswith(
        "nobody publishes images on /side/words; with images there are: /side/image_raw "
    )


@pytest.mark.usefixtures("impatient")
def test_broken_images_are_told_where_nothing_else_comes(graph, repeat):
    publisher = graph.publisher("/broken", Image)

    def publish(number):
        message = gray_message(BLANK, START_NS + number * SECOND)
        message.data = message.data[:-1]
        publisher.publish(message)

    repeat(0.05, publish)
    problems = []
    with pytest.raises(PerceptionError, match="no image on /broken for 2 s: does the camera run"):
        next(images.live_frame_sets(["/broken"], 0, problems.append))
    assert problems
    assert all(re.match(r"/broken: .*3072", problem) for problem in problems)


# What is given out.


def test_who_is_slow_gets_the_newest(graph, repeat):
    publisher = graph.publisher("/fast", Image)
    sent = []

    def publish(number):
        sent.append(START_NS + number * SECOND)
        publisher.publish(gray_message(BLANK, sent[-1]))

    frames = images.live_frame_sets(["/fast"], 0, pytest.fail)
    repeat(0.02, publish)
    stamps = []
    for _ in range(4):
        (frame,) = next(frames)
        # Those that came since the last one was asked for, less what is on its way.
        stamps.append(frame.stamp_ns)
        behind = len(sent) - 1 - sent.index(frame.stamp_ns)
        assert behind <= 10
        time.sleep(0.5)
    frames.close()
    assert (np.diff(stamps) >= 10 * SECOND).all()


def test_sets_are_in_the_order_of_the_topics_and_of_one_time(graph, repeat):
    left, right = (graph.publisher(topic, Image) for topic in ("/one", "/two"))

    def publish(number):
        stamp_ns = START_NS + number * SECOND
        right.publish(gray_message(BLANK, stamp_ns + 3_000_000, "right"))
        left.publish(gray_message(BLANK, stamp_ns, "left"))

    repeat(0.05, publish)
    frames = images.live_frame_sets(["/two", "/one"], 10_000_000, pytest.fail)
    for _ in range(3):
        first, second = next(frames)
        assert (first.frame_id, second.frame_id) == ("right", "left")
        assert first.stamp_ns - second.stamp_ns == 3_000_000
    frames.close()
