"""Camera set-ups that odometry works with: which images it takes, and what it makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from embodied_perception.camera import Camera, baseline_m
from embodied_perception.frame import Frame
from embodied_perception.geometry import Transform, TransformTree
from embodied_perception.odometry import (
    CameraHeight,
    KnownPlace,
    MonoImage,
    OdometryImage,
    RgbdImage,
    Ruler,
    StereoImage,
)
from embodied_perception.stages.registration import Registrar, pose_in
from embodied_perception.stages.stage import ImageInput


@dataclass(frozen=True, eq=False)
class Moment:
    """What the images of one time come to.

    Attributes:
        image: what odometry gets.
        camera: that it is of.
        lead: the frame whose stamp and frame_id results have.
        lead_from_camera: the camera's pose in that frame.
        picture: makes the image (H, W, 3) RGB to draw into.

    """

    image: OdometryImage
    camera: Camera
    lead: Frame
    lead_from_camera: Transform
    picture: Callable[[], np.ndarray]


@dataclass(frozen=True)
class ScaleSource:
    """What one camera alone may know its scale from.

    Attributes:
        base_frame: of the robot, whose z axis points up; empty: there is none.
        camera_height_m: above the ground; 0: not known.
        moving_in: frame in which something else measures the robot's motion; empty: nothing does.

    """

    base_frame: str
    camera_height_m: float
    moving_in: str


class CameraSetup(Protocol):
    """One way to place cameras on a robot."""

    inputs: tuple[ImageInput, ...]

    def moment(self, moving: np.ndarray | None, **frames: Frame) -> Moment:
        """Prepare the images of one time; raises where they or TF do not allow it.

        Args:
            moving: (H, W) bool, what moves by itself in the first input's image.
            frames: of the inputs, by name.

        """


class RgbdSetup:
    """Colour and depth, of one camera or of two. Depth of another one is registered to colour."""

    inputs: tuple[ImageInput, ...] = (
        ImageInput("color", "camera/color/image_raw", "camera/color/camera_info"),
        ImageInput("depth", "camera/depth/image_raw", "camera/depth/camera_info", content="depth"),
    )

    def __init__(self, transforms: TransformTree) -> None:
        self._registrar = Registrar(transforms)

    def moment(self, moving: np.ndarray | None, **frames: Frame) -> Moment:
        """See :class:`CameraSetup`."""
        color = frames["color"]
        depth_m = self._registrar.register(color, frames["depth"])
        image = RgbdImage(color.gray, depth_m, color.stamp_ns, moving)
        return Moment(image, color.camera, color, Transform.identity(), lambda: color.rgb)


class StereoSetup:
    """A pair, rectified here by R and P of its camera_info (REP-104); TF is not asked."""

    inputs: tuple[ImageInput, ...] = (
        ImageInput("left", "camera/left/image_raw", "camera/left/camera_info"),
        ImageInput("right", "camera/right/image_raw", "camera/right/camera_info"),
    )

    def __init__(self) -> None:
        self._known: tuple[Camera, Camera, Camera, float] | None = None

    def moment(self, moving: np.ndarray | None, **frames: Frame) -> Moment:
        """See :class:`CameraSetup`."""
        left, right = frames["left"], frames["right"]
        camera, focal_baseline = self._rectified(left.camera, right.camera)
        flat, other = (
            cv2.remap(each.gray, *each.camera.rectification_maps(), cv2.INTER_LINEAR)
            for each in (left, right)
        )
        if moving is not None:
            maps = left.camera.rectification_maps()
            moving = cv2.remap(moving.view(np.uint8), *maps, cv2.INTER_NEAREST).astype(bool)
        image = StereoImage(flat, other, focal_baseline, left.stamp_ns, moving)
        turned_back = Transform(left.camera.R.T, np.zeros(3))
        return Moment(
            image, camera, left, turned_back, lambda: cv2.cvtColor(flat, cv2.COLOR_GRAY2RGB)
        )

    def _rectified(self, left: Camera, right: Camera) -> tuple[Camera, float]:
        """Both as one camera, and its focal length times the baseline."""
        if self._known is None or self._known[0] is not left or self._known[1] is not right:
            focal_baseline = float(left.P[0, 0] * baseline_m(left, right))
            self._known = (left, right, left.rectified(), focal_baseline)
        return self._known[2], self._known[3]


class MonoSetup:
    """One camera alone: how large things are, it does not see."""

    inputs: tuple[ImageInput, ...] = (
        ImageInput("image", "camera/image_raw", "camera/camera_info"),
    )

    def __init__(self, transforms: TransformTree, scale: ScaleSource) -> None:
        self._transforms, self._scale = transforms, scale

    def moment(self, moving: np.ndarray | None, **frames: Frame) -> Moment:
        """See :class:`CameraSetup`."""
        frame = frames["image"]
        image = MonoImage(frame.gray, frame.stamp_ns, self._ruler(frame), moving)
        return Moment(image, frame.camera, frame, Transform.identity(), lambda: frame.rgb)

    def _ruler(self, frame: Frame) -> Ruler | None:
        scale = self._scale
        if scale.moving_in:
            return KnownPlace(pose_in(scale.moving_in, frame, self._transforms).translation)
        if scale.camera_height_m:
            base_from_camera = pose_in(scale.base_frame, frame, self._transforms)
            return CameraHeight(scale.camera_height_m, -base_from_camera.rotation[2])
        return None


#: Each by its name as ``mode``.
SETUPS: dict[str, Callable[[TransformTree, ScaleSource], CameraSetup]] = {
    "rgbd": lambda transforms, _: RgbdSetup(transforms),
    "stereo": lambda *_: StereoSetup(),
    "mono": MonoSetup,
}
