"""Replays of recordings, good ones and damaged ones."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from embodied_perception.bags import BagReader, BagWriter
from embodied_perception.bags.replay import Replay, resolve
from embodied_perception.camera import Camera
from embodied_perception.errors import BagError
from embodied_perception.stages.image_messages import (
    compressed_depth_message,
    compressed_image_message,
    image_message,
)
from embodied_perception.stages.messages import header, stamp_ns
from embodied_perception.stages.odometry import OdometryStage, OdometryStageConfig

DEMO = Path(__file__).parents[2] / "src/embodied_perception_bringup/demo/demo_room.mcap"
FRAMES = 10
COLOR = "/camera/color/image_raw/compressed"
COLOR_INFO = "/camera/color/camera_info"
DEPTH = "/camera/depth/image_raw/compressedDepth"
DEPTH_INFO = "/camera/depth/camera_info"
TOPICS = (COLOR, COLOR_INFO, DEPTH, DEPTH_INFO)


@pytest.fixture(scope="module")
def demo():
    """The first messages of the demo bag: (topic, log time, message)."""
    messages = []
    with BagReader(DEMO) as bag:
        for topic, log_ns, message in bag.messages([*TOPICS, "/tf_static", "/ground_truth/odom"]):
            if sum(each[0] == "/ground_truth/odom" for each in messages) == FRAMES:
                break
            messages.append((topic, log_ns, message))
    return messages


@pytest.fixture
def record(tmp_path, demo):
    """Writes the messages as a bag, each changed by a function first; None leaves it out."""

    def write(change=lambda _topic, _index, message: message, rename=lambda topic: topic, laps=1):
        path = tmp_path / "recording.mcap"
        with BagWriter(path) as bag:
            for lap in range(laps):
                counts = {}
                lap_ns = lap * (demo[-1][1] - demo[0][1] + 66_666_667)
                for topic, log_ns, message in demo:
                    if lap and topic == "/tf_static":
                        continue
                    index = counts[topic] = counts.get(topic, -1) + 1
                    changed = change(topic, index, message)
                    if changed is not None:
                        latched = topic == "/tf_static"
                        bag.write(rename(topic), changed, log_ns + lap_ns, latched=latched)
        return path

    return write


@dataclasses.dataclass
class Result:
    """What a replay wrote."""

    path: Path
    summary: object
    messages: list
    topics: dict

    def of(self, topic):
        return [message for name, _, message in self.messages if name == topic]

    @property
    def stage(self):
        (only,) = self.summary.stages
        return only

    @property
    def states(self):
        return [message.state_name for message in self.of("/odometry/status")]

    @property
    def diagnostics(self):
        """The counts that the last message on /diagnostics shows."""
        (status,) = self.of("/diagnostics")[-1].status
        values = {each.key: each.value for each in status.values}
        return {
            key.removeprefix("dropped "): int(value)
            for key, value in values.items()
            if key.startswith("dropped ")
        }


def replay(source, name="out.mcap", remap=None, copy=True, **parameters):
    output = source.parent / name
    config = OdometryStageConfig(**parameters)
    summary = Replay(source, [(OdometryStage, config)], remap).run(output, copy=copy)
    with BagReader(output) as bag:
        assert bag.damage is None
        result = Result(output, summary, list(bag.messages()), bag.topics)
    assert len(result.messages) == summary.written
    return result


def without(message, fraction):
    """The message with only that part of its data left."""
    cut = type(message)(header=message.header, format=message.format)
    cut.data = message.data[: int(len(message.data) * fraction)]
    return cut


def only_at(topic, index, make):
    """A change of one message."""
    return lambda name, i, message: make(message) if (name, i) == (topic, index) else message


def test_a_good_recording(record, demo):
    result = replay(record())
    assert result.stage.processed == FRAMES
    assert result.stage.dropped == {}
    assert result.stage.last_problem == ""
    assert result.summary.damage is None
    assert result.summary.skipped == {}
    odometry = result.of("/odom")
    assert len(odometry) == FRAMES
    truth = {stamp_ns(m.header): m.pose.pose.position for t, _, m in demo if "truth" in t}
    start, end = truth[stamp_ns(odometry[0].header)], truth[stamp_ns(odometry[-1].header)]
    moved = np.linalg.norm([end.x - start.x, end.y - start.y, end.z - start.z])
    last = odometry[-1].pose.pose.position
    assert np.linalg.norm([last.x, last.y, last.z]) == pytest.approx(moved, abs=0.02)
    # The recording is in the output, as it was.
    for topic in TOPICS:
        assert result.of(topic) == [message for name, _, message in demo if name == topic]
    assert {t for t, info in result.topics.items() if info.latched} == {
        "/tf_static", "/odometry/path",
    }  # fmt: skip
    assert result.of("/odometry/features/compressed")
    assert not result.of("/odometry/features")  # pictures only compressed
    (final,) = result.of("/diagnostics")[-1].status
    assert (final.name, final.level, final.message) == ("odometry", b"\x00", "OK")


def test_results_come_when_their_image_came(record):
    result = replay(record())
    logged = [log_ns for topic, log_ns, _ in result.messages if topic == "/odom"]
    assert logged == [stamp_ns(message.header) for message in result.of("/odom")]


def test_twice_the_same_bytes(record):
    source = record()
    first = replay(source, "first.mcap").path.read_bytes()
    assert first == replay(source, "second.mcap").path.read_bytes()
    assert first == replay(source, "first.mcap").path.read_bytes()  # may be written anew


def test_results_only(record):
    result = replay(record(), copy=False)
    assert not set(result.topics) & {*TOPICS, "/tf_static", "/ground_truth/odom"}
    assert len(result.of("/odom")) == FRAMES


def test_earlier_results_in_the_recording_are_replaced(record):
    source = replay(record()).path
    again = replay(source, "again.mcap")
    assert len(again.of("/odom")) == FRAMES
    assert len(again.of("/odometry/status")) == FRAMES


def test_progress_reaches_the_end(record):
    told = []
    run = Replay(record(), [(OdometryStage, OdometryStageConfig())])
    run.run(run._source.parent / "out.mcap", progress=told.append)
    assert told == sorted(told)
    assert told[-1] == run.message_count == 5 * FRAMES + 1


# Topics.


@pytest.mark.parametrize("topic", TOPICS)
def test_a_missing_topic(record, topic):
    source = record(lambda name, _i, message: None if name == topic else message)
    with pytest.raises(BagError) as error:
        replay(source)
    text = str(error.value)
    base = topic.removesuffix("/compressed").removesuffix("/compressedDepth")
    assert str(source) in text
    assert f"no topic {base}{'' if base == topic else ', raw or packed'}; it holds " in text
    assert "/ground_truth/odom" in text  # what is there
    assert f"--remap {base[1:]}:=" in text
    assert not (source.parent / "out.mcap").exists()


REMAP = {
    "camera/color/image_raw": "/rgb/image",
    "camera/color/camera_info": "/rgb/info",
    "camera/depth/image_raw": "/d/image",
    "camera/depth/camera_info": "/d/info",
}


def renamed(topic):
    for old, new in REMAP.items():
        topic = topic.replace("/" + old, new)
    return topic


def test_remapped_compressed_topics(record):
    result = replay(record(rename=renamed), remap=REMAP)
    assert "/rgb/image/compressed" in result.topics
    assert (result.stage.processed, result.stage.dropped) == (FRAMES, {})


def test_remapped_raw_topics_give_the_same_poses(record):
    expected = replay(record(), "expected.mcap").of("/odom")

    def to_raw(topic, _index, message):
        if topic == COLOR:
            bgr = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
            return image_message(bgr, "bgr8", stamp_ns(message.header), message.header.frame_id)
        if topic == DEPTH:
            png = np.frombuffer(message.data, np.uint8)[12:]
            depth_mm = cv2.imdecode(png, cv2.IMREAD_UNCHANGED)
            return image_message(
                depth_mm, "16UC1", stamp_ns(message.header), message.header.frame_id
            )
        return message

    def rename(topic):
        return renamed(topic).removesuffix("/compressed").removesuffix("/compressedDepth")

    result = replay(record(to_raw, rename), remap=REMAP)
    assert result.topics["/rgb/image"].type_name == "sensor_msgs/msg/Image"
    assert (result.stage.processed, result.stage.dropped) == (FRAMES, {})
    for odom, other in zip(result.of("/odom"), expected, strict=True):
        for axis in "xyz":
            position = getattr(odom.pose.pose.position, axis)
            assert position == pytest.approx(getattr(other.pose.pose.position, axis), abs=0.005)


def test_outputs_can_be_remapped(record):
    result = replay(record(), remap={"odom": "/visual/odom", "~/status": "/visual/status"})
    assert len(result.of("/visual/odom")) == len(result.of("/visual/status")) == FRAMES


def test_a_topic_of_another_type(record):
    source = record()
    with pytest.raises(BagError) as error:
        replay(source, remap={"camera/color/camera_info": COLOR})
    text = str(error.value)
    assert f"{source}: topic {COLOR} holds sensor_msgs/msg/CompressedImage" in text
    assert "expected sensor_msgs/msg/CameraInfo" in text


def test_a_packed_topic_can_be_named_itself(record):
    source = record()
    direct = replay(source, "a.mcap", remap={"camera/color/image_raw": COLOR})
    assert direct.stage.processed == FRAMES


def test_names_resolve_as_a_nodes_do():
    assert resolve("odom", "odometry", {}) == "/odom"
    assert resolve("~/path", "odometry", {}) == "/odometry/path"
    assert resolve("/tf", "odometry", {}) == "/tf"
    assert resolve("~/path", "odometry", {"~/path": "/p"}) == "/p"


# Bad input: each counted by its reason, in the summary and in /diagnostics, and then it goes on.


def small(message):
    image = np.full((120, 160), 90, np.uint8)
    return compressed_image_message(image, stamp_ns(message.header), message.header.frame_id)


def depth_like(message, value):
    array = np.full((480, 640), value, np.float32)
    return image_message(array, "32FC1", stamp_ns(message.header), message.header.frame_id)


def zero_depth(message):
    depth_mm = np.zeros((480, 640), np.uint16)
    return compressed_depth_message(depth_mm, stamp_ns(message.header), message.header.frame_id)


def small_depth(message):
    depth_mm = np.full((120, 160), 1000, np.uint16)
    return compressed_depth_message(depth_mm, stamp_ns(message.header), message.header.frame_id)


def unset_stamp(message):
    changed = type(message)(format=message.format, data=message.data)
    changed.header.frame_id = message.header.frame_id
    return changed


def unnamed(message):
    changed = type(message)(format=message.format, data=message.data)
    changed.header.stamp = message.header.stamp
    changed.header.frame_id = "nowhere"
    return changed


@pytest.mark.parametrize(
    ("topic", "make", "reason"),
    [
        (COLOR, lambda message: without(message, 0.5), "TRUNCATED"),
        (COLOR, lambda message: without(message, 0), "UNDECODABLE"),
        (COLOR, small, "SIZE_MISMATCH"),
        (COLOR, zero_depth, "WRONG_ENCODING"),
        (COLOR, unset_stamp, "NO_STAMP"),
        (COLOR, unnamed, "NO_TRANSFORM"),
        (DEPTH, lambda message: without(message, 0.5), "TRUNCATED"),
        (DEPTH, lambda message: without(message, 0.00001), "TRUNCATED"),
        (DEPTH, zero_depth, "EMPTY_DEPTH"),
        (DEPTH, small_depth, "SIZE_MISMATCH"),
        (DEPTH, unnamed, "NO_TRANSFORM"),
        (DEPTH, small, "WRONG_ENCODING"),
    ],
)
def test_one_bad_message(record, topic, make, reason):
    result = replay(record(only_at(topic, 4, make)))
    assert result.stage.dropped.get(reason) == 1
    assert set(result.stage.dropped) <= {reason, "UNPAIRED"}
    assert result.diagnostics == result.stage.dropped
    assert result.stage.processed == FRAMES - 1
    assert result.states[-5:] == ["OK"] * 5
    assert len(result.of("/odom")) == FRAMES - 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 0.0])
def test_depth_without_readings(record, value):
    """Raw floating-point depth, all of it unknown in one image."""

    def change(topic, index, message):
        if topic != DEPTH:
            return message
        return depth_like(message, value if index == 4 else 2.0)

    source = record(change, lambda topic: topic.removesuffix("/compressedDepth"))
    result = replay(source)
    assert result.stage.dropped == {"EMPTY_DEPTH": 1} == result.diagnostics
    assert result.stage.processed == FRAMES - 1


def uncalibrated(message):
    changed = type(message)(header=message.header, width=message.width, height=message.height)
    changed.distortion_model = message.distortion_model
    return changed


def test_one_uncalibrated_camera_info(record):
    """The frame that came with it is used when the next calibration comes."""
    result = replay(record(only_at(COLOR_INFO, 4, uncalibrated)))
    assert result.stage.dropped == {"UNCALIBRATED": 1} == result.diagnostics
    assert result.stage.processed == FRAMES
    assert result.states[1:] == ["OK"] * (FRAMES - 1)


def test_a_camera_that_was_never_calibrated(record):
    source = record(lambda topic, _, m: uncalibrated(m) if topic == DEPTH_INFO else m)
    result = replay(source)
    assert result.stage.dropped == {"UNCALIBRATED": FRAMES, "NO_CAMERA_INFO": FRAMES}
    assert result.diagnostics == result.stage.dropped
    assert result.stage.processed == 0
    (status,) = result.of("/diagnostics")[-1].status
    assert status.level == b"\x01"
    assert "/odom" not in result.topics


def test_another_size_than_calibrated(record):
    info = Camera.pinhole(320, 240, 300, 300, 160, 120)

    def shrink(topic, _index, message):
        if topic not in (COLOR_INFO, DEPTH_INFO):
            return message
        changed = type(message)(header=message.header, width=320, height=240)
        changed.k, changed.distortion_model = info.K.ravel(), "plumb_bob"
        return changed

    result = replay(record(shrink))
    assert result.stage.dropped == {"SIZE_MISMATCH": FRAMES} == result.diagnostics
    assert "640x480" in result.stage.last_problem


def test_without_static_transforms(record):
    source = record(lambda topic, _, message: None if topic == "/tf_static" else message)
    result = replay(source)
    assert result.stage.dropped == {"NO_TRANSFORM": FRAMES} == result.diagnostics
    assert "publish base_link -> camera_color_optical_frame" in result.stage.last_problem
    (status,) = result.of("/diagnostics")[-1].status
    assert status.level == b"\x01"
    assert "NO_TRANSFORM" in status.message
    camera = replay(source, "camera.mcap", base_frame="")
    assert camera.stage.processed == FRAMES


def test_a_looping_recording(record):
    result = replay(record(laps=3))
    assert result.stage.dropped == {"TIME_WENT_BACK": 2} == result.diagnostics
    assert result.stage.processed == 3 * FRAMES
    epochs = [message.epoch for message in result.of("/odometry/status")]
    assert epochs == [0] * FRAMES + [1] * FRAMES + [2] * FRAMES


def test_a_frame_that_comes_twice(record):
    images = {}

    def repeat(topic, index, message):
        return images.setdefault((topic, index - (index == 4)), message)

    result = replay(record(repeat))
    assert result.stage.dropped == {"DUPLICATE": 2} == result.diagnostics
    assert result.stage.processed == FRAMES - 1


@pytest.mark.parametrize("offset_ms", [-15, -1, 1, 15])
def test_cameras_that_are_not_quite_at_the_same_time(record, offset_ms):
    def shift(topic, _index, message):
        if topic != DEPTH:
            return message
        changed = type(message)(format=message.format, data=message.data)
        shifted_ns = stamp_ns(message.header) + offset_ms * 1_000_000
        changed.header = header(shifted_ns, message.header.frame_id)
        return changed

    result = replay(record(shift))
    assert (result.stage.processed, result.stage.dropped) == (FRAMES, {})
    apart = replay(record(shift), "apart.mcap", sync_tolerance_s=0.0005)
    assert (apart.stage.processed, apart.stage.dropped) == (0, {"UNPAIRED": FRAMES})
    assert apart.diagnostics == {"UNPAIRED": FRAMES}


def test_a_straggler(record):
    kept = {}

    def swap(topic, index, message):
        kept[topic, index] = message
        return kept[topic, 3] if topic in (COLOR, DEPTH) and index == 5 else message

    result = replay(record(swap))
    assert result.stage.dropped == {"OUT_OF_ORDER": 2} == result.diagnostics
    assert result.stage.processed == FRAMES - 1
    assert "TIME_WENT_BACK" not in result.stage.dropped


# Files.


@pytest.fixture
def cut_off(demo, tmp_path):
    """Writes some seconds of recording, of which a part is left."""
    whole, source = tmp_path / "whole.mcap", tmp_path / "cut.mcap"
    with BagWriter(whole) as bag:
        for lap in range(5):  # several chunks
            for topic, log_ns, message in demo:
                if not (lap and topic == "/tf_static"):
                    latched = topic == "/tf_static"
                    bag.write(topic, message, log_ns + lap * 10**9, latched=latched)

    def cut(fraction):
        content = whole.read_bytes()
        source.write_bytes(content[: int(len(content) * fraction)])
        return source

    return cut


@pytest.mark.parametrize("fraction", [0.6, 0.9, 0.9999])
def test_a_recording_that_is_cut_off(cut_off, fraction):
    source = cut_off(fraction)
    result = replay(source)
    assert "cut.mcap" in result.summary.damage
    assert "cut off" in result.summary.damage
    with BagReader(source) as bag:
        frames = bag.topics[DEPTH].count
    assert frames >= int(5 * FRAMES * fraction * 0.3)
    assert len(result.of(DEPTH)) == frames
    assert result.stage.processed == frames


def test_a_recording_of_which_nothing_is_left(cut_off):
    with pytest.raises(BagError, match=r"it holds nothing \(.*cut.mcap: cut off at byte"):
        replay(cut_off(0.1))


def test_the_recording_is_not_overwritten(record):
    source = record()
    content = source.read_bytes()
    link = source.with_name("link.mcap")
    link.symlink_to(source)
    for name in ("recording.mcap", "link.mcap"):
        with pytest.raises(BagError, match="is in the recording itself"):
            replay(source, name)
    assert source.read_bytes() == content


def test_nor_is_a_file_of_a_recording_in_a_folder(record):
    source = record()
    folder = source.parent / "folder"
    folder.mkdir()
    inner = source.rename(folder / "a.mcap")
    content = inner.read_bytes()
    with pytest.raises(BagError, match="is in the recording itself"):
        replay(folder, "folder/a.mcap")
    assert inner.read_bytes() == content
    assert replay(folder).stage.processed == FRAMES


def test_no_recording(tmp_path):
    with pytest.raises(BagError, match=r"nothing\.mcap: no such file"):
        replay(tmp_path / "nothing.mcap")


def test_an_empty_recording(tmp_path):
    source = tmp_path / "empty.mcap"
    with BagWriter(source):
        pass
    with pytest.raises(BagError, match="it holds nothing"):
        replay(source)
