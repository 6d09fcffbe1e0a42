"""The camera and image nodes on a graph: calibrations by service, transforms, pictures, video."""

import numpy as np
import pytest
from ffmpeg_image_transport_msgs.msg import FFMPEGPacket
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from sensor_msgs.srv import SetCameraInfo
from tf2_msgs.msg import TFMessage

from embodied_perception.camera import Camera, read_camera_info_yaml, write_camera_info_yaml
from embodied_perception.ros import qos
from embodied_perception.stages.camera import CameraStage
from embodied_perception.stages.image import ImageStage
from embodied_perception.stages.image_messages import (
    compressed_image_message,
    frame_from_compressed,
    frame_from_image,
    image_message,
)
from embodied_perception.stages.messages import camera_info_message, header, stamp_ns

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
CAMERA = Camera.pinhole(64, 48, 50.0, 50.0, 31.5, 23.5)


@pytest.fixture
def sender(graph):
    """Sends images until one is answered: the first go out before all have found each other."""

    class Sender:
        stamp_ns = 1_000_000_000_000

        def publish(self, topic, make):
            message = make(0)
            self.publisher = graph.publisher(topic, type(message))
            self.make = make

        def send_until(self, condition, what):
            def answered():
                self.stamp_ns += 33_000_000
                self.publisher.publish(self.make(self.stamp_ns))
                return condition()

            return graph.until(answered, what)

    return Sender()


def raw(stamp):
    return image_message(PICTURE, "rgb8", stamp, "optical")


def test_a_calibration_set_by_service_is_in_force_and_kept(graph, host, sender, tmp_path):
    path = tmp_path / "front.yaml"
    host(CameraStage, image_transport="raw", camera_info_url=f"file://{path}", camera_name="front")
    infos = graph.record("/camera/camera_info", CameraInfo)
    sender.publish("/camera/image_raw", raw)
    sender.send_until(lambda: infos, "a camera_info")
    assert infos[-1].k[0] == 0.0
    answer = graph.call(
        SetCameraInfo,
        "/camera/set_camera_info",
        camera_info=camera_info_message(CAMERA, 1, "optical"),
    )
    assert answer.success, answer.status_message
    assert str(path) in answer.status_message
    sender.send_until(lambda: infos[-1].k[0] == 50.0, "the new calibration")
    assert read_camera_info_yaml(path)[1] == "front"
    refused = graph.call(SetCameraInfo, "/camera/set_camera_info", camera_info=CameraInfo())
    assert not refused.success
    assert "uncalibrated" in refused.status_message


def test_whoever_comes_late_learns_the_cameras_place(graph, host):
    host(
        CameraStage,
        image_transport="raw",
        parent_frame="base_link",
        child_frame="front_link",
        optical_frame="front_optical_frame",
        translation_m=[0.2, 0.0, 0.3],
        rotation_rpy_deg=[0.0, 15.0, 0.0],
    )
    told = graph.record("/tf_static", TFMessage, qos.LATCHED)
    (message,) = graph.until(lambda: told, "the latched transforms")
    edges = {(e.header.frame_id, e.child_frame_id): e.transform for e in message.transforms}
    assert edges.keys() == {
        ("base_link", "front_link"),
        ("front_link", "front_optical_frame"),
    }
    place = edges["base_link", "front_link"]
    assert (place.translation.x, place.translation.z) == (0.2, 0.3)
    assert place.rotation.y == pytest.approx(np.sin(np.radians(7.5)))


@pytest.mark.parametrize("broken", ["image_width: 3", "]"])
def test_a_broken_calibration_keeps_the_node_inactive_and_says_why(start, graph, tmp_path, broken):
    path = tmp_path / "broken.yaml"
    path.write_text(broken)
    node = start("ros.nodes", "camera", "--ros-args", "-p", f"camera_info_url:={path}")
    graph.until(lambda: "CameraError" in node.output, lambda: node.output)
    assert str(path) in node.output
    assert graph.node.count_subscribers("/camera/image_raw") == 0
    assert "Traceback" not in node.output


def test_a_place_given_twice_is_refused(start, graph):
    twice = ["-p", "rotation_rpy_deg:=[0.0,0.0,0.0]", "-p", "rotation_vector_rad:=[0.0,0.0,0.1]"]
    node = start("ros.nodes", "camera", "--ros-args", *twice)
    graph.until(lambda: "expected one of them" in node.output, lambda: node.output)


def test_pictures_are_made_for_whoever_looks_and_described(graph, host, sender, tmp_path):
    path = tmp_path / "camera.yaml"
    write_camera_info_yaml(path, CAMERA, "camera")
    host(CameraStage, image_transport="compressed", camera_info_url=str(path))
    host(ImageStage, width=32)
    colors = graph.record("/image/rect/image_color", Image)
    infos = graph.record("/image/rect/camera_info", CameraInfo)
    sender.publish(
        "/camera/image_raw/compressed",
        lambda stamp: compressed_image_message(PICTURE, stamp, "optical", "png"),
    )
    sender.send_until(lambda: colors and infos, "a rectified picture")
    stamps = {stamp_ns(info.header) for info in infos}
    graph.until(lambda: stamp_ns(colors[-1].header) in stamps, "its description")
    assert (colors[-1].width, colors[-1].height) == (infos[-1].width, infos[-1].height) == (32, 24)
    assert infos[-1].k[0] == 25.0
    smaller = PICTURE.reshape(24, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(frame_from_image(colors[-1]).rgb - smaller).max() <= 1


def test_a_video_from_the_graph(graph, host, sender, make_video, diagnostics):
    """The node joins in its middle; what it shows is right from the next keyframe on."""
    video = make_video("libx264", 0, 40)
    packets = video.packets[5:30]
    host(ImageStage, image_transport="ffmpeg")
    shown = graph.record("/image/image_color/compressed", CompressedImage)
    place = -1

    def packet(stamp):
        nonlocal place
        place += 1
        data, number, is_key = packets[place % len(packets)]
        return FFMPEGPacket(
            header=header(stamp, "optical"), encoding="libx264", pts=number, data=data,
            flags=int(is_key), width=160, height=96,
        )  # fmt: skip

    numbers = {}

    def remembered(stamp):
        message = packet(stamp)
        numbers[stamp] = message.pts
        return message

    sender.publish("/camera/image_raw/ffmpeg", remembered)
    sender.send_until(lambda: len(shown) > 20, "pictures")
    for message in list(shown):
        picture = frame_from_compressed(message).bgr
        assert video.error(picture, numbers[stamp_ns(message.header)]) < 10
    graph.until(lambda: "dropped NO_KEYFRAME" in diagnostics(), "the reason in /diagnostics")


def test_arrays_are_parameters_like_others(graph, host):  # noqa: ARG001 - the graph spins
    node = host(CameraStage, image_transport="raw", roi=[0, 0, 32, 24])
    assert list(node.get_parameter("roi").value) == [0, 0, 32, 24]
    assert node._runner.stage.config.roi == (0, 0, 32, 24)
    assert node._runner.stage.config.translation_m == (0.0, 0.0, 0.0)
