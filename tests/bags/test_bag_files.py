"""Writing bags and reading them back, whole and damaged."""

import array
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from nav_msgs.msg import Odometry
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from embodied_perception.bags import BagReader, BagWriter
from embodied_perception.errors import BagError

SECOND = 1_000_000_000


def image(index: int) -> Image:
    # The noise keeps zstd from making one chunk of everything.
    pixels = bytes((index * 7919 + i * i * 31 + i // 3) % 251 for i in range(30000)) * 10
    message = Image(width=400, height=250, encoding="rgb8", step=1200)
    message.header.frame_id = f"camera{index}"
    message.data = array.array("B", pixels)
    return message


def write_bag(path: Path, count: int = 12) -> list[tuple[str, int, object]]:
    written = [("/tf_like", 5, PoseStamped())]
    for index in range(count):
        pose = Odometry(child_frame_id="b" * index)
        pose.pose.pose.position.x = float(index)
        written += [
            ("/odom", index * SECOND + 10, pose),
            ("/image", index * SECOND + 11, image(index)),
        ]
    with BagWriter(path) as bag:
        for topic, stamp_ns, message in written:
            bag.write(topic, message, stamp_ns, latched=topic == "/tf_like")
    return written


@pytest.fixture(scope="module")
def bag_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list]:
    path = tmp_path_factory.mktemp("bag") / "a.mcap"
    return path, write_bag(path)


def read_as_far_as_possible(path: Path) -> tuple[list, str]:
    """The messages, and what the reader says is wrong."""
    try:
        with BagReader(path) as bag:
            return list(bag.messages()), f"{bag.damage} {path.name if bag.skipped else ''}"
    except BagError as error:
        return [], str(error)


def test_round_trip(bag_file):
    path, written = bag_file
    with BagReader(path) as bag:
        assert list(bag.messages()) == written
        assert (bag.start_ns, bag.end_ns) == (5, 11 * SECOND + 11)
        assert (bag.damage, bag.skipped) == (None, {})
        assert bag.topics["/image"].count == 12
        assert bag.topics["/image"].type_name == "sensor_msgs/msg/Image"
        assert [t for t, info in bag.topics.items() if info.latched] == ["/tf_like"]
        assert [stamp for _, stamp, _ in bag.messages(["/odom"])] == [
            index * SECOND + 10 for index in range(12)
        ]


def test_same_messages_give_the_same_bytes(bag_file, tmp_path):
    path, _ = bag_file
    write_bag(tmp_path / "b.mcap")
    assert (tmp_path / "b.mcap").read_bytes() == path.read_bytes()


def test_schema_and_qos_are_what_other_readers_expect(bag_file):
    path, written = bag_file
    with AnyReader([path]) as reader:  # parses the schemas itself
        pose = next(reader.messages(c for c in reader.connections if c.topic == "/odom"))
        assert reader.deserialize(pose[2], pose[0].msgtype).header.frame_id == ""
        assert reader.message_count == len(written)
    with path.open("rb") as file:
        reader = make_reader(file)
        summary = reader.get_summary()
        qos = {c.topic: c.metadata["offered_qos_profiles"] for c in summary.channels.values()}
        assert "durability: 1\n" in qos["/tf_like"]
        assert "durability: 2\n" in qos["/odom"]
        assert [record.name for record in reader.iter_metadata()] == ["rosbag2"]
        assert summary.statistics.chunk_count > 1
        schema = next(s for s in summary.schemas.values() if s.name == "nav_msgs/msg/Odometry")
        assert b"MSG: geometry_msgs/PoseWithCovariance\n" in schema.data


def test_a_damaged_index_is_named_and_loses_nothing(
    bag_file: tuple[Path, list], tmp_path: Path
) -> None:
    path, written = bag_file
    data = path.read_bytes()
    (index_start,) = struct.unpack_from("<Q", data, len(data) - 8 - 20)
    assert 0 < index_start < len(data)
    for at in np.linspace(index_start, len(data) - 9, 40).astype(int):
        bad = tmp_path / "index.mcap"
        bad.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        messages, complaint = read_as_far_as_possible(bad)
        assert len(messages) == len(written), at
        assert "index.mcap: the index is damaged" in complaint, at


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(fraction=st.floats(0, 1))
def test_cut_off_anywhere_gives_a_prefix_or_a_bag_error(bag_file, tmp_path, fraction):
    path, written = bag_file
    data = path.read_bytes()
    cut = tmp_path / "cut.mcap"
    size = int(fraction * len(data))
    cut.write_bytes(data[:size])
    if size < 8:
        with pytest.raises(BagError, match=r"cut\.mcap"):
            BagReader(cut)
        return
    with BagReader(cut) as bag:
        got = list(bag.messages())
        assert got == written[: len(got)]
        assert sum(topic.count for topic in bag.topics.values()) == len(got)
        assert size == len(data) or f"byte {size}" in bag.damage or f"of {size}" in bag.damage


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255))
def test_a_flipped_byte_never_raises_anything_but_a_bag_error(bag_file, tmp_path, at, value):
    path, written = bag_file
    data = bytearray(path.read_bytes())
    data[int(at * len(data))] ^= value
    bad = tmp_path / "flipped.mcap"
    bad.write_bytes(data)
    messages, complaint = read_as_far_as_possible(bad)
    assert len(messages) <= len(written)
    assert len(messages) == len(written) or "flipped.mcap" in complaint


def test_writer_that_was_never_closed_leaves_what_it_flushed(tmp_path):
    bag = BagWriter(tmp_path / "killed.mcap")
    for index in range(8):
        bag.write("/image", image(index), index)
    shutil.copy(tmp_path / "killed.mcap", tmp_path / "copy.mcap")
    bag.close()
    with BagReader(tmp_path / "copy.mcap") as copy:
        assert [stamp for _, stamp, _ in copy.messages()] == list(
            range(copy.topics["/image"].count)
        )
        assert copy.topics["/image"].count >= 4
        assert "cut off" in copy.damage


def test_messages_out_of_order_are_read_in_order(tmp_path):
    stamps = [50, 10, 40, 20, 30]
    with BagWriter(tmp_path / "a.mcap") as bag:
        for stamp in stamps:
            bag.write("/image", image(stamp), stamp)
    with BagReader(tmp_path / "a.mcap") as bag:
        assert [stamp for _, stamp, _ in bag.messages()] == sorted(stamps)
    data = (tmp_path / "a.mcap").read_bytes()
    (tmp_path / "cut.mcap").write_bytes(data[:-100])
    with BagReader(tmp_path / "cut.mcap") as bag:
        assert [stamp for _, stamp, _ in bag.messages()] == sorted(stamps)


def write_rosbags_folder(folder: Path, storage: StoragePlugin):
    store = get_typestore(Stores.ROS2_JAZZY)
    writer = Writer(folder, version=9, storage_plugin=storage)
    with writer:
        text = writer.add_connection("/text", "std_msgs/msg/String", typestore=store)
        for index in range(300):
            message = store.types["std_msgs/msg/String"](data=f"{index:03}" * 100)
            writer.write(text, index, store.serialize_cdr(message, "std_msgs/msg/String"))
        odd = writer.add_connection("/odd", "nowhere_msgs/msg/Odd", msgdef="int32 a", rihs01="x")
        writer.write(odd, 300, bytes(8))
        writer.write(odd, 301, bytes(8))


@pytest.mark.parametrize("storage", list(StoragePlugin))
def test_folders_and_files_of_other_writers(tmp_path, storage):
    write_rosbags_folder(tmp_path / "bag", storage)
    file = next(path for path in (tmp_path / "bag").iterdir() if path.suffix in {".mcap", ".db3"})
    for path in (tmp_path / "bag", file):
        with BagReader(path) as bag:
            texts = [message.data[:3] for _, _, message in bag.messages()]
            assert texts == [f"{index:03}" for index in range(300)]
            assert bag.topics["/odd"].count == 2
            assert list(bag.skipped) == ["/odd"]
            assert bag.skipped["/odd"].startswith("2 messages skipped: message type nowhere_msgs")
    (tmp_path / "bag" / "metadata.yaml").unlink()  # as a killed recorder leaves it
    with BagReader(tmp_path / "bag") as bag:
        assert isinstance(next(bag.messages())[2], String)


@pytest.mark.parametrize("keep", [0.02, 0.4, 0.8, 0.99])
def test_cut_off_database_gives_a_prefix_or_a_bag_error(tmp_path, keep):
    write_rosbags_folder(tmp_path / "bag", StoragePlugin.SQLITE3)
    data = (tmp_path / "bag" / "bag.db3").read_bytes()
    cut = tmp_path / "cut.db3"
    cut.write_bytes(data[: int(keep * len(data))])
    messages, complaint = read_as_far_as_possible(cut)
    assert [stamp for _, stamp, _ in messages] == list(range(len(messages)))
    assert "cut.db3" in complaint


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("missing.mcap", None, "no such file"),
        ("empty.mcap", b"", "no MCAP file"),
        ("text.mcap", b"hello, I am no bag", "no MCAP file"),
        ("text.db3", b"hello, I am no bag", "cannot read this database"),
        ("old.bag", b"#ROSBAG V2.0\n", "rosbags-convert --src"),
        ("video.mp4", b"...", "expected .mcap or .db3"),
    ],
)
def test_what_is_no_bag_is_named(tmp_path, name, content, expected):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BagError, match=expected) as error:
        BagReader(tmp_path / name)
    assert name in str(error.value)


def test_folder_without_a_bag(tmp_path):
    with pytest.raises(BagError, match=r"no metadata\.yaml"):
        BagReader(tmp_path)


def test_missing_topic_is_named_with_those_there_are(bag_file):
    with (
        BagReader(bag_file[0]) as bag,
        pytest.raises(BagError, match=r"no topic /imu.*/image, /odom"),
    ):
        bag.messages(["/imu"])


def test_empty_bag(tmp_path):
    BagWriter(tmp_path / "a.mcap").close()
    with BagReader(tmp_path / "a.mcap") as bag:
        assert (bag.topics, list(bag.messages()), bag.start_ns, bag.damage) == ({}, [], 0, None)


def test_what_was_written_before_an_error_is_a_whole_bag(tmp_path):
    def fail_half_way():
        with BagWriter(tmp_path / "a.mcap") as bag:
            bag.write("/text", String(data="a"), 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    with BagReader(tmp_path / "a.mcap") as bag:
        assert [(topic, stamp) for topic, stamp, _ in bag.messages()] == [("/text", 1)]
        assert bag.damage is None


def test_writer_refuses_to_destroy(tmp_path):
    (tmp_path / "a.mcap").write_text("my thesis")
    with pytest.raises(BagError, match="no MCAP file"):
        BagWriter(tmp_path / "a.mcap")
    assert (tmp_path / "a.mcap").read_text() == "my thesis"
    with pytest.raises(BagError, match=r"expected \.mcap"):
        BagWriter(tmp_path / "a.bag")


def test_writer_replaces_an_mcap(bag_file, tmp_path):
    shutil.copy(bag_file[0], tmp_path / "a.mcap")
    with BagWriter(tmp_path / "a.mcap") as bag:
        bag.write("/text", String(data="new"), 1)
    with BagReader(tmp_path / "a.mcap") as bag:
        assert list(bag.topics) == ["/text"]


@pytest.mark.parametrize(
    ("topic", "message", "stamp_ns", "latched", "expected"),
    [
        ("/text", CameraInfo(), 2, False, "got sensor_msgs/msg/CameraInfo.*expected std_msgs"),
        ("/text", String(), 2, True, "latched=True"),
        ("/text", String(), -1, False, "got stamp -1"),
    ],
)
def test_writer_refuses(tmp_path, topic, message, stamp_ns, latched, expected):
    with BagWriter(tmp_path / "a.mcap") as bag:
        bag.write("/text", String(), 1)
        with pytest.raises(BagError, match=expected):
            bag.write(topic, message, stamp_ns, latched)
