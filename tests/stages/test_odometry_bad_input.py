"""Odometry through bad input: all that it publishes is sound, and it says when it is not measured.

The demo's recording, at half its size, with something wrong in the middle of it. Each test runs it
through :class:`Robot`, which looks at every message.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from embodied_perception.bags import BagReader
from embodied_perception.camera import Camera
from embodied_perception.frame import Frame
from embodied_perception.geometry import Transform
from embodied_perception.imaging import RawPixels
from embodied_perception.stages.decoding import Decoder
from embodied_perception.stages.messages import stamp_ns, transform_message
from embodied_perception.stages.odometry import OdometryStage, OdometryStageConfig
from embodied_perception.stages.runner import FrameSet, StageRunner

DEMO = Path(__file__).parents[2] / "src/embodied_perception_bringup/demo/demo_room.mcap"
COLOR = "/camera/color/image_raw/compressed"
DEPTH = "/camera/depth/image_raw/compressedDepth"
INFO = "/camera/color/camera_info"
TRUTH = "/ground_truth/odom"
COUNT = 65
PERIOD_NS = 66_666_667
#: What goes wrong does so in these shots, for 2 s.
FIRST, LAST = 20, 50
FAULTY = slice(FIRST, LAST)
#: The robot drives at 0.3 m/s and turns at 0.5 rad/s.
LIMITS = {"max_speed": 1.0, "max_turn_rate": 1.0}


@dataclass(frozen=True, repr=False)
class Shot:
    """What cameras send at one time, by input, and where the robot truly is."""

    stamp_ns: int
    images: dict[str, np.ndarray]
    world_from_base: Transform
    frame_id: str


Fault = Callable[[list[Shot]], list[Shot]]


@dataclass(frozen=True, repr=False)
class Recording:
    """Shots, the cameras that took them, by input, and where these are."""

    shots: list[Shot]
    cameras: dict[str, Camera]
    base_from_camera: Transform


@dataclass(frozen=True)
class Said:
    """What was published of one shot.

    ``error_m`` and ``nees``, the squared error over what the covariance expects, are NaN where
    there is no pose. The truth begins where odometry began.
    """

    state: str
    reason: str
    epoch: int
    error_m: float
    nees: float


class Robot:
    """Runs the stage as its hosts do, and checks all that it publishes."""

    def __init__(self, recording: Recording, **parameters: Any) -> None:
        config = OdometryStageConfig(**LIMITS, **parameters)
        self.runner = StageRunner(OdometryStage, config)
        self.runner.is_wanted = lambda sink: not sink.on_demand
        sources = self.runner.sources()
        self._images = {each.input_name: each for each in sources if each.type is Image}
        self.infos = {each.input_name: each for each in sources if each.type is CameraInfo}
        for name, camera in recording.cameras.items():
            self.runner.accept(self.infos[name], camera)
        self._base_from_camera = recording.base_from_camera
        (mounts,) = (each for each in sources if each.type is TFMessage and each.latched)
        edge = (self._base_from_camera, "base_link", recording.shots[0].frame_id)
        self.runner.accept(mounts, [transform_message(*edge, 0)])
        self._truths: dict[int, Transform] = {}
        self._last_ns = 0
        self._origin: Transform | None = None
        self._last_pose: tuple[int, Transform] | None = None

    def run(self, shots: Sequence[Shot]) -> list[Said]:
        """Send shots; returns what was said of those that were used.

        Of the others the reason is counted, once it is known.
        """
        said = []
        for shot in shots:
            self._truths[shot.stamp_ns] = shot.world_from_base
            for name, image in shot.images.items():
                encoding = "16UC1" if image.dtype == np.uint16 else "mono8"
                frame = Frame(RawPixels(image, encoding), shot.stamp_ns, shot.frame_id)
                said += self._process(self.runner.accept(self._images[name], frame))
        return said

    def finish(self) -> dict[str, int]:
        """Nothing more comes; returns by reason how many images were not used."""
        assert list(self._process(self.runner.finish())) == []
        return self.runner.report.dropped

    def diagnosis(self) -> tuple[int, str]:
        """Level and words of what hosts publish each second."""
        report, status = self.runner.report, self.runner.stage.status()
        (diagnosis,) = report.diagnostics("odometry", status, 1).status
        return diagnosis.level[0], diagnosis.message

    def _process(self, ready: list[FrameSet]) -> Iterator[Said]:
        for each in ready:
            outputs = {sink.topic: message for sink, message in self.runner.process(each)}
            if outputs:
                yield self._check(each.stamp_ns, outputs)

    def _check(self, now_ns: int, outputs: dict[str, Any]) -> Said:
        if now_ns < self._last_ns:  # time went back, which hosts tell: all begins anew
            self._origin = self._last_pose = None
        assert now_ns != self._last_ns
        self._last_ns = now_ns
        status = outputs.pop("~/status")
        assert stamp_ns(status.header) == now_ns
        assert bool(status.reason) == (status.state_name != "OK")
        assert 0 <= status.inliers <= status.features_tracked
        measured = "odom" in outputs and status.state_name != "LOST"
        assert np.isfinite(status.reprojection_rms_px) == measured
        error_m = nees = np.nan
        if "odom" in outputs:
            error_m, nees = self._check_pose(now_ns, outputs)
        else:
            assert status.state_name in ("INIT", "LOST")
            assert outputs == {}
        return Said(status.state_name, status.reason, status.epoch, error_m, nees)

    def _check_pose(self, now_ns: int, outputs: dict[str, Any]) -> tuple[float, float]:
        odom = outputs["odom"]
        assert stamp_ns(odom.header) == now_ns
        odom_from_base = pose_of(odom.pose.pose.position, odom.pose.pose.orientation)
        twist = odom.twist.twist
        for vector in (twist.linear, twist.angular):
            assert np.isfinite((vector.x, vector.y, vector.z)).all()
        for covariance in (odom.pose.covariance, odom.twist.covariance):
            matrix = covariance.reshape(6, 6)
            assert np.abs(matrix - matrix.T).max() < 1e-12 * matrix.max()
            assert np.linalg.eigvalsh(matrix).min() > 0
        pose_of(outputs["~/map_pose"].pose.position, outputs["~/map_pose"].pose.orientation)
        edges = {each.child_frame_id: each for each in outputs["/tf"].transforms}
        assert edges.keys() == {"base_link", "odom"}
        for edge in edges.values():
            assert stamp_ns(edge.header) == now_ns
            pose_of(edge.transform.translation, edge.transform.rotation)
        edge = edges["base_link"].transform
        told = pose_of(edge.translation, edge.rotation)
        np.testing.assert_allclose(told.matrix, odom_from_base.matrix, atol=1e-9)
        self._check_step(now_ns, odom_from_base @ self._base_from_camera)
        truth = self._truths[now_ns]
        if self._origin is None:
            self._origin = truth
        true = self._origin.inverse() @ truth
        moved = odom_from_base.translation - true.translation
        turned = Transform(odom_from_base.rotation @ true.rotation.T, np.zeros(3)).rotation_vector
        off = np.concatenate((moved, turned))
        nees = off @ np.linalg.solve(odom.pose.covariance.reshape(6, 6), off) / 6
        return float(np.linalg.norm(moved)), float(nees)

    def _check_step(self, now_ns: int, odom_from_camera: Transform) -> None:
        """The motion model is the camera's."""
        if self._last_pose is not None:
            before_ns, before = self._last_pose
            motion = before.inverse() @ odom_from_camera
            seconds = (now_ns - before_ns) * 1e-9
            assert np.linalg.norm(motion.translation) < LIMITS["max_speed"] * seconds + 1e-6
            assert np.linalg.norm(motion.rotation_vector) < LIMITS["max_turn_rate"] * seconds + 1e-6
        self._last_pose = (now_ns, odom_from_camera)


def pose_of(position: Any, turn: Any) -> Transform:
    """From what messages hold; fails unless it is finite, and the quaternion of length 1."""
    quaternion = (turn.x, turn.y, turn.z, turn.w)
    assert np.linalg.norm(quaternion) == pytest.approx(1, abs=1e-9)
    assert np.isfinite((position.x, position.y, position.z)).all()
    return Transform.from_quaternion(quaternion, (position.x, position.y, position.z))


@pytest.fixture(scope="module")
def recording() -> Recording:
    """The demo's first seconds, at half its size."""
    decoders = {topic: Decoder() for topic in (COLOR, DEPTH, INFO)}
    frames: dict[str, list[Frame]] = {COLOR: [], DEPTH: []}
    truths: dict[int, Transform] = {}
    with BagReader(DEMO) as bag:
        for topic, _, message in bag.messages([*decoders, TRUTH, "/tf_static"]):
            if topic == "/tf_static":
                (mount,) = message.transforms
            elif topic == TRUTH:
                pose = message.pose.pose
                truths[stamp_ns(message.header)] = pose_of(pose.position, pose.orientation)
            elif len(frames[DEPTH]) < COUNT:
                (decoded,) = decoders[topic].decode(message)
                if topic == INFO:
                    camera = decoded.resized(decoded.width // 2, decoded.height // 2)
                else:
                    frames[topic].append(decoded)
    place = mount.transform
    shots = []
    for color, depth in zip(frames[COLOR], frames[DEPTH], strict=False):
        assert color.stamp_ns == depth.stamp_ns
        gray = cv2.resize(color.gray, camera.resolution_wh, interpolation=cv2.INTER_AREA)
        depth_mm = np.nan_to_num(1e3 * depth.depth_m[::2, ::2]).astype(np.uint16)
        images = {"color": gray, "depth": depth_mm}
        truth = truths[color.stamp_ns]
        shots.append(Shot(color.stamp_ns, images, truth, color.frame_id))
    assert len(shots) == COUNT
    cameras = {"color": camera, "depth": camera}
    return Recording(shots, cameras, pose_of(place.translation, place.rotation))


# What can be wrong.


def only(change: Callable[[Shot], Shot], where: slice = FAULTY) -> Fault:
    """Each shot there, changed."""

    def fault(shots: list[Shot]) -> list[Shot]:
        changed = list(shots)
        changed[where] = [change(shot) for shot in shots[where]]
        return changed

    return fault


def image(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Shot], Shot]:
    """One image of a shot, changed."""
    return lambda shot: replace(shot, images=shot.images | {name: change(shot.images[name])})


def without(*names: str) -> Callable[[Shot], Shot]:
    """A shot in which cameras say nothing."""
    return lambda shot: replace(
        shot, images={name: each for name, each in shot.images.items() if name not in names}
    )


def later(seconds: float) -> Callable[[Shot], Shot]:
    """A shot with another stamp."""
    return lambda shot: replace(shot, stamp_ns=shot.stamp_ns + round(seconds * 1e9))


def gain(factor: float) -> Callable[[Shot], Shot]:
    """Longer or shorter exposed."""
    return image("color", lambda gray: np.clip(np.rint(factor * gray), 0, 255).astype(np.uint8))


def gamma(power: float) -> Callable[[Shot], Shot]:
    """By another curve."""
    return image("color", lambda gray: np.rint(255 * (gray / 255) ** power).astype(np.uint8))


def noise(shot: Shot) -> Shot:
    """Nothing but noise, another one at another time."""
    rng = np.random.default_rng(shot.stamp_ns)
    return image("color", lambda gray: rng.integers(0, 256, gray.shape, np.uint8))(shot)


def noisy_depth(shot: Shot) -> Shot:
    """Depth of which nothing is true."""
    rng = np.random.default_rng(shot.stamp_ns)
    return image("depth", lambda mm: rng.integers(300, 8000, mm.shape, np.uint16))(shot)


def salted(share: float) -> Callable[[Shot], Shot]:
    """Black and white pixels, here and there."""

    def change(shot: Shot) -> Shot:
        rng = np.random.default_rng(shot.stamp_ns)
        shape = shot.images["color"].shape
        hit, salt = rng.random(shape) < share, 255 * rng.integers(0, 2, shape, np.uint8)
        return image("color", lambda gray: np.where(hit, salt, gray))(shot)

    return change


def smaller(shot: Shot) -> Shot:
    """Of half the size."""
    halves = {name: np.ascontiguousarray(each[::2, ::2]) for name, each in shot.images.items()}
    return replace(shot, images=halves)


def nowhere(shot: Shot) -> Shot:
    """Of a camera that TF does not know."""
    return replace(shot, frame_id="nowhere")


def gradually(shots: list[Shot]) -> list[Shot]:
    """Half the exposure, step by step within the 2 s."""
    return [
        gain(0.5 ** np.clip((place - FIRST) / (LAST - FIRST), 0, 1))(shot)
        for place, shot in enumerate(shots)
    ]


def flickering(shots: list[Shot]) -> list[Shot]:
    """Every second image half as bright."""
    return [gain(0.5)(shot) if place % 2 else shot for place, shot in enumerate(shots)]


def frozen(shots: list[Shot]) -> list[Shot]:
    """The same picture again and again, with new stamps."""
    return only(lambda shot: replace(shot, images=shots[FIRST - 1].images))(shots)


def bursts(shots: list[Shot]) -> list[Shot]:
    """Half a second is missing, then a whole one."""
    return [*shots[:20], *shots[28:40], *shots[55:]]


def doubled(shots: list[Shot]) -> list[Shot]:
    """Now and then, the next picture comes with the stamp of the one before, too."""
    return [
        each
        for place, shot in enumerate(shots)
        for each in (
            [shot, replace(shot, images=shots[place + 1].images)] if place % 10 == 5 else [shot]
        )
    ]


black = image("color", np.zeros_like)
gray_only = image("color", lambda gray: np.full_like(gray, 90))
no_reading = image("depth", np.zeros_like)


def assert_tracks(said: Sequence[Said], within: int = 10, error_m: float = 0.05) -> None:
    """It has a pose within so many frames, keeps it, and errs by as much as it says."""
    first = next(place for place, each in enumerate(said) if each.state not in ("LOST", "INIT"))
    assert first < within
    assert {each.state for each in said[first + 1 :]} <= {"OK", "DEGRADED"}
    assert max(each.error_m for each in said[first:]) < error_m
    assert max(each.nees for each in said[first:]) < 3


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda shots: shots[::2], id="every 2nd only"),
        pytest.param(lambda shots: shots[::5], id="every 5th only"),
        pytest.param(lambda shots: [s for k, s in enumerate(shots) if k % 5 != 4], id="no 5th"),
        pytest.param(bursts, id="bursts missing"),
        pytest.param(only(salted(0.01)), id="1 % of pixels wrong"),
        pytest.param(only(salted(0.1)), id="10 % of pixels wrong"),
        pytest.param(gradually, id="gradually darker"),
        pytest.param(only(noisy_depth), id="depth of noise"),
        pytest.param(only(later(10.0), slice(FIRST, None)), id="time jumps by 10 s"),
        pytest.param(doubled, id="stamps twice"),
    ],
)
def test_goes_on_as_if_nothing_were_wrong(recording: Recording, fault: Fault) -> None:
    said = Robot(recording).run(fault(recording.shots))
    assert [each.state for each in said] == ["INIT"] + ["OK"] * (len(said) - 1)
    assert {each.epoch for each in said} == {0}
    assert_tracks(said)


BLIND = [
    pytest.param(black, id="black"),
    pytest.param(gray_only, id="of one colour"),
    pytest.param(noise, id="noise"),
]


def assert_lost_while_blind(said: Sequence[Said]) -> None:
    """From the first such image on, with a guess for coast_s."""
    assert {each.state for each in said[1:FIRST]} == {"OK"}
    assert {each.state for each in said[FIRST:LAST]} == {"LOST"}
    guessed = [place for place, each in enumerate(said) if np.isfinite(each.error_m)]
    assert guessed[: FIRST + 5] == [*range(FIRST + 4), guessed[FIRST + 4]]
    assert guessed[FIRST + 4] >= LAST


@pytest.mark.parametrize("change", BLIND)
def test_blind_for_two_seconds(recording: Recording, change: Callable[[Shot], Shot]) -> None:
    """The robot turns by 40 degrees meanwhile: whether it knows the view again is chance."""
    said = Robot(recording).run(only(change)(recording.shots))
    assert len(said) == COUNT
    assert_lost_while_blind(said)
    assert_tracks(said[LAST:], error_m=1.0)


@pytest.mark.parametrize("change", BLIND)
def test_blind_while_it_stops(recording: Recording, change: Callable[[Shot], Shot]) -> None:
    """Whatever it seemed to see, it is where it was as soon as it sees that again."""
    *before, last = recording.shots[:FIRST]
    stopped = [later(place / 15)(last) for place in range(LAST - FIRST + 1)]
    after = [later(2.0)(shot) for shot in recording.shots[FIRST : FIRST + 10]]
    said = Robot(recording).run(only(change)([*before, *stopped, *after]))
    assert_lost_while_blind(said)
    assert said[LAST].state == "RECOVERED"
    assert {each.epoch for each in said[LAST:]} == {1}
    assert_tracks(said[LAST:])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(gain(0.5), id="half the exposure"),
        pytest.param(gain(2.0), id="twice the exposure"),
        pytest.param(gamma(0.5), id="a brighter curve"),
    ],
)
def test_other_exposure_from_one_image_to_the_next(
    recording: Recording, change: Callable[[Shot], Shot]
) -> None:
    said = Robot(recording).run(only(change, slice(FIRST, None))(recording.shots[:40]))
    assert len(said) == 40
    assert {each.state for each in said[1:FIRST]} == {"OK"}
    assert_tracks(said[FIRST:])


def test_lights_that_flicker(recording: Recording) -> None:
    """An image that is not found is followed by one that is, however often that happens."""
    robot = Robot(recording)
    said = robot.run(flickering(recording.shots[:50]))
    assert robot.finish() == {}
    assert len(said) == 50
    assert max(each.error_m for each in said) < 0.05
    assert max(each.nees for each in said) < 3
    assert not any({"LOST"} == {one.state, two.state} for one, two in itertools.pairwise(said))


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(only(later(-1.03), slice(FIRST, None)), id="by 1 s from then on"),
        pytest.param(
            only(later(10.0), slice(FIRST - 1, FIRST)), id="after one stamp of 10 s later"
        ),
    ],
)
def test_time_that_goes_back_is_a_new_beginning(recording: Recording, fault: Fault) -> None:
    robot = Robot(recording)
    said = robot.run(fault(recording.shots[: 2 * FIRST]))
    assert [each.state for each in said] == 2 * (["INIT"] + ["OK"] * (FIRST - 1))
    assert [each.epoch for each in said] == [0] * FIRST + [1] * FIRST
    assert said[FIRST].reason == "the origin"
    assert max(each.error_m for each in said) < 0.05
    assert max(each.nees for each in said[FIRST + 1 :]) < 3
    assert robot.finish() == {"TIME_WENT_BACK": 1}


def test_a_little_back_in_time_is_left_out(recording: Recording) -> None:
    """After that, images are 0.3 s too early: the robot seems to race, which is not believed."""
    robot = Robot(recording)
    said = robot.run(only(later(-0.3), slice(FIRST, None))(recording.shots[:45]))
    assert robot.finish() == {"OUT_OF_ORDER": 8}  # 4 of each camera
    assert {each.state for each in said[1:FIRST]} == {"OK"}
    assert {each.epoch for each in said[:FIRST]} == {0}
    assert_tracks(said[FIRST:])


@pytest.mark.xfail(
    strict=True,
    reason="a frozen picture looks like a robot that stands still in a simulation without noise",
)
def test_a_frozen_picture_is_noticed(recording: Recording) -> None:
    said = Robot(recording).run(frozen(recording.shots)[:LAST])
    assert {each.state for each in said[FIRST:]} != {"OK"}


def test_after_a_frozen_picture_tracking_goes_on(recording: Recording) -> None:
    said = Robot(recording).run(frozen(recording.shots))
    assert len(said) == COUNT
    assert_tracks(said[LAST:], error_m=1.0)


@pytest.mark.parametrize(
    ("change", "last", "words", "reason"),
    [
        pytest.param(without("color"), 55, "depth comes, but color not", "UNPAIRED", id="colour"),
        pytest.param(without("depth"), 55, "color comes, but depth not", "UNPAIRED", id="depth"),
        pytest.param(
            no_reading, LAST, "no pixel of the depth image", "EMPTY_DEPTH", id="depth of zeros"
        ),
        pytest.param(smaller, LAST, "image is 160x120", "SIZE_MISMATCH", id="another size"),
        pytest.param(
            nowhere, LAST, "publish base_link -> nowhere", "NO_TRANSFORM", id="extrinsics missing"
        ),
    ],
)
def test_what_cannot_be_used_is_told_and_then_tracking_goes_on(
    recording: Recording, change: Callable[[Shot], Shot], last: int, words: str, reason: str
) -> None:
    robot, shots = Robot(recording), only(change, slice(FIRST, last))(recording.shots)
    before = robot.run(shots[:FIRST])
    assert {each.state for each in before[1:]} == {"OK"}
    robot.diagnosis()
    assert robot.run(shots[FIRST:last]) == []
    level, told = robot.diagnosis()
    assert level == 1
    assert words in told
    after = robot.run(shots[last:])
    assert len(after) == COUNT - last
    assert_tracks(after, error_m=1.0)
    assert robot.finish().keys() == {reason}


# A stereo pair.

STEREO_COUNT = 54


@pytest.fixture(scope="module")
def pair(wall: Any) -> Recording:
    """Two cameras, 10 cm apart, that move along a wall at 0.15 m/s."""
    P = wall.camera.P.copy()
    P[0, 3] = -0.1 * P[0, 0]
    shots = [
        Shot(
            (place + 1) * PERIOD_NS,
            {"left": wall.gray(0.01 * place), "right": wall.gray(0.01 * place + 0.1)},
            Transform.from_rotation_vector(np.zeros(3), [0.01 * place, 0, 0]),
            "optical",
        )
        for place in range(STEREO_COUNT)
    ]
    cameras = {"left": wall.camera, "right": replace(wall.camera, P=P)}
    return Recording(shots, cameras, Transform.identity())


def swapped(shot: Shot) -> Shot:
    """Left is right."""
    left, right = shot.images["left"], shot.images["right"]
    return replace(shot, images={"left": right, "right": left})


def test_cables_swapped_from_the_start(pair: Recording) -> None:
    """Nothing has depth, which is said of each image; there is no pose."""
    said = Robot(pair, mode="stereo").run(only(swapped, slice(None))(pair.shots[:10]))
    assert len(said) == 10
    for each in said:
        assert each.state == "INIT"
        assert np.isnan(each.error_m)
        assert "features with depth, 40 are needed to start" in each.reason


def test_cables_swapped_on_the_way(pair: Recording) -> None:
    """The left picture jumps by the baseline, faster than the robot can drive; and back again."""
    said = Robot(pair, mode="stereo").run(only(swapped, slice(10, 30))(pair.shots))
    assert len(said) == STEREO_COUNT
    assert {each.state for each in said[1:10]} == {"OK"}
    assert {each.state for each in said[10:13]} == {"LOST"}
    assert all("max_speed is 1" in each.reason for each in said[10:13])
    assert_tracks(said[32:], error_m=0.01)


def test_the_right_picture_is_frozen(pair: Recording) -> None:
    """Depth is wrong by more and more; afterwards, odometry knows how little it knows."""
    stuck = image("right", lambda _: pair.shots[10].images["right"])
    said = Robot(pair, mode="stereo").run(only(stuck, slice(10, 30))(pair.shots))
    assert len(said) == STEREO_COUNT
    assert "LOST" in {each.state for each in said[10:30]}
    assert_tracks(said[30:], error_m=0.3)


@pytest.mark.parametrize(
    ("silent", "words"),
    [("right", "left comes, but right not"), ("left", "right comes, but left not")],
)
def test_one_of_the_pair_is_silent(pair: Recording, silent: str, words: str) -> None:
    robot, shots = Robot(pair, mode="stereo"), only(without(silent), slice(8, 40))(pair.shots)
    robot.run(shots[:8])
    robot.diagnosis()
    assert robot.run(shots[8:40]) == []
    level, told = robot.diagnosis()
    assert level == 1
    assert words in told
    assert_tracks(robot.run(shots[40:]), error_m=0.5)


def test_a_baseline_of_the_wrong_sign_on_the_way(pair: Recording) -> None:
    """Each image is refused until the calibration is right again; then tracking goes on."""
    robot, right = Robot(pair, mode="stereo"), pair.cameras["right"]
    robot.run(pair.shots[:8])
    robot.diagnosis()
    robot.runner.accept(robot.infos["right"], replace(right, P=right.P * (1, 1, 1, -1)))
    assert robot.run(pair.shots[8:20]) == []
    level, told = robot.diagnosis()
    assert level == 1
    assert "Tx = 0 on the left and below 0 on the right" in told
    robot.runner.accept(robot.infos["right"], right)
    assert_tracks(robot.run(pair.shots[20:]), error_m=0.01)
    assert robot.finish() == {"UNCALIBRATED": 12}


# Anything, one after the other.

CHANGES: dict[str, Callable[[Shot], Shot]] = {
    "good": lambda shot: shot,
    "missing": without("color", "depth"),
    "no colour": without("color"),
    "no depth": without("depth"),
    "zeros": no_reading,
    "smaller": smaller,
    "nowhere": nowhere,
    "black": black,
    "noise": noise,
    "salted": salted(0.2),
    "noisy depth": noisy_depth,
    "darker": gain(0.5),
    "brighter": gain(2.0),
}
JUMPS_S = {"ahead": 10.0, "back": -1.03, "a little back": -0.3}


@settings(max_examples=15, deadline=None)
@given(
    parts=st.lists(
        st.tuples(st.sampled_from(["frozen", *CHANGES, *JUMPS_S]), st.integers(1, 8)), max_size=5
    )
)
def test_any_faults_one_after_the_other(recording: Recording, parts: list[tuple[str, int]]) -> None:
    """Each for some images; :class:`Robot` checks what is said. Then all is well again."""
    left, spoilt, late_s = iter(recording.shots), [], 0.0
    for name, count in [*parts, ("good", 14)]:
        late_s += JUMPS_S.get(name, 0.0)
        shots = [later(late_s)(shot) for shot in itertools.islice(left, count)]
        if name == "frozen":
            shots = [replace(shot, images=shots[0].images) for shot in shots]
        spoilt += [CHANGES.get(name, CHANGES["good"])(shot) for shot in shots]
    robot = Robot(recording)
    said = robot.run(spoilt)[-10:]
    assert len(said) == 10
    assert said[-1].state in ("OK", "DEGRADED", "RECOVERED")
    if "frozen" not in dict(parts):
        assert said[-1].nees < 9
