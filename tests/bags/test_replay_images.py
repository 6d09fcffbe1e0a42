"""Replays through the camera and image stages, and of video."""

from pathlib import Path

import numpy as np
import pytest
from ffmpeg_image_transport_msgs.msg import FFMPEGPacket
from foxglove_msgs.msg import CompressedVideo

from embodied_perception.bags import BagReader, BagWriter
from embodied_perception.bags.replay import Replay
from embodied_perception.camera import Camera, write_camera_info_yaml
from embodied_perception.errors import BagError
from embodied_perception.stages import stage_type
from embodied_perception.stages.image_messages import frame_from_compressed, frame_from_image
from embodied_perception.stages.messages import header, stamp_ns, time_ns

DEMO = Path(__file__).parents[2] / "src/embodied_perception_bringup/demo/demo_room.mcap"
COLOR = "/camera/color/image_raw/compressed"
FRAMES = 8
START_NS = 10**18


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The first frames of the demo, without camera_info of colour."""
    path = tmp_path_factory.mktemp("demo") / "demo.mcap"
    count = 0
    with BagReader(DEMO) as bag, BagWriter(path) as out:
        for topic, log_ns, message in bag.messages():
            if topic != "/camera/color/camera_info":
                out.write(topic, message, log_ns, latched=bag.topics[topic].latched)
            count += topic == "/ground_truth/objects"
            if count == FRAMES:
                break
    return path


def replay(source, stages, output=None, remap=None, **options):
    output = output or source.with_name("out.mcap")
    configured = [(stage_type(n), stage_type(n).config_type(**values)) for n, values in stages]
    Replay(source, configured, remap).run(output, **options)
    with BagReader(output) as bag:
        messages = list(bag.messages())
    return lambda topic: [message for name, _, message in messages if name == topic]


COLOR_REMAP = {
    "camera/image_raw": "/camera/color/image_raw",
    "camera/camera_info": "/camera/color/camera_info",
}


@pytest.fixture(scope="module")
def calibration(tmp_path_factory):
    path = tmp_path_factory.mktemp("calibration") / "camera.yaml"
    camera = Camera.pinhole(640, 480, 525.0, 525.0, 319.5, 239.5)
    write_camera_info_yaml(path, camera, "camera")
    return str(path)


def test_a_calibration_from_a_file_makes_odometry_possible(demo, calibration):
    of = replay(
        demo,
        [("camera", {"camera_info_url": calibration}), ("odometry", {})],
        remap=COLOR_REMAP,
        copy=False,
    )
    infos, odom = of("/camera/color/camera_info"), of("/odom")
    assert len(infos) == len(odom) == FRAMES
    assert [stamp_ns(m.header) for m in infos] == [stamp_ns(m.header) for m in odom]


def test_without_it_the_stage_has_no_calibration(demo):
    with pytest.raises(BagError, match="no topic /camera/color/camera_info; it holds"):
        replay(demo, [("odometry", {})])


@pytest.mark.parametrize("order", [1, -1])
def test_images_go_on_to_the_next_stage_as_they_are(demo, calibration, order):
    """Odometry takes what the image stage made, unharmed by JPEG; the order given is no matter."""
    stages = [
        ("camera", {"camera_info_url": calibration}),
        ("image", {"width": 320}),
        ("odometry", {}),
    ][::order]
    remap = COLOR_REMAP | {
        "camera/color/image_raw": "/image/image_color",
        "camera/color/camera_info": "/image/camera_info",
    }
    of = replay(demo, stages, remap=remap, copy=False)
    (image, *_), (status, *_) = of("/image/image_color"), of("/odometry/status")
    assert (image.width, image.height, image.encoding) == (320, 240, "rgb8")
    assert status.header == image.header
    assert len(of("/odom")) == FRAMES
    # For whoever looks, every image is there, but in one form alone.
    assert len(of("/image/rect/image_color/compressed")) == FRAMES
    assert of("/image/rect/image_color") == []
    original = next(iter(read(demo, COLOR)))
    expected = frame_from_compressed(original).rgb.reshape(240, 2, 320, 2, 3).mean(axis=(1, 3))
    assert np.abs(frame_from_image(image).rgb - expected).max() <= 1


def read(path, topic):
    with BagReader(path) as bag:
        return [message for _, _, message in bag.messages([topic])]


def test_raw_images_where_one_wants_them(demo, calibration):
    stages = [("camera", {"camera_info_url": calibration}), ("image", {})]
    of = replay(demo, stages, remap=COLOR_REMAP, copy=False, raw=True)
    assert of("/image/image_color/compressed") == []
    (image, *others) = of("/image/image_color")
    assert len(others) == FRAMES - 1
    np.testing.assert_array_equal(
        frame_from_image(image).rgb, frame_from_compressed(read(demo, COLOR)[0]).rgb
    )


def test_a_bags_own_calibration_gives_way_to_the_stages(tmp_path):
    """The demo has camera_info; the file's is other."""
    camera = Camera.pinhole(640, 480, 500.0, 500.0, 319.5, 239.5)
    path = tmp_path / "other.yaml"
    write_camera_info_yaml(path, camera, "camera")
    source = tmp_path / "demo.mcap"
    with BagReader(DEMO) as bag, BagWriter(source) as out:
        for topic, log_ns, message in bag.messages(["/camera/color/camera_info", COLOR]):
            out.write(topic, message, log_ns)
            if log_ns - bag.start_ns > 3 * 10**8:
                break
    stages = [("camera", {"camera_info_url": str(path)}), ("image", {})]
    of = replay(source, stages, remap=COLOR_REMAP)
    assert {info.k[0] for info in of("/camera/color/camera_info")} == {500.0}
    assert {info.k[0] for info in of("/image/camera_info")} == {500.0}


def test_the_cameras_place_is_there_before_the_first_image(demo):
    place = {"parent_frame": "base_link", "child_frame": "front", "rotation_rpy_deg": (0, 10, 0)}
    output = demo.with_name("placed.mcap")
    replay(demo, [("camera", place)], output, COLOR_REMAP)
    with BagReader(output) as bag:
        first = next(iter(bag.messages()))
        assert bag.topics["/tf_static"].latched
        children = [
            edge.child_frame_id
            for _, _, message in bag.messages(["/tf_static"])
            for edge in message.transforms
        ]
    assert first[0] == "/tf_static"
    assert children == ["front", "camera_color_optical_frame"]  # the recording's own stays


def test_stages_that_wait_for_each_other(demo):
    remap = {"camera/image_raw": "/image/image_color", "camera/camera_info": "/x"}
    stages = [("camera", {}), ("image", {})]
    with pytest.raises(BagError, match=r"in a circle: .*use --remap"):
        replay(demo, stages, remap=remap)


# Video.


def foxglove(data, number):
    stamp = header(START_NS + number * 33_000_000, "").stamp
    return CompressedVideo(timestamp=stamp, frame_id="optical", data=data, format="h264")


def ffmpeg(data, number):
    head = header(START_NS + number * 33_000_000, "optical")
    return FFMPEGPacket(header=head, encoding="libx264", data=data)


@pytest.fixture
def video_bag(tmp_path):
    def write(make, topic, packets):
        path = tmp_path / "video.mcap"
        with BagWriter(path) as bag:
            for place, (data, number, _) in enumerate(packets):
                bag.write(topic, make(data, number), START_NS + place * 33_000_000)
        return path

    return write


@pytest.mark.parametrize(
    ("make", "suffix"), [(foxglove, "/foxglove"), (ffmpeg, "/ffmpeg"), (foxglove, "")]
)
@pytest.mark.parametrize("b_frames", [0, 2])
def test_every_picture_of_a_video_comes_out(video_bag, make_video, make, suffix, b_frames):
    """Also the last ones, which the decoder holds back to put them in order."""
    video = make_video("libx264", b_frames, 30)
    source = video_bag(make, f"/camera/image_raw{suffix}", video.packets)
    of = replay(source, [("image", {})], raw=True)
    images = of("/image/image_color")
    assert [stamp_ns(m.header) for m in images] == [START_NS + n * 33_000_000 for n in range(30)]
    for number, image in enumerate(images):
        assert video.error(frame_from_image(image).bgr, number) < 8
    assert {image.header.frame_id for image in images} == {"optical"}


def test_a_video_joined_in_its_middle_is_counted_with_its_reason(video_bag, make_video):
    video = make_video("libx264", 0, 30)
    source = video_bag(foxglove, "/camera/image_raw/foxglove", video.packets[4:])
    of = replay(source, [("image", {})])
    assert len(of("/image/image_color/compressed")) == 15
    (status,) = of("/diagnostics")[-1].status
    values = {each.key: each.value for each in status.values}
    assert values["dropped NO_KEYFRAME"] == "11"
    assert time_ns(of("/camera/image_raw/foxglove")[0].timestamp) == START_NS + 4 * 33_000_000
