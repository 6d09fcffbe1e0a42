"""From a dataset's folder to a bag, and from a bag to figures."""

import json

import cv2
import numpy as np
import pytest

from embodied_perception.bags import BagReader, BagWriter
from embodied_perception.cli.main import main
from embodied_perception.geometry import Transform
from embodied_perception.stages.messages import odometry_message


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / "kitchen"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k in range(6):
        name = folder / f"frame-{k:06}"
        cv2.imwrite(f"{name}.color.jpg", rng.integers(0, 255, (480, 640, 3), np.uint8))
        cv2.imwrite(f"{name}.depth.png", np.full((480, 640), 900, np.uint16))
        matrix = np.eye(4)
        matrix[:3, 3] = np.cos(k), np.sin(k), k
        np.savetxt(f"{name}.pose.txt", matrix)
    return folder


def test_convert(dataset, tmp_path, capsys):
    bag_file = tmp_path / "a.mcap"
    assert main(["convert", str(dataset), "-o", str(bag_file)]) == 0
    assert "6 frames, 31 messages" in capsys.readouterr().out
    with BagReader(bag_file) as bag:
        counts = {name: topic.count for name, topic in bag.topics.items()}
        assert counts.pop("/tf_static") == 1
        assert set(counts.values()) == {6}
        assert bag.topics["/tf_static"].latched
    again = tmp_path / "b.mcap"
    assert main(["convert", str(dataset), "-o", str(again)]) == 0
    assert again.read_bytes() == bag_file.read_bytes()


def test_convert_names_what_it_left_out(dataset, tmp_path, capsys):
    broken = dataset / "frame-000002.color.jpg"
    broken.write_bytes(broken.read_bytes()[:1000])
    assert main(["convert", str(dataset), "-o", str(tmp_path / "a.mcap"), "--limit", "4"]) == 0
    output = capsys.readouterr()
    assert "frame-000002.color.jpg: no whole JPEG" in output.err
    assert "1 problems" in output.out
    with BagReader(tmp_path / "a.mcap") as bag:
        assert bag.topics["/camera/color/image_raw/compressed"].count == 3
        assert bag.topics["/camera/depth/image_raw"].count == 4


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nowhere", "-o", "a.mcap"], "nowhere: no such folder"),
        (["{dataset}", "-o", "{out}/a.bag"], "expected .mcap"),
        (["{dataset}", "-o", "{out}/a.mcap", "--format", "tum"], "no tum dataset"),
        (["{dataset}", "-o", "{out}/a.mcap", "--limit", "0"], "--limit: got 0"),
        (["{dataset}", "-o", "{out}/a.mcap", "--camera", "{out}/none.yaml"], "none.yaml"),
    ],
)
def test_convert_errors(dataset, tmp_path, capsys, words, expected):
    words = [word.format(dataset=dataset, out=tmp_path) for word in words]
    assert main(["convert", *words]) == 2
    assert expected in capsys.readouterr().err


@pytest.fixture
def result(tmp_path):
    with BagWriter(tmp_path / "out.mcap") as bag:
        for k in range(40):
            stamp_ns = 10**9 + k * 10**8
            for topic, radius in (("/ground_truth/odom", 1.0), ("/odom", 1.02)):
                pose = Transform.from_rotation_vector(
                    (0, 0, k / 10), (radius * np.sin(k / 10), -radius * np.cos(k / 10), 0)
                )
                bag.write(topic, odometry_message(pose, "world", "base_link", stamp_ns), stamp_ns)
    return tmp_path / "out.mcap"


def test_evaluate_odometry(result, tmp_path, capsys):
    report = tmp_path / "report"
    assert main(["evaluate", "odometry", str(result), "-o", str(report)]) == 0
    told = capsys.readouterr().out
    assert "40 of 40 poses compared, SE(3) aligned" in told
    assert "no NEES: the estimate states no covariances" in told
    assert not (report / "nees.png").exists()
    errors = json.loads((report / "errors.json").read_text())
    assert 0.005 < errors["ate_rmse_m"] < 0.02
    assert errors["drift_percent"] == pytest.approx(2.0, abs=0.2)
    assert (report / "trajectory.png").is_file()
    assert main(["evaluate", "odometry", str(result), "--sim3", "-o", str(report)]) == 0
    errors = json.loads((report / "errors.json").read_text())
    assert errors["scale"] == pytest.approx(1 / 1.02)
    assert errors["ate_rmse_m"] == pytest.approx(0, abs=1e-6)


def test_evaluate_odometry_that_states_covariances(tmp_path, capsys):
    # 0.1 m are off by 1 mm each; what is stated is 0.5 mm along x, which is 2 sigma, growing.
    bag_file = tmp_path / "out.mcap"
    with BagWriter(bag_file) as bag:
        for k in range(41):
            stamp_ns = 10**9 + k * 10**8
            for topic, step in (("/ground_truth/odom", 0.1), ("/odom", 0.101)):
                pose = Transform(np.eye(3), np.array([step * k, 0, 0]))
                sigmas = np.sqrt(k) * np.array([0.0005, 1, 1, 1e-9, 1e-9, 1e-9])
                odometry = odometry_message(pose, "odom", "base_link", stamp_ns, np.diag(sigmas**2))
                bag.write(topic, odometry, stamp_ns)
    report = tmp_path / "report"
    words = ["evaluate", "odometry", str(bag_file), "-o", str(report)]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "NEES over 4 stretches of 1 s" in told
    assert f"{report / 'nees.png'}" in told.replace("\n", "")
    nees = json.loads((report / "errors.json").read_text())["nees"]
    # In 1 s 10 mm are off, and the stated sigma is sqrt(10) 0.5 mm.
    assert nees["position"]["anees"] == pytest.approx(40)
    assert nees["position"]["verdict"] == "overconfident"
    assert nees["whole"]["position"] == pytest.approx(40**2 / (40 * 0.5**2))
    assert nees["rotation"]["verdict"] == "cautious"
    assert (report / "nees.png").is_file()
    assert main([*words, "--sim3"]) == 2  # a straight line
    assert "Sim(3)" in capsys.readouterr().err


def test_evaluate_reads_tum_text_files(tmp_path, capsys):
    rows = np.array([[k / 10, np.sin(k), np.cos(k), k, 0, 0, 0, 1] for k in range(20)])
    np.savetxt(tmp_path / "a.txt", rows, fmt="%.6f")
    words = ["odometry", str(tmp_path / "a.txt"), "--reference", str(tmp_path / "a.txt")]
    assert main(["evaluate", *words]) == 0
    assert "20 of 20" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["--estimate-topic", "/slam"],
            "no topic /slam; topics in this bag: /ground_truth/odom, /odom",
        ),
        (["--reference", "none.mcap"], "none.mcap: no such file"),
    ],
)
def test_evaluate_errors(result, capsys, words, expected):
    assert main(["evaluate", "odometry", str(result), *words]) == 2
    assert expected in capsys.readouterr().err
