"""The parameters of the odometry stage."""

from __future__ import annotations

from dataclasses import dataclass

from embodied_perception.config import parameter
from embodied_perception.errors import ConfigError
from embodied_perception.odometry import OdometryConfig
from embodied_perception.stages.camera_setups import SETUPS

LABELS = 65536  #: that 16 bits of a mask can hold


@dataclass(frozen=True)
class OdometryStageConfig(OdometryConfig):
    """Parameters of the odometry stage: those of odometry, its cameras, and its frames."""

    mode: str = parameter(
        "rgbd",
        "which cameras there are: colour and depth, a rectified pair, or one alone, whose motion "
        "has no scale: its unit is how far the scene was at the start",
        choices=tuple(SETUPS),
        fixed=True,
    )

    odom_frame: str = parameter("odom", "frame in which the motion is reported", fixed=True)
    base_frame: str = parameter(
        "base_link",
        "frame of the robot whose motion is reported; the camera's place on it comes from TF. "
        "Empty: the camera's optical frame itself",
        fixed=True,
    )
    publish_tf: bool = parameter(True, "publish odom_frame -> base_frame on /tf")
    map_frame: str = parameter(
        "map", "frame in which places that are seen again stay where they are", fixed=True
    )
    publish_map_tf: bool = parameter(
        True, "publish map_frame -> odom_frame on /tf; false where something else localises"
    )
    camera_height_m: float = parameter(
        0.0,
        "in mode mono, height of the camera above flat ground, from which the scale is taken where "
        "the ground is seen; 0 is not known. base_frame must be level",
        unit="m",
        minimum=0.0,
        maximum=100.0,
        fixed=True,
    )
    scale_frame: str = parameter(
        "",
        "in mode mono, frame in which something else moves base_frame by TF, such as wheels: the "
        "distance driven at the start gives the scale. Empty is none",
        fixed=True,
    )
    moving_labels: tuple[str, ...] = parameter(
        (),
        "classes that move by themselves, such as person and car: their names, which "
        "camera/label_info knows, or their numbers as text, in the mask on camera/mask, which is "
        "waited for at each image. Empty: there is no mask",
        fixed=True,
    )
    sync_tolerance_s: float = parameter(
        0.02,
        "images of both cameras further apart than this are not a pair",
        unit="s",
        minimum=0.0,
        maximum=1.0,
        fixed=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(map(_is_class, self.moving_labels)):
            raise ConfigError(
                f"moving_labels: got {list(self.moving_labels)}, expected names, or numbers of 0 "
                f"to {LABELS - 1}, as a mask holds them"
            )
        if self.camera_height_m and not self.base_frame:
            raise ConfigError(
                "camera_height_m: the height is above the ground that base_frame stands on, and "
                "base_frame is empty; name the robot's frame"
            )


def _is_class(label: str) -> bool:
    return int(label) < LABELS if label.isdecimal() else bool(label.strip())
