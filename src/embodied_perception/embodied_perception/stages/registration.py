"""Where a frame's camera is, and depth images as the colour camera would see them."""

from __future__ import annotations

import numpy as np

from embodied_perception.camera import Camera, DepthRegistration
from embodied_perception.errors import FrameError, GeometryError
from embodied_perception.frame import Frame
from embodied_perception.geometry import Transform, TransformTree


def pose_in(target: str, frame: Frame, transforms: TransformTree) -> Transform:
    """``target_from_camera`` at the time of an image.

    Raises:
        FrameError: TF does not say it.

    """
    try:
        return transforms.lookup(target, frame.frame_id, frame.stamp_ns)
    except GeometryError as error:
        raise FrameError(
            "NO_TRANSFORM",
            f"{error}; publish {target} -> {frame.frame_id} (robot_state_publisher or "
            "static_transform_publisher)",
        ) from error


class Registrar:
    """Registers the depth of one camera to the colour of another, with what TF says of them."""

    def __init__(self, transforms: TransformTree) -> None:
        self._transforms = transforms
        self._known: tuple[Camera, Camera, Transform, DepthRegistration] | None = None

    def color_from_depth(self, color: Frame, depth: Frame) -> Transform:
        """Pose of the depth camera in the colour camera's frame.

        Raises:
            FrameError: TF does not say it.

        """
        if depth.frame_id == color.frame_id:
            return Transform.identity()
        return pose_in(color.frame_id, depth, self._transforms)

    def register(self, color: Frame, depth: Frame) -> np.ndarray:
        """Depth as the colour camera would see it, (Hc, Wc) metres, NaN where unknown.

        Raises:
            FrameError: TF does not say where the depth camera is.

        """
        if depth.frame_id == color.frame_id and depth.camera.same_view(color.camera):
            return depth.depth_m
        color_from_depth = self.color_from_depth(color, depth)
        known = self._known
        if (
            known is None
            or known[0] is not depth.camera
            or known[1] is not color.camera
            or not np.allclose(known[2].matrix, color_from_depth.matrix, rtol=0, atol=1e-7)
        ):
            registration = DepthRegistration(depth.camera, color.camera, color_from_depth)
            known = self._known = (depth.camera, color.camera, color_from_depth, registration)
        return known[3].register(depth.depth_m)
