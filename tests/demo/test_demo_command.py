"""The demo as a user runs it, on the first seconds of its recording."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from embodied_perception.bags import BagReader, BagWriter
from embodied_perception.demo.report import contact_sheet
from embodied_perception.frame import Frame
from embodied_perception.imaging import RawPixels

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "src/embodied_perception_bringup/demo/demo_room.mcap"
FRAMES = 45


def perception(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "embodied_perception.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )


@pytest.fixture(scope="module")
def short_bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bag") / "short.mcap"
    with BagReader(RECORDING) as whole, BagWriter(path) as part:
        frames = 0
        for topic, log_ns, message in whole.messages():
            frames += topic == "/camera/color/camera_info"
            if frames > FRAMES:
                break
            part.write(topic, message, log_ns, latched=whole.topics[topic].latched)
    return path


def test_writes_a_report_of_what_went_over_the_graph(short_bag: Path, tmp_path: Path) -> None:
    done = perception("demo", "--bag", short_bag, "-o", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    errors = json.loads((tmp_path / "errors.json").read_text())
    assert errors["matched_poses"] >= FRAMES - 5
    assert errors["ate_rmse_m"] < 0.01
    assert f"{errors['ate_rmse_m'] * 100:.2f} cm" in (tmp_path / "index.html").read_text()

    with BagReader(tmp_path / "output.mcap") as recorded:
        assert recorded.damage is None
        counts = {topic: info.count for topic, info in recorded.topics.items()}
        assert recorded.topics["/tf_static"].latched
    assert counts["/odom"] == counts["/tf"] >= errors["matched_poses"]
    assert counts["/ground_truth/odom"] == counts["/camera/color/camera_info"] == FRAMES
    assert counts["/diagnostics"] >= 2

    assert cv2.imread(str(tmp_path / "features.jpg")).shape == (480, 640, 3)
    assert cv2.imread(str(tmp_path / "contact_sheet.jpg")).shape == (900, 1600, 3)
    page = (tmp_path / "index.html").read_text()
    for picture in ("trajectory.png", "features.jpg", "contact_sheet.jpg"):
        assert f'src="{picture}"' in page
        assert (tmp_path / picture).stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rate", "0"), "--rate: got 0, expected more than 0"),
        (("--rate", "nan"), "--rate: got nan, expected more than 0"),
        (("--bag", "nowhere.mcap"), "nowhere.mcap: no such file or folder"),
    ],
)
def test_bad_arguments_are_one_line(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = perception("demo", *arguments, "-o", tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_contact_sheet_shows_the_whole_run_in_order() -> None:
    frames = [
        Frame(RawPixels(np.full((48, 64, 3), 2 * index, np.uint8), "rgb8"), index * 10**8, "camera")
        for index in range(100)
    ]
    sheet = contact_sheet(frames)
    assert sheet.shape == (900, 1600, 3)
    centres = sheet[100::300, 200::400, 0].ravel()
    np.testing.assert_array_equal(centres, 2 * np.linspace(0, 99, 12).round())
