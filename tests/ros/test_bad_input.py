"""Whatever a camera sends, the node lives, says what was wrong, and goes on."""

from collections import Counter

import numpy as np
import pytest
from embodied_perception_interfaces.msg import OdometryStatus
from sensor_msgs.msg import CompressedImage, Image
from tf2_msgs.msg import TFMessage

from embodied_perception.ros import qos
from embodied_perception.stages.image_messages import (
    compressed_depth_message,
    compressed_image_message,
    image_message,
)
from embodied_perception.stages.messages import header
from embodied_perception.stages.odometry import OdometryStage

OPTICAL = "camera_color_optical_frame"


def cut_off(view):
    message = view.color()
    message.data = message.data[: len(message.data) // 2]
    return {"color": message}


def garbage(_view):
    return {"color": CompressedImage(header=header(0, OPTICAL), format="jpeg", data=bytes(1000))}


def empty(_view):
    return {"color": CompressedImage(header=header(0, OPTICAL), format="jpeg")}


def wrong_size(_view):
    pixels = np.zeros((240, 320, 3), np.uint8)
    return {"color": compressed_image_message(pixels, 0, OPTICAL)}


def eight_bit_depth(_view):
    pixels = np.full((480, 640), 9, np.uint8)
    return {"depth": compressed_image_message(pixels, 0, OPTICAL, "png")}


def all_zero_depth(_view):
    return {"depth": compressed_depth_message(np.zeros((480, 640), np.uint16), 0, OPTICAL)}


def unknown_frame(view):
    message = view.color()
    message.header.frame_id = "nowhere"
    return {"color": message}


SPOILT = [
    ("TRUNCATED", cut_off),
    ("UNDECODABLE", garbage),
    ("UNDECODABLE", empty),
    ("SIZE_MISMATCH", wrong_size),
    ("WRONG_ENCODING", eight_bit_depth),
    ("EMPTY_DEPTH", all_zero_depth),
    ("NO_TRANSFORM", unknown_frame),
]


def dropped(diagnostics):
    return {
        key.removeprefix("dropped "): int(value)
        for key, value in diagnostics().items()
        if key.startswith("dropped ")
    }


@pytest.mark.usefixtures("static_transforms")
def test_a_real_node_counts_each_and_goes_on(graph, start, camera, view, diagnostics):
    words = [
        word
        for topic in (camera.color.topic, camera.depth.topic, *(i.topic for i in camera.infos))
        for word in ("-p", f"qos_overrides.{topic}.subscription.reliability:=reliable")
    ]
    node = start("ros.nodes", "odometry", "--ros-args", "-p", "image_transport:=compressed", *words)
    camera.wait_until_heard()
    camera.send_until_tracked()
    told = len(camera.odom)
    graph.until(lambda: diagnostics().get("processed") == str(told), "the first report")
    expected = Counter(dropped(diagnostics))
    for reason, spoil in SPOILT:
        expected[reason] += 1
        camera.send(**spoil(view))
        graph.until(lambda: dropped(diagnostics) == expected, lambda: str(dropped(diagnostics)))
        camera.send_good()

    camera.send(step_ms=0)  # the pair of before once more
    camera.send(step_ms=-100)
    camera.stamp_ns += 100_000_000
    camera.send_good()
    camera.stamp_ns = -33_000_000
    camera.send()  # stamp 0
    camera.stamp_ns = 1_000_000_000_000 + 60_000_000_000
    camera.send_good()

    expected += Counter(DUPLICATE=2, OUT_OF_ORDER=2, NO_STAMP=2)  # colour and depth
    graph.until(lambda: dropped(diagnostics) == expected, lambda: str(dropped(diagnostics)))
    assert node.popen.poll() is None
    assert node.interrupt() == 0
    assert "Traceback" not in node.output


@pytest.mark.usefixtures("static_transforms")
def test_time_that_goes_back_is_told_and_begins_a_new_epoch(graph, host, camera, diagnostics):
    host(OdometryStage)
    told = graph.record("/odometry/status", OdometryStatus)
    camera.wait_until_heard()
    camera.send_until_tracked()
    camera.stamp_ns -= 10_000_000_000
    odometry = camera.send_good()
    assert odometry.pose.pose.position.x == pytest.approx(0.0)
    graph.until(lambda: told[-1].epoch == 1, "a new epoch")
    graph.until(lambda: dropped(diagnostics).get("TIME_WENT_BACK") == 1, "the count")


def test_without_calibration_or_transforms_nothing_is_made_up(
    graph, host, camera, view, diagnostics
):
    host(OdometryStage)
    graph.until(camera.heard, "subscribers")

    def counted(reason):
        camera.send()
        return dropped(diagnostics).get(reason)

    graph.until(lambda: counted("NO_CAMERA_INFO"), "NO_CAMERA_INFO")
    camera.send_infos()
    graph.until(lambda: counted("NO_TRANSFORM"), "NO_TRANSFORM")
    assert "camera_color_optical_frame" in diagnostics()["last problem"]
    assert not camera.odom
    graph.publisher("/tf_static", TFMessage, qos.LATCHED).publish(view.transforms())
    camera.send_until_tracked()

    def uncalibrate(info):
        info.k = np.zeros(9)

    camera.send_infos(uncalibrate)
    graph.until(lambda: dropped(diagnostics).get("UNCALIBRATED") == 2, "UNCALIBRATED, twice")
    camera.send()  # waits for a calibration
    camera.send_infos()
    status = graph.record("/odometry/status", OdometryStatus)
    odometry = camera.send_good()
    graph.until(lambda: status, "a status")
    # The calibration is what it was, so odometry goes on where it was.
    assert status[-1].epoch == 0
    assert odometry.pose.covariance[0] > 0


def raw(encoding):
    return image_message(np.ones((240, 320), np.uint8), encoding, 0, OPTICAL)


def short(message):
    message.data = message.data[:-1]
    return message


def step(message, value):
    message.step = value
    return message


def named(message, encoding):
    message.encoding = encoding
    return message


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("WRONG_SIZE", lambda: short(raw("mono8"))),
        ("WRONG_SIZE", lambda: step(raw("mono8"), 100)),
        ("WRONG_SIZE", lambda: Image(encoding="rgb8")),
        ("WRONG_ENCODING", lambda: named(raw("mono8"), "bayer_of_my_own")),
    ],
)
def test_malformed_raw_images(graph, host, diagnostics, reason, message):
    host(OdometryStage, image_transport="raw")
    publisher = graph.publisher("/camera/color/image_raw", Image)
    graph.until(publisher.get_subscription_count, "a subscriber")
    publisher.publish(message())
    graph.until(lambda: dropped(diagnostics) == {reason: 1}, lambda: str(dropped(diagnostics)))
    assert "camera/color/image_raw" in diagnostics()["last problem"]
