"""Stages: each takes images and gives poses, labels, masks or places, as ROS messages."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from embodied_perception.errors import ConfigError
from embodied_perception.inference.pytorch import OPTIONAL, missing

if TYPE_CHECKING:
    from embodied_perception.stages.stage import Stage

#: Stage name to module and class; only those that are used get imported.
STAGES = {
    "odometry": ("embodied_perception.stages.odometry", "OdometryStage"),
    "camera": ("embodied_perception.stages.camera", "CameraStage"),
    "image": ("embodied_perception.stages.image", "ImageStage"),
    "segmentation": ("embodied_perception.stages.segmentation", "SegmentationStage"),
    "classification": ("embodied_perception.stages.classification", "ClassificationStage"),
    "open_vocabulary": ("embodied_perception.stages.open_vocabulary", "OpenVocabularyStage"),
    "zero_shot": ("embodied_perception.stages.zero_shot", "ZeroShotStage"),
    "stereo_check": ("embodied_perception.stages.calibration_check", "StereoCheckStage"),
    "rgbd_check": ("embodied_perception.stages.calibration_check", "RgbdCheckStage"),
}
#: What runs where nobody says otherwise.
DEFAULT_STAGES = ("odometry",)


def stage_type(name: str) -> type[Stage]:
    """The stage of a name.

    Raises:
        ConfigError: there is none.
        InferenceError: it runs models, and PyTorch or transformers are not installed.
    """
    if name not in STAGES:
        raise ConfigError(f"no stage is called {name!r}; there are: {', '.join(STAGES)}")
    module, attribute = STAGES[name]
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name in OPTIONAL:
            raise missing(error) from error
        raise
