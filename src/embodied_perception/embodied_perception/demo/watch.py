"""What the demo shows while it runs."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import numpy as np
from rich.table import Table

from embodied_perception.geometry import Transform
from embodied_perception.stages.messages import stamp_ns

_STYLES = {"OK": "green", "LOST": "bold red"}
_RATE_SAMPLES = 30


class Watch:
    """Follows odometry against the ground truth, message by message."""

    def __init__(self) -> None:
        self.state = "waiting"
        self.states: Counter[str] = Counter()
        self._features = ""
        self._truth: dict[int, Transform] = {}
        self._estimates: dict[int, Transform] = {}
        self._origin: tuple[Transform, Transform] | None = None  # true and estimated first pose
        self._error_m = 0.0
        self._path_m = 0.0
        self._last_truth: Transform | None = None
        self._stamps_ns: deque[int] = deque(maxlen=_RATE_SAMPLES)
        self._diagnostics: dict[str, str] = {}

    def take(self, topic: str, message: Any) -> None:
        """Take a message that was said on the graph."""
        if topic == "/odom":
            self._estimates[stamp_ns(message.header)] = _pose(message)
            self._stamps_ns.append(stamp_ns(message.header))
        elif topic == "/ground_truth/odom":
            truth = _pose(message)
            if self._last_truth is not None:
                step_m = truth.translation - self._last_truth.translation
                self._path_m += float(np.linalg.norm(step_m))
            self._last_truth = truth
            self._truth[stamp_ns(message.header)] = truth
        elif topic == "/odometry/status":
            self.state = message.state_name
            self.states[self.state] += 1
            self._features = f"{message.inliers} of {message.features_tracked}"
        elif topic == "/diagnostics":
            for status in message.status:
                self._diagnostics = {each.key: each.value for each in status.values}
        self._compare()

    def table(self) -> Table:
        """The state of things."""
        table = Table(title="odometry, live", title_justify="left")
        for column in ("state", "rate", "latency", "features", "path", "error", "drift", "dropped"):
            table.add_column(column, justify="left" if column == "state" else "right")
        style = _STYLES.get(self.state, "yellow")
        table.add_row(f"[{style}]{self.state}[/]", *self._figures())
        return table

    def line(self) -> str:
        """The same as one line, for a log."""
        rate, latency, features, path, error, drift, dropped = self._figures()
        return (
            f"{self.state}: {rate}, latency {latency}, {features} features, path {path}, "
            f"error {error} ({drift}), {dropped} dropped"
        )

    def _figures(self) -> tuple[str, ...]:
        latency = self._diagnostics.get("latency, median [ms]", "-")
        dropped = sum(
            int(value) for key, value in self._diagnostics.items() if key.startswith("dropped ")
        )
        drift = f"{100 * self._error_m / self._path_m:.2f} %" if self._path_m > 0.1 else "-"
        return (
            f"{self._rate_hz():.1f} Hz",
            latency if latency == "-" else f"{latency} ms",
            self._features,
            f"{self._path_m:.2f} m",
            f"{self._error_m * 100:.1f} cm",
            drift,
            str(dropped),
        )

    def _rate_hz(self) -> float:
        if len(self._stamps_ns) < 2:
            return 0.0
        return (len(self._stamps_ns) - 1) / ((self._stamps_ns[-1] - self._stamps_ns[0]) * 1e-9)

    def _compare(self) -> None:
        """Both trajectories from their first common pose on; whichever comes first waits."""
        for stamp in sorted(self._estimates.keys() & self._truth.keys()):
            truth, estimate = self._truth.pop(stamp), self._estimates.pop(stamp)
            if self._origin is None:
                self._origin = (truth.inverse(), estimate.inverse())
            from_true, from_estimated = self._origin
            gap_m = (from_true @ truth).translation - (from_estimated @ estimate).translation
            self._error_m = float(np.linalg.norm(gap_m))


def _pose(message: Any) -> Transform:
    position, turn = message.pose.pose.position, message.pose.pose.orientation
    return Transform.from_quaternion(
        (turn.x, turn.y, turn.z, turn.w), (position.x, position.y, position.z)
    )
