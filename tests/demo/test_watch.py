from __future__ import annotations

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from embodied_perception_interfaces.msg import OdometryStatus
from rich.console import Console

from embodied_perception.demo.watch import Watch
from embodied_perception.geometry import Transform
from embodied_perception.stages.messages import odometry_message

STEP_NS = 100_000_000


def pose(x: float, yaw: float = 0.0) -> Transform:
    return Transform.from_rotation_vector((0, 0, yaw), (x, 0, 0))


def say(watch: Watch, topic: str, transform: Transform, stamp_ns: int) -> None:
    watch.take(topic, odometry_message(transform, "odom", "base_link", stamp_ns))


def test_before_anything_is_said() -> None:
    assert Watch().line() == (
        "waiting: 0.0 Hz, latency -,  features, path 0.00 m, error 0.0 cm (-), 0 dropped"
    )


@pytest.mark.parametrize("truth_first", [True, False])
def test_error_is_measured_from_the_first_common_pose(truth_first: bool) -> None:
    watch = Watch()
    start = pose(5.0, np.pi / 2)  # the truth is in another frame than odom
    for step in range(11):
        stamp_ns = (step + 1) * STEP_NS
        said = [
            ("/ground_truth/odom", start @ pose(0.1 * step)),
            ("/odom", pose(0.102 * step)),
        ]
        for topic, transform in said if truth_first else reversed(said):
            say(watch, topic, transform, stamp_ns)
    assert "10.0 Hz" in watch.line()
    assert "path 1.00 m, error 2.0 cm (2.00 %)" in watch.line()


def test_poses_without_a_partner_do_not_count() -> None:
    watch = Watch()
    say(watch, "/odom", pose(1.0), STEP_NS)
    say(watch, "/ground_truth/odom", pose(9.0), 2 * STEP_NS)
    assert "error 0.0 cm" in watch.line()


def test_state_features_and_drops() -> None:
    watch = Watch()
    for state in ("OK", "OK", "LOST"):
        status = OdometryStatus(state_name=state, inliers=7, features_tracked=9)
        watch.take("/odometry/status", status)
    values = {"latency, median [ms]": "8.1", "dropped TOO_SLOW": "2", "dropped TRUNCATED": "3"}
    said = DiagnosticStatus(values=[KeyValue(key=k, value=v) for k, v in values.items()])
    watch.take("/diagnostics", DiagnosticArray(status=[said]))
    assert watch.states == {"OK": 2, "LOST": 1}
    line = watch.line()
    assert line.startswith("LOST: ")
    assert "latency 8.1 ms, 7 of 9 features" in line
    assert line.endswith("5 dropped")


def test_table_says_the_same_as_the_line() -> None:
    watch = Watch()
    watch.take("/odometry/status", OdometryStatus(state_name="OK", inliers=7, features_tracked=9))
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(watch.table())
    text = console.export_text()
    assert "OK" in text
    assert "7 of 9" in text
