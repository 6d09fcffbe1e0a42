"""What is known of a camera, said beside its images: calibration, and its place on the robot.

For drivers that publish images alone, and for those whose calibration lies elsewhere.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from sensor_msgs.msg import CameraInfo
from sensor_msgs.srv import SetCameraInfo
from tf2_msgs.msg import TFMessage

from embodied_perception.camera import (
    Camera,
    camera_from_info,
    read_camera_info_yaml,
    write_camera_info_yaml,
)
from embodied_perception.config import Config, parameter
from embodied_perception.errors import CameraError, ConfigError, FrameError
from embodied_perception.frame import Frame
from embodied_perception.geometry import BODY_FROM_OPTICAL, ROTATIONS, Transform, TransformTree
from embodied_perception.stages.camera_info_url import DEFAULT_URL, calibration_path
from embodied_perception.stages.messages import camera_info_message, header, transform_message
from embodied_perception.stages.stage import ImageInput, Output, Service, Stage, Status

_MOST_BINNING = 16


def _rotation(name: str) -> Any:
    return parameter((), f"rotation parent_from_child: {ROTATIONS[name].meaning}", fixed=True)


@dataclass(frozen=True)
class CameraStageConfig(Config):
    """Parameters of the camera stage.

    Raises:
        ConfigError: the place on the robot is given twice, or by numbers that are no rotation.

    """

    camera_info_url: str = parameter(
        "",
        "the calibration's file: file:///PATH, package://PACKAGE/PATH or a path, with ${NAME} and "
        f"${{ROS_HOME}}; empty means {DEFAULT_URL}",
        fixed=True,
    )
    camera_name: str = parameter("camera", "name of the camera in that file", fixed=True)
    binning_x: int = parameter(
        1,
        "columns of the calibrated image that one pixel of the images sums up",
        minimum=1,
        maximum=_MOST_BINNING,
        fixed=True,
    )
    binning_y: int = parameter(
        1,
        "rows of the calibrated image that one pixel of the images sums up",
        minimum=1,
        maximum=_MOST_BINNING,
        fixed=True,
    )
    roi: tuple[int, ...] = parameter(
        (),
        "the part of the calibrated image that is sent, before binning: x_offset, y_offset, width, "
        "height; empty means all",
        fixed=True,
    )
    parent_frame: str = parameter(
        "", "frame that the camera is mounted on; empty: nothing goes to /tf_static", fixed=True
    )
    child_frame: str = parameter(
        "camera_link", "frame whose place on parent_frame is given", fixed=True
    )
    optical_frame: str = parameter(
        "",
        "frame of the images (x right, y down, z forward) where child_frame is the camera's body "
        "(x forward, y left, z up); empty where child_frame is the frame of the images itself",
        fixed=True,
    )
    translation_m: tuple[float, ...] = parameter(
        (0.0, 0.0, 0.0), "where child_frame is in parent_frame: x, y, z", unit="m", fixed=True
    )
    rotation_rpy_deg: tuple[float, ...] = _rotation("rpy_deg")
    rotation_rpy_rad: tuple[float, ...] = _rotation("rpy_rad")
    rotation_quaternion_xyzw: tuple[float, ...] = _rotation("quaternion_xyzw")
    rotation_quaternion_wxyz: tuple[float, ...] = _rotation("quaternion_wxyz")
    rotation_matrix: tuple[float, ...] = _rotation("matrix")
    rotation_vector_rad: tuple[float, ...] = _rotation("vector_rad")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.roi and len(self.roi) != 4:
            raise ConfigError(f"roi: got {list(self.roi)}, expected x_offset, y_offset, w, h")
        if len(self.translation_m) != 3:
            raise ConfigError(f"translation_m: got {list(self.translation_m)}, expected x, y, z")
        _ = self.parent_from_child

    @property
    def parent_from_child(self) -> Transform:
        """Pose of ``child_frame`` in ``parent_frame``."""
        given = {name: v for name in ROTATIONS if (v := getattr(self, f"rotation_{name}"))}
        if len(given) > 1:
            names = " and ".join(f"rotation_{name}" for name in given)
            raise ConfigError(f"got {names}, expected one of them")
        transform = Transform.from_rotation_vector((0, 0, 0), self.translation_m)
        for name, numbers in given.items():
            rotation = ROTATIONS[name].read(numbers, f"rotation_{name}")
            transform = dataclasses.replace(transform, rotation=rotation)
        return transform


class CameraStage(Stage):
    """Publishes a camera_info for every image, and the camera's place on the robot."""

    name = "camera"
    config_type = CameraStageConfig
    inputs = (ImageInput("image", "camera/image_raw", content="any"),)
    outputs = (
        Output("camera_info", "camera/camera_info", CameraInfo),
        Output("tf_static", "/tf_static", TFMessage, latched=True),
    )
    services = (Service("set_camera_info", SetCameraInfo),)

    config: CameraStageConfig

    def __init__(self, config: Config, transforms: TransformTree) -> None:
        super().__init__(config, transforms)
        self._path = calibration_path(self.config.camera_info_url, self.config.camera_name)
        self._camera: Camera | None = None
        self._remark = ""
        if self._path.exists():
            camera, name = read_camera_info_yaml(self._path)
            self._camera = self._as_configured(camera)
            if name != self.config.camera_name:
                self._remark = f", which names camera {name!r}, not {self.config.camera_name!r}"

    def announce(self, stamp_ns: int) -> dict[str, Any]:
        """Say where the camera is on the robot."""
        config = self.config
        if not config.parent_frame:
            return {}
        edges = [(config.parent_from_child, config.parent_frame, config.child_frame)]
        if config.optical_frame:
            edges.append((BODY_FROM_OPTICAL, config.child_frame, config.optical_frame))
        transforms = [transform_message(*edge, stamp_ns) for edge in edges]
        return {"tf_static": TFMessage(transforms=transforms)}

    def process(self, image: Frame) -> dict[str, Any]:  # type: ignore[override]
        """Describe the camera that took an image."""
        width, height = image.pixels.resolution_wh
        if self._camera is None:
            head = header(image.stamp_ns, image.frame_id)
            # REP-104: K of zeros says that the camera is uncalibrated.
            return {"camera_info": CameraInfo(header=head, width=width, height=height)}
        expected = self._camera.delivered().resolution_wh
        if (width, height) != expected:
            raise FrameError("SIZE_MISMATCH", self._mismatch(width, height, expected))
        message = camera_info_message(self._camera, image.stamp_ns, image.frame_id)
        return {"camera_info": message}

    def set_camera_info(self, request: SetCameraInfo.Request) -> str:
        """Take a calibration, and write it to the file that ``camera_info_url`` means.

        Raises:
            CameraError: it makes no sense, or the file cannot be written; nothing changes then.

        """
        camera = dataclasses.replace(
            camera_from_info(request.camera_info), binning_x=1, binning_y=1, roi=None
        )
        configured = self._as_configured(camera)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CameraError(f"{self._path.parent}: cannot be made: {error.strerror}") from error
        write_camera_info_yaml(self._path, camera, self.config.camera_name)
        self._camera, self._remark = configured, ""
        return f"in force, and written to {self._path}"

    def restart(self) -> str:
        """A calibration holds at any time."""
        return "nothing depends on time here"

    def status(self) -> Status:
        """Whether the camera is calibrated, and by which file."""
        if self._camera is None:
            return Status(
                Status.WARN,
                f"uncalibrated: {self._path} does not exist; write it with `perception calibrate "
                "camera`, or give camera_info_url",
            )
        level = Status.WARN if self._remark else Status.OK
        camera = self._camera
        values = {
            "calibration": str(self._path),
            "size": f"{camera.width}x{camera.height}",
            "model": camera.distortion_model,
            "fx, fy [px]": f"{camera.fx:.2f}, {camera.fy:.2f}",
            "cx, cy [px]": f"{camera.cx:.2f}, {camera.cy:.2f}",
        }
        return Status(level, f"calibrated by {self._path}{self._remark}", values)

    def _as_configured(self, camera: Camera) -> Camera:
        config = self.config
        roi = config.roi or None
        return dataclasses.replace(
            camera,
            binning_x=config.binning_x,
            binning_y=config.binning_y,
            roi=None if roi is None else (roi[0], roi[1], roi[2], roi[3]),
        )

    def _mismatch(self, width: int, height: int, expected: tuple[int, int]) -> str:
        """Say what a size could mean instead."""
        config = self.config
        assert self._camera is not None
        full_width, full_height = self._camera.resolution_wh
        text = (
            f"image is {width}x{height}, expected {expected[0]}x{expected[1]}: {self._path} is for "
            f"{full_width}x{full_height}, with binning {config.binning_x}x{config.binning_y} and "
            f"roi {list(config.roi) or 'none'}"
        )
        shrunk_x, rest_x = divmod(full_width, width)
        shrunk_y, rest_y = divmod(full_height, height)
        fits = not (rest_x or rest_y) and 1 < max(shrunk_x, shrunk_y) <= _MOST_BINNING
        if fits and not config.roi:
            return f"{text}; if the sensor bins: binning_x:={shrunk_x} binning_y:={shrunk_y}"
        return f"{text}; calibrate at the size that is sent"
