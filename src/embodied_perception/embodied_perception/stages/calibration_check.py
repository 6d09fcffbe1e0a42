"""Whether cameras still are as they were calibrated: watched while the robot works.

Two stages, of a stereo pair and of an RGB-D camera. Each takes a look now and then, keeps the last
ones, and says in /diagnostics by how much the calibration is off, and what it cannot know.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import is_
from typing import Any

import cv2
import numpy as np

from embodied_perception.camera import Camera
from embodied_perception.camera.check import (
    Deviation,
    EdgeCheck,
    EpipolarCheck,
    Limits,
    MotionCheck,
    Verdict,
)
from embodied_perception.camera.check.drawing import draw_edges, draw_rows
from embodied_perception.config import Config, parameter
from embodied_perception.features import detect_corners, sample_depth
from embodied_perception.frame import Frame
from embodied_perception.geometry import Transform, TransformTree
from embodied_perception.stages.registration import Registrar
from embodied_perception.stages.stage import ImageInput, Picture, Stage, Status

_WIDEST = 1000  # pixels that a look needs; larger images are made smaller first
_FEATURES = 300
_NEAREST_M, _FARTHEST_M = 0.2, 10.0
_STAYS = 1e-4  # metres, and about radians: what is less is the same place


@dataclass(frozen=True)
class CheckConfig(Config):
    """Parameters of both calibration checks."""

    rotation_limit_deg: float = parameter(
        0.5, "rotation about an axis that is tolerated", unit="deg", minimum=0.1, maximum=10.0,
        fixed=True,
    )  # fmt: skip
    focal_limit_percent: float = parameter(
        1.0, "error of a focal length that is tolerated", unit="%", minimum=0.2, maximum=20.0,
        fixed=True,
    )  # fmt: skip
    period_s: float = parameter(
        1.0, "time from one look to the next, at the least", unit="s", minimum=0.0, maximum=3600.0
    )
    sync_tolerance_s: float = parameter(
        0.02,
        "images of both cameras further apart than this are not a pair",
        unit="s",
        minimum=0.0,
        maximum=1.0,
        fixed=True,
    )


class _CheckStage(Stage):
    """What both checks have in common.

    Attributes:
        check: of one camera against the other; None before the first images.

    """

    config_type = CheckConfig
    outputs = (Picture("overlay", "~/overlay"),)
    config: CheckConfig

    def __init__(self, config: Config, transforms: TransformTree) -> None:
        super().__init__(config, transforms)
        self.check: EpipolarCheck | EdgeCheck | None = None
        self._motion: MotionCheck | None = None
        self._cameras: tuple[Camera, ...] = ()
        self._looked_ns: int | None = None

    @property
    def limits(self) -> Limits:
        """What is tolerated."""
        return Limits(self.config.rotation_limit_deg, self.config.focal_limit_percent)

    @property
    def sync_tolerance_s(self) -> float:
        """The parameter of that name."""
        return self.config.sync_tolerance_s

    @property
    def looks(self) -> int:
        """How many count."""
        return 0 if self.check is None else self.check.looks

    def deviations(self) -> list[Deviation]:
        """One camera against the other, and the focal length of the first; nothing at the start."""
        if self.check is None or self._motion is None:
            return []
        return [*self.check.deviations(), self._motion.deviation()]

    def restart(self) -> str:
        """Time went back: what was seen may be of another calibration."""
        self.check = self._motion = self._looked_ns = None
        self._cameras = ()
        return "the check begins anew"

    def status(self) -> Status:
        """Whether the calibration holds, as far as that is known."""
        found = self.deviations() if self.looks else []
        off = [each for each in found if each.verdict is Verdict.OFF]
        unknown = [each.name for each in found if each.verdict is Verdict.UNKNOWN]
        values = {each.name: str(each).removeprefix(f"{each.name}: ") for each in found}
        values["looks"] = str(self.looks)
        if off:
            told = ", ".join(f"{each} (tolerated: {each.limit:g})" for each in off)
            return Status(Status.ERROR, f"the calibration is off: {told}; calibrate again", values)
        if not found or len(unknown) == len(found):
            return Status(Status.WARN, "too little was seen yet to say anything", values)
        left_open = f"; not known: {', '.join(unknown)}" if unknown else ""
        return Status(Status.OK, f"the calibration holds{left_open}", values)

    def _is_due(self, stamp_ns: int) -> bool:
        """Whether it is time to take another look; if so, the next one is later."""
        period_ns = self.config.period_s * 1e9
        if self._looked_ns is not None and stamp_ns - self._looked_ns < period_ns:
            return False
        self._looked_ns = stamp_ns
        return True

    def _are_known(self, *cameras: Camera) -> bool:
        """Whether these cameras are watched already; if not, all begins anew."""
        known = len(self._cameras) == len(cameras) and all(map(is_, self._cameras, cameras))
        if not known:
            self.restart()
        return known


class StereoCheckStage(_CheckStage):
    """Watches a stereo pair, rectified by R and P of its camera_info (REP-104)."""

    name = "stereo_check"
    inputs = (
        ImageInput("left", "camera/left/image_raw", "camera/left/camera_info"),
        ImageInput("right", "camera/right/image_raw", "camera/right/camera_info"),
    )

    check: EpipolarCheck | None

    def process(self, left: Frame, right: Frame) -> dict[str, Any]:  # type: ignore[override]
        """Match features now and then, and follow those of the left camera."""
        if not self._are_known(left.camera, right.camera):
            small = _small_camera(left.camera), _small_camera(right.camera)
            self.check = EpipolarCheck(*small, self.limits)
            self._motion = MotionCheck(small[0], self.limits)
            self._cameras = (left.camera, right.camera)
        check, motion = self.check, self._motion
        assert check is not None
        assert motion is not None
        left_gray = fitted(left.gray, check.left)
        results: dict[str, Any] = {}
        pixels, depth_m = np.zeros((0, 2)), np.zeros(0)
        if self._is_due(left.stamp_ns):
            right_gray = fitted(right.gray, check.right)
            look = check.look(left_gray, right_gray)
            pixels, depth_m = look.left_px, look.left_depth_m
            if self.wanted("overlay"):
                results["overlay"] = draw_rows(left_gray, right_gray, check.left, check.right, look)
        motion.look(left_gray, lambda: (pixels, depth_m))
        return results


class RgbdCheckStage(_CheckStage):
    """Watches a colour and a depth camera, placed by TF where their frames differ."""

    name = "rgbd_check"
    inputs = (
        ImageInput("color", "camera/color/image_raw", "camera/color/camera_info"),
        ImageInput("depth", "camera/depth/image_raw", "camera/depth/camera_info", content="depth"),
    )

    check: EdgeCheck | None

    def __init__(self, config: Config, transforms: TransformTree) -> None:
        super().__init__(config, transforms)
        self._registrar = Registrar(transforms)

    def process(self, color: Frame, depth: Frame) -> dict[str, Any]:  # type: ignore[override]
        """Take the edges of depth now and then, and follow features of the colour camera."""
        color_from_depth = self._registrar.color_from_depth(color, depth)
        if not self._are_known(color.camera, depth.camera) or not self._stays(color_from_depth):
            self.check = EdgeCheck(color.camera, depth.camera, color_from_depth, self.limits)
            self._motion = MotionCheck(color.camera, self.limits)
            self._cameras = (color.camera, depth.camera)
        check, motion = self.check, self._motion
        assert check is not None
        assert motion is not None

        def features() -> tuple[np.ndarray, np.ndarray]:
            pixels = detect_corners(color.gray, _FEATURES)
            registered_m = self._registrar.register(color, depth)
            return pixels, sample_depth(
                registered_m, pixels, nearest_m=_NEAREST_M, farthest_m=_FARTHEST_M
            )

        motion.look(color.gray, features)
        if not self._is_due(color.stamp_ns):
            return {}
        check.look(color.gray, depth.depth_m)
        if not self.wanted("overlay"):
            return {}
        return {"overlay": draw_edges(color.rgb, check.latest.pixels, check.corrected())}

    def _stays(self, color_from_depth: Transform) -> bool:
        """Whether TF says of the depth camera what it said before."""
        assert self.check is not None
        before = self.check.color_from_depth
        return np.allclose(before.matrix, color_from_depth.matrix, rtol=0, atol=_STAYS)


def fitted(gray: np.ndarray, camera: Camera) -> np.ndarray:
    """An image (H, W) in the size of a camera that may be a resized one."""
    return cv2.resize(gray, camera.resolution_wh, interpolation=cv2.INTER_AREA)


def _small_camera(camera: Camera) -> Camera:
    """As large as is needed for a look."""
    scale = _WIDEST / camera.width
    if scale >= 1:
        return camera
    return camera.resized(round(camera.width * scale), round(camera.height * scale))
