"""Odometry's benchmark over a long run, on a few frames of a bag that is played forth and back."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from embodied_perception.bags import BagReader, BagWriter

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "src/embodied_perception_bringup/demo/demo_room.mcap"
BENCHMARK = ROOT / "benchmarks/odometry_endurance.py"
PERIOD_NS = 33_333_333
IN_BAG = 12


def cut(path, frames):
    """The first frames of the demo's recording."""
    with BagReader(DEMO) as bag, BagWriter(path) as out:
        for topic, log_ns, message in bag.messages():
            if log_ns > bag.start_ns + (frames - 0.5) * PERIOD_NS:
                break
            out.write(topic, message, log_ns, bag.topics[topic].latched)
    return path


def run_benchmark(*words):
    command = [sys.executable, str(BENCHMARK), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    bag_file = cut(folder / "few.mcap", IN_BAG)
    done = run_benchmark("--data", bag_file, "--frames", 45, "-o", folder / "out")
    assert done.returncode == 0, done.stderr
    return folder / "out", done.stdout


def test_a_recording_is_played_over_and_over_without_a_loss(result):
    folder, told = result
    ours = json.loads(told.splitlines()[-1])["ours"]
    assert ours["frames"] == 45 > 3 * IN_BAG
    assert ours["lost_frames"] == 0
    assert ours["places"] >= 1
    assert 0 < ours["ms_per_frame_first"] <= ours["p99_ms_first"] <= ours["slowest_ms"]
    ratio = ours["ms_per_frame_last"] / ours["ms_per_frame_first"]
    assert ours["ratio_last_to_first"] == pytest.approx(ratio, abs=1e-3)
    assert 0 < ours["p99_cpu_ms_last"] < 10_000
    assert 50 < ours["memory_mb"] < 4000
    assert abs(ours["memory_growth_mb"]) < 100
    (picture,) = folder.iterdir()
    assert picture.name == "few.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_each_tenth_has_a_row(result):
    rows = [line.strip("│ ").split("│") for line in result[1].splitlines() if line[:1] == "│"]
    assert [int(row[0]) for row in rows] == [4, 9, 13, 18, 22, 27, 31, 36, 40, 45]
    assert all(float(row[1]) <= float(row[2]) and float(row[3]) <= float(row[4]) for row in rows)
    assert {row[-1].strip() for row in rows} == {"0"}


@pytest.mark.parametrize(
    ("frames", "words", "status", "expected"),
    [
        (1, ["--frames", 5], 1, "one frame has no period"),
        (2, ["--frames", 0], 2, "--frames: got 0, expected 1 or more"),
        (2, ["--mode", "stereo"], 1, "nothing on camera/left/image_raw and"),
    ],
)
def test_what_cannot_be_run_is_said(frames, words, status, expected, tmp_path):
    done = run_benchmark("--data", cut(tmp_path / "few.mcap", frames), "-o", tmp_path, *words)
    assert done.returncode == status
    assert expected in done.stderr.splitlines()[-1]
