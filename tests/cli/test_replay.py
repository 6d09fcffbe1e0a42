"""`perception replay` from the outside."""

from pathlib import Path

import pytest

from embodied_perception.bags import BagReader, BagWriter
from embodied_perception.cli.main import main

DEMO = Path(__file__).parents[2] / "src/embodied_perception_bringup/demo/demo_room.mcap"
FRAMES = 8
CAMERA = "camera_color_optical_frame"


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    """The beginning of the demo bag, with one colour image cut off."""
    path = tmp_path_factory.mktemp("replay") / "desk.mcap"
    frames = 0
    with BagReader(DEMO) as demo, BagWriter(path) as out:
        topics = [topic for topic in demo.topics if "ground_truth" not in topic]
        for topic, log_ns, message in demo.messages(topics):
            is_depth = topic.endswith("compressedDepth")
            if topic.endswith("compressed") and frames == 3:
                message.data = message.data[:5000]
            out.write(topic, message, log_ns, latched=demo.topics[topic].latched)
            frames += is_depth
            if frames == FRAMES:
                break
    return path


@pytest.fixture
def replay(bag, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words, source=bag, output="out.mcap"):
        status = main(["replay", str(source), "-o", str(tmp_path / output), *words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def topics(path):
    with BagReader(path) as bag:
        return {topic: info.count for topic, info in bag.topics.items()}


def test_says_what_came_out(replay, tmp_path):
    status, out, err = replay()
    assert status == 0
    assert "error" not in err
    (row,) = [line for line in out.splitlines() if "odometry " in line and "TRUNCATED" in line]
    cells = [cell.strip() for cell in row.strip("│┃ ").split("│")]
    assert (cells[0], cells[1], cells[3]) == ("odometry", str(FRAMES - 1), "1 TRUNCATED")
    assert float(cells[2]) > 0
    assert "last problem of odometry: TRUNCATED: JPEG of 5000 bytes" in out
    written = topics(tmp_path / "out.mcap")
    assert f"{sum(written.values())} messages" in out
    assert written["/odom"] == FRAMES - 1
    assert written["/camera/color/image_raw/compressed"] == FRAMES


def test_results_only(replay, tmp_path):
    assert replay("--results-only")[0] == 0
    assert set(topics(tmp_path / "out.mcap")) == {
        "/odom", "/tf", "/odometry/status", "/odometry/path", "/odometry/map_pose",
        "/odometry/features/compressed", "/diagnostics",
    }  # fmt: skip


def test_parameters_and_remappings(replay, tmp_path):
    file = tmp_path / "robot.yaml"
    file.write_text(
        "odometry: {ros__parameters: {base_frame: chassis, publish_tf: false, places: 0}}"
    )
    status, out, _ = replay(
        "--params", str(file), "--param", f"base_frame:={CAMERA}", "--remap", "odom:=/vo"
    )
    assert status == 0
    written = topics(tmp_path / "out.mcap")
    assert written["/vo"] == FRAMES - 1
    assert "/tf" not in written
    with BagReader(tmp_path / "out.mcap") as result:
        odom = next(message for _, _, message in result.messages(["/vo"]))
    assert odom.child_frame_id == CAMERA
    assert "chassis" not in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--param", "fetures:=3"], "unknown parameter 'fetures'"),
        (["--param", "features:=3"], "features: got 3, expected 50 to 2000"),
        (["--param", "features:=yes"], "features: got True (bool), expected int"),
        (["--params", "nowhere.yaml"], "nowhere.yaml"),
        (["--remap", "odom"], "--remap: got 'odom'"),
        (["--remap", "camera/color/image_raw:=/rgb"], "no topic /rgb, raw or packed"),
    ],
)
def test_what_makes_no_sense_is_one_line(replay, tmp_path, words, message):
    status, out, err = replay(*words)
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("perception: error: ")
    assert message in err
    assert not (tmp_path / "out.mcap").exists()


def test_files_that_make_no_sense(replay, bag, tmp_path):
    assert "no such file" in replay(source=tmp_path / "no.mcap")[2]
    assert "expected .mcap" in replay(output="out.bag")[2]
    content = bag.read_bytes()
    (tmp_path / "same.mcap").symlink_to(bag)
    status, _, err = replay(output="same.mcap")
    assert status == 2
    assert "choose another -o" in err
    assert bag.read_bytes() == content
    text = tmp_path / "notes.mcap"
    text.write_text("not a bag at all, but somebody's notes")
    assert "is no MCAP file" in replay(source=text)[2]
    assert "exists and is no MCAP file" in replay(output="notes.mcap")[2]


def test_an_unknown_stage(replay, capsys):
    with pytest.raises(SystemExit) as stopped:
        replay("--stages", "slam")
    assert stopped.value.code == 2
    assert "'slam'" in capsys.readouterr().err


def test_a_damaged_bag_is_said_to_be(bag, replay, tmp_path):
    cut = tmp_path / "cut.mcap"
    content = bag.read_bytes()
    cut.write_bytes(content[: len(content) - 100])
    status, out, _ = replay(source=cut)
    assert status == 0
    assert "the bag is damaged:" in out
    assert "cut.mcap" in out
    assert topics(tmp_path / "out.mcap")["/odom"] == FRAMES - 1
