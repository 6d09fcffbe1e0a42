"""Odometry's benchmark, on a few frames of a bag."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from embodied_perception.bags import BagReader, BagWriter

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "src/embodied_perception_bringup/demo/demo_room.mcap"


def run_benchmark(*words):
    command = [sys.executable, str(ROOT / "benchmarks/odometry.py"), "--no-peers", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    done = run_benchmark("--data", DEMO, "--limit", 24, "-o", folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_a_bag_is_measured_against_its_truth(result):
    folder, told = result
    ours = json.loads(told.splitlines()[-1])["ours"]
    assert ours["matched_poses"] == 24
    assert ours["lost_frames"] == 0
    assert 0 < ours["ate_rmse_m"] < 0.005
    # Nothing is seen again in so short a time: the map has nothing to correct.
    assert ours["map"] == {name: ours[name] for name in ("ate_rmse_m", "end_error_m")}
    assert ours["nees"]["stretches"] == 1
    assert set(ours["nees"]) == {"stretches", "pose", "position", "rotation", "whole"}
    assert {file.name for file in folder.iterdir()} == {"ours.png", "nees.png"}


def test_both_are_printed_side_by_side(result):
    lines = [line.strip("│ ").split("│") for line in result[1].splitlines() if "│" in line]
    ends = next(line for line in lines if line[0].strip() == "end_error_m")
    assert ends[1].strip() == ends[2].strip()
    assert any(line[0].strip() == "rotation" for line in lines)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--data", DEMO, "--mode", "stereo"], "nothing on camera/left/image_raw and"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_line(words, expected, tmp_path):
    done = run_benchmark(*words, "-o", tmp_path)
    assert done.returncode == 1
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_bag_without_truth_is_refused(tmp_path):
    bag_file = tmp_path / "untrue.mcap"
    with BagReader(DEMO) as bag, BagWriter(bag_file) as out:
        for topic, log_ns, message in bag.messages():
            if log_ns > bag.start_ns + 10**8:
                break
            if not topic.startswith("/ground_truth"):
                out.write(topic, message, log_ns, bag.topics[topic].latched)
    done = run_benchmark("--data", bag_file, "-o", tmp_path)
    assert done.returncode == 1
    assert "no true poses on /ground_truth/odom" in done.stderr
