"""The images of a recording: which topics carry them, in sets of one time, with what camera."""

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from embodied_perception.bags import BagReader
from embodied_perception.bags.images import (
    calibration_of,
    calibration_topic,
    frame_sets,
    image_topics,
    is_bag,
)
from embodied_perception.camera import Camera
from embodied_perception.errors import BagError, CameraError
from embodied_perception.stages.image_messages import (
    compressed_depth_message,
    compressed_image_message,
    image_message,
)
from embodied_perception.stages.messages import camera_info_message, header

MS = 1_000_000
SECOND = 1000 * MS
CAMERA = Camera.pinhole(64, 48, 70.0, 71.0, 31.5, 23.5)


def picture(value):
    return np.full((48, 64), value, np.uint8)


def image(stamp_ns, value=0, frame_id="optical"):
    return image_message(picture(value), "mono8", stamp_ns, frame_id)


def info(stamp_ns=SECOND, camera=CAMERA):
    return camera_info_message(camera, stamp_ns, "optical")


# Topics.


@pytest.fixture
def robot(write):
    """A pair with calibration, a mask without, and what is no image."""
    jpeg = compressed_image_message(np.zeros((48, 64, 3), np.uint8), SECOND, "optical")
    return write(
        ("/right/image_raw", image(SECOND)),
        ("/right/camera_info", info()),
        ("/left/image_raw/compressed", jpeg),
        ("/left/camera_info", info()),
        ("/mask", image(SECOND)),
        ("/words", String(data="hello")),
    )


def topics_of(path, wanted, count):
    with BagReader(path) as bag:
        return image_topics(bag, wanted, count)


def test_those_with_a_calibration_go_first(robot):
    assert topics_of(robot, [], 2) == ["/left/image_raw/compressed", "/right/image_raw"]


def test_all_there_are_where_that_is_the_number(robot):
    assert topics_of(robot, [], 3) == ["/left/image_raw/compressed", "/mask", "/right/image_raw"]


def test_the_named_ones_in_the_order_of_their_names_given(robot):
    wanted = ["/right/image_raw", "/mask"]
    assert topics_of(robot, wanted, 2) == wanted


@pytest.mark.parametrize("wanted", [["/mask", "/words"], ["/words"]])
def test_a_topic_without_images_is_refused_with_those_that_have_some(robot, wanted):
    with pytest.raises(BagError) as caught:
        topics_of(robot, wanted, 2)
    assert str(caught.value) == (
        f"{robot}: no topic /words with images; there are: /left/image_raw/compressed, /mask, "
        "/right/image_raw"
    )


@pytest.mark.parametrize(("count", "option"), [(1, "--topic"), (4, "--topics")])
def test_which_ones_are_meant_is_asked_where_it_is_open(robot, count, option):
    with pytest.raises(BagError) as caught:
        topics_of(robot, [], count)
    assert str(caught.value) == (
        f"{robot}: with images there are: /left/image_raw/compressed, /mask, /right/image_raw; "
        f"choose by {option}"
    )


def test_a_bag_without_images(write):
    path = write(("/words", String(data="hello")))
    for wanted, error in (
        ([], "with images there are: none; choose by --topic"),
        (["/a"], "no topic /a with images; there are: none"),
    ):
        with pytest.raises(BagError) as caught:
            topics_of(path, wanted, 1)
        assert str(caught.value) == f"{path}: {error}"


# Sets.


def sets_of(path, topics, tolerance_ns=10 * MS):
    """[(stamps in ms, gray values)], and the problems."""
    problems = []
    found = [
        (
            tuple(frame.stamp_ns // MS for frame in frames),
            tuple(int(frame.gray[0, 0]) for frame in frames),
        )
        for frames in frame_sets(path, topics, tolerance_ns, problems.append)
    ]
    return found, problems


def test_one_topic_is_its_images_with_their_frame(write):
    path = write(*(("/a", image(n * SECOND, n, "left")) for n in range(1, 4)))
    assert sets_of(path, ["/a"]) == ([((1000 * n,), (n,)) for n in range(1, 4)], [])
    assert [frame.frame_id for (frame,) in frame_sets(path, ["/a"], 0, print)] == ["left"] * 3


def test_sets_are_of_one_time_whatever_the_order_of_arrival(write):
    left = [("/left", image(n * SECOND, n)) for n in range(1, 5)]
    right = [("/right", image(n * SECOND + 4 * MS, 10 + n)) for n in range(1, 5)]
    expected = [((1000 * n, 1000 * n + 4), (n, 10 + n)) for n in range(1, 5)]
    in_turn = write(*(each for pair in zip(left, right, strict=True) for each in pair))
    assert sets_of(in_turn, ["/left", "/right"]) == (expected, [])
    one_after_another = write(*right, *left)
    assert sets_of(one_after_another, ["/left", "/right"])[0] == expected


def test_a_set_is_in_the_order_of_the_topics(write):
    path = write(("/a", image(SECOND, 1)), ("/b", image(SECOND, 2)))
    assert sets_of(path, ["/b", "/a"])[0] == [((1000, 1000), (2, 1))]


@pytest.mark.parametrize(("tolerance_ms", "count"), [(9, 0), (10, 3), (11, 3)])
def test_the_tolerance_says_what_is_one_time(write, tolerance_ms, count):
    messages = []
    for n in range(1, 4):
        messages += [("/a", image(n * SECOND)), ("/b", image(n * SECOND + 10 * MS))]
    found, problems = sets_of(write(*messages), ["/a", "/b"], tolerance_ms * MS)
    assert len(found) == count
    assert len(problems) == 3 - count
    for problem in problems:
        assert problem.startswith(f"UNPAIRED: no /b within {tolerance_ms} ms of /a: ")


def test_of_two_that_are_near_the_nearer_one_is_taken(write):
    path = write(
        ("/a", image(SECOND, 1)),
        ("/b", image(SECOND - 6 * MS, 2)),
        ("/b", image(SECOND + 3 * MS, 3)),
        ("/b", image(SECOND + 12 * MS, 4)),
    )
    assert sets_of(path, ["/a", "/b"])[0] == [((1000, 1003), (1, 3))]


def test_what_cannot_be_decoded_is_told_and_left_out(write):
    broken = image(2 * SECOND)
    broken.data = broken.data[:-1]
    path = write(("/a", image(SECOND, 1)), ("/a", broken), ("/a", image(3 * SECOND, 3)))
    found, (problem,) = sets_of(path, ["/a"])
    assert found == [((1000,), (1,)), ((3000,), (3,))]
    assert problem.startswith("/a: ")
    assert "3072" in problem  # the bytes that 64x48 pixels need


def test_stamps_that_are_not_set_or_come_twice_are_told(write):
    path = write(("/a", image(0)), ("/a", image(SECOND)), ("/a", image(SECOND)))
    found, problems = sets_of(path, ["/a"])
    assert len(found) == 1
    assert problems == [
        "NO_STAMP: /a: the header's stamp is not set",
        "DUPLICATE: /a: stamp 1000000000 ns came twice",
    ]


def test_packed_images_are_unpacked(write):
    color = np.zeros((48, 64, 3), np.uint8)
    color[..., 0] = 255  # red
    data = cv2.imencode(".png", color[..., ::-1])[1].tobytes()
    png = CompressedImage(header=header(SECOND, "optical"), format="png", data=data)
    depth = compressed_depth_message(np.full((48, 64), 1500, np.uint16), SECOND, "optical")
    path = write(("/color/compressed", png), ("/depth/compressedDepth", depth))
    topics = ["/color/compressed", "/depth/compressedDepth"]
    ((seen, far),) = frame_sets(path, topics, 0, pytest.fail)
    np.testing.assert_array_equal(seen.rgb, color)
    np.testing.assert_allclose(far.depth_m, 1.5, rtol=1e-6)


# Calibrations.


@pytest.mark.parametrize(
    ("images", "infos"),
    [
        ("/front/image_raw", "/front/camera_info"),
        ("/front/image_raw/compressed", "/front/camera_info"),
        ("/front/image_raw/compressed", "/front/image_raw/camera_info"),
        ("/image", "/camera_info"),
    ],
)
def test_the_camera_is_told_beside_the_images(write, images, infos):
    other = Camera.pinhole(64, 48, 99.0, 99.0, 31.5, 23.5)
    path = write(("/other/camera_info", info(camera=other)), (infos, info()))
    camera = calibration_of(path, images)
    np.testing.assert_array_equal(camera.K, CAMERA.K)
    with BagReader(path) as bag:
        assert calibration_topic(bag, images) == infos


def test_the_first_calibration_holds(write):
    later = Camera.pinhole(64, 48, 99.0, 99.0, 31.5, 23.5)
    path = write(("/camera_info", info()), ("/camera_info", info(2 * SECOND, later)))
    assert calibration_of(path, "/image").fx == 70.0


def test_a_calibration_that_is_not_there(write):
    path = write(("/front/camera_info", String(data="no calibration")), ("/a/camera_info", info()))
    with pytest.raises(BagError) as caught:
        calibration_of(path, "/front/image_raw")
    assert str(caught.value) == f"{path}: no camera_info beside /front/image_raw"


def test_a_camera_that_says_that_it_is_not_calibrated(write):
    path = write(("/camera_info", CameraInfo(width=64, height=48)))
    with pytest.raises(CameraError, match="which says uncalibrated"):
        calibration_of(path, "/image")


# Paths.


def test_what_is_a_bag(tmp_path, write):
    assert is_bag(write(("/a", Image())))
    assert is_bag(tmp_path)  # a folder with one in it, as rosbag2 writes it
    assert is_bag(tmp_path / "elsewhere.db3")
    photos = tmp_path / "photos"
    photos.mkdir()
    assert not is_bag(photos)
    (photos / "a.png").touch()
    assert not is_bag(photos)
    for name in ("a.mp4", "nowhere", "video0"):
        assert not is_bag(tmp_path / name)
