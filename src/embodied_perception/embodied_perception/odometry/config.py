"""The parameters of visual odometry."""

from __future__ import annotations

from dataclasses import dataclass

from embodied_perception.config import Config, parameter


@dataclass(frozen=True)
class OdometryConfig(Config):
    """How features are chosen, followed and weighed."""

    features: int = parameter(
        300, "features followed at a time; more is steadier and slower", minimum=50, maximum=2000
    )
    feature_spacing_px: float = parameter(
        14.0, "least distance between two features", unit="px", minimum=4.0, maximum=100.0
    )
    keyframes: int = parameter(
        12, "keyframes kept to find the way back after a loss", minimum=2, maximum=100
    )
    places: int = parameter(
        500,
        "places kept to know them again and correct what has added up in between, each of which "
        "takes about 0.1 MB; 0 keeps none",
        minimum=0,
        maximum=100_000,
    )
    window: int = parameter(
        2,
        "newest keyframes that are adjusted together with what they see; fewer than keyframes",
        minimum=1,
        maximum=50,
    )
    keyframe_overlap: float = parameter(
        0.85,
        "a new keyframe is made when fewer than this share of the last one's features agree",
        minimum=0.1,
        maximum=0.95,
    )
    pixel_noise_px: float = parameter(
        0.7, "standard deviation of a tracked feature's place", unit="px", minimum=0.1, maximum=10.0
    )
    depth_noise: float = parameter(
        0.002,
        "standard deviation of inverse depth: depth at z metres is off by this times z squared",
        unit="1/m",
        minimum=0.0001,
        maximum=0.1,
    )
    disparity_noise_px: float = parameter(
        0.3, "standard deviation of a stereo pair's disparity", unit="px", minimum=0.02, maximum=5.0
    )
    model_error: float = parameter(
        0.07,
        "share of the image's motion that calibration and synchronisation are taken to get wrong "
        "until pixels and depth, which see the same motion, show by how much they disagree",
        minimum=0.0,
        maximum=0.5,
    )
    min_depth_m: float = parameter(
        0.3, "nearer readings are not used", unit="m", minimum=0.01, maximum=10.0
    )
    max_depth_m: float = parameter(
        8.0, "farther readings are not used", unit="m", minimum=0.5, maximum=200.0
    )
    min_inliers: int = parameter(
        20, "tracking is lost with fewer features that agree on a pose", minimum=6, maximum=500
    )
    coast_s: float = parameter(
        0.3,
        "for so long after a loss the camera is taken to go on as it did; the state is LOST, and "
        "the covariance grows",
        unit="s",
        minimum=0.0,
        maximum=2.0,
    )
    max_speed: float = parameter(
        5.0, "a faster motion is taken for an error", unit="m/s", minimum=0.1, maximum=100.0
    )
    max_turn_rate: float = parameter(
        6.0, "a faster rotation is taken for an error", unit="rad/s", minimum=0.1, maximum=50.0
    )
