"""Images as other programs want them: in true colours, rectified, resized, and described.

Whatever a camera sends (any encoding, JPEG, PNG, compressed depth, video) comes out as a picture
or as depth in metres, as the lens shows it and rectified. Each geometry has a camera_info of its
own beside it, with the image's stamp, that says what its pixels mean.

As in image_pipeline, a rectified image keeps its camera's frame, though the rectification of a
stereo pair (R of its camera_info) turns it a little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo

from embodied_perception.camera import Camera
from embodied_perception.config import Config, parameter
from embodied_perception.frame import Frame
from embodied_perception.geometry import TransformTree
from embodied_perception.imaging import DevelopConfig
from embodied_perception.stages.messages import camera_info_message
from embodied_perception.stages.stage import ImageInput, Output, Picture, Stage, Status

_MOST_PIXELS = 16384


@dataclass(frozen=True)
class ImageStageConfig(DevelopConfig):
    """Parameters of the image stage: how pictures are developed, and their size."""

    width: int = parameter(
        0,
        "resize to this width; 0: as the height asks, or not at all",
        unit="px",
        minimum=0,
        maximum=_MOST_PIXELS,
    )
    height: int = parameter(
        0,
        "resize to this height; 0: as the width asks, or not at all",
        unit="px",
        minimum=0,
        maximum=_MOST_PIXELS,
    )


class ImageStage(Stage):
    """Develops, rectifies and resizes the images of one camera."""

    name = "image"
    config_type = ImageStageConfig
    inputs = (
        ImageInput(
            "image",
            "camera/image_raw",
            "camera/camera_info",
            content="any",
            needs_camera_info=False,
        ),
    )
    outputs = (
        Output("camera_info", "~/camera_info", CameraInfo),
        Picture("color", "~/image_color"),
        Picture("mono", "~/image_mono"),
        Picture("depth", "~/image_depth", content="depth"),
        Output("rect_camera_info", "~/rect/camera_info", CameraInfo),
        Picture("rect_color", "~/rect/image_color"),
        Picture("rect_mono", "~/rect/image_mono"),
        Picture("rect_depth", "~/rect/image_depth", content="depth"),
    )

    config: ImageStageConfig

    def __init__(self, config: Config, transforms: TransformTree) -> None:
        super().__init__(config, transforms)
        self._status = Status(Status.WARN, "no images yet")

    def process(self, image: Frame) -> dict[str, Any]:  # type: ignore[override]
        """Develop one image, and whatever of it somebody looks at."""
        size_wh = self._size(*image.pixels.resolution_wh)
        image.require_fit()
        names = ("depth",) if image.pixels.is_depth else ("color", "mono")
        wanted = [name for name in self._names(names) if self.wanted(name)]
        taken = self._taken(image) if wanted else None
        results: dict[str, Any] = {}
        if taken is not None:
            results |= _views("", _resized(taken, size_wh), wanted)
        if image.has_camera:
            camera = image.camera
            results |= self._infos(image, camera.resized(*size_wh))
            if taken is not None and any(name.startswith("rect_") for name in wanted):
                flat = _resized(_rectified(taken, camera), size_wh)
                results |= _views("rect_", flat, wanted)
        self._status = self._describe(image, size_wh, wanted)
        return results

    def restart(self) -> str:
        """Images do not depend on each other."""
        return "nothing depends on time here"

    def status(self) -> Status:
        """What the last image was."""
        return self._status

    def _names(self, names: tuple[str, ...]) -> list[str]:
        return [prefix + name for prefix in ("", "rect_") for name in names]

    def _taken(self, image: Frame) -> np.ndarray:
        return image.depth_m if image.pixels.is_depth else image.develop(self.config)

    def _size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the result; one that is not given keeps the proportions."""
        wanted_width, wanted_height = self.config.width, self.config.height
        if not wanted_width and not wanted_height:
            return width, height
        return (
            wanted_width or max(1, round(width * wanted_height / height)),
            wanted_height or max(1, round(height * wanted_width / width)),
        )

    def _infos(self, image: Frame, camera: Camera) -> dict[str, Any]:
        return {
            name: camera_info_message(described, image.stamp_ns, image.frame_id)
            for name, described in (
                ("camera_info", camera),
                ("rect_camera_info", camera.rectified()),
            )
        }

    def _describe(self, image: Frame, size_wh: tuple[int, int], wanted: list[str]) -> Status:
        values = {"size": "{}x{}".format(*size_wh), "made": ", ".join(wanted) or "nothing"}
        if not image.has_camera:
            text = "no camera_info: images are neither described nor rectified; run the camera node"
            return Status(Status.WARN, text, values)
        return Status(Status.OK, f"{size_wh[0]}x{size_wh[1]}", values)


def _views(prefix: str, taken: np.ndarray, wanted: list[str]) -> dict[str, np.ndarray]:
    """What is wanted of a picture (H, W, 3) or of depth (H, W)."""
    if taken.ndim == 2:
        return {f"{prefix}depth": taken} if f"{prefix}depth" in wanted else {}
    views = {}
    if f"{prefix}color" in wanted:
        views[f"{prefix}color"] = taken
    if f"{prefix}mono" in wanted:
        views[f"{prefix}mono"] = cv2.cvtColor(taken, cv2.COLOR_RGB2GRAY)
    return views


def _rectified(taken: np.ndarray, camera: Camera) -> np.ndarray:
    # Depth is not interpolated: between two surfaces there is nothing.
    if taken.ndim == 2:
        maps = camera.rectification_maps()
        return cv2.remap(taken, *maps, cv2.INTER_NEAREST, borderValue=np.nan)
    return cv2.remap(taken, *camera.rectification_maps(), cv2.INTER_LINEAR)


def _resized(taken: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    height, width = taken.shape[:2]
    if (width, height) == size_wh:
        return taken
    if taken.ndim == 2:
        return cv2.resize(taken, size_wh, interpolation=cv2.INTER_NEAREST)
    shrinks = size_wh[0] < width
    return cv2.resize(taken, size_wh, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
