"""Reports of calibrations: tables, pictures, and JSON."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from embodied_perception.camera.calibration import Board, CameraCalibration, StereoCalibration
from embodied_perception.camera.calibration.hand_eye import HandEyeCalibration
from embodied_perception.evaluation.calibration_plots import (
    draw_coverage,
    draw_rectified_pair,
    draw_undistorted,
    plot_residuals,
)
from embodied_perception.evaluation.page import Illustration, write_page, write_picture
from embodied_perception.geometry import ROTATIONS, Transform

_RESIDUALS_CAPTION = (
    "Reprojection errors: of each view, of each corner, and over the image. Arrows are mean errors "
    "in a part of the image: where they are not random, the model does not explain the lens."
)


def intrinsics_table(calibration: CameraCalibration) -> Table:
    """The intrinsics with their standard deviations."""
    table = Table("", "value", "±", "unit")
    for column in (1, 2):
        table.columns[column].justify = "right"
    for name, value, sigma, unit in _intrinsics(calibration):
        digits = 2 if unit else 5
        table.add_row(name, f"{value:.{digits}f}", f"{sigma:.{digits}f}", unit)
    return table


def figures_table(figures: Mapping[str, str]) -> Table:
    """What was found, a line each."""
    table = Table(show_header=False)
    for name, value in figures.items():
        table.add_row(name, value)
    return table


def write_camera_report(
    folder: Path, name: str, calibration: CameraCalibration, board: Board, sample: np.ndarray
) -> Path:
    """Write index.html with its pictures, and calibration.json; returns the page.

    Args:
        folder: is there.
        name: of the camera.
        calibration: what was found.
        board: that was used.
        sample: one of the images (H, W) uint8.

    """
    illustrations = _camera_pictures(folder, name, calibration, sample)
    page = folder / "index.html"
    write_page(
        page,
        f"Calibration of {name}",
        f"{len(calibration.views)} views of a {board.what}. {name}.yaml is for the camera's driver "
        "(camera_info_url).",
        camera_figures(calibration),
        illustrations,
        remarks=calibration.remarks,
        closing_html=_rejected_html(calibration.rejected),
    )
    _write_json(folder, {name: camera_json(calibration)})
    return page


def write_stereo_report(
    folder: Path,
    names: Sequence[str],
    calibration: StereoCalibration,
    board: Board,
    samples: Sequence[np.ndarray],
) -> Path:
    """Write index.html with its pictures, and calibration.json; returns the page."""
    pair = draw_rectified_pair(samples[0], samples[1], calibration.left, calibration.right)
    write_picture(folder / "rectified.jpg", pair)
    illustrations = [
        Illustration("rectified.jpg", "Both images rectified: a line crosses the same on both.")
    ]
    sides = (calibration.left_calibration, calibration.right_calibration)
    figures = stereo_figures(calibration)
    for name, side, sample in zip(names, sides, samples, strict=True):
        illustrations += _camera_pictures(folder, name, side, sample)
        figures |= {f"{name}: {key}": value for key, value in camera_figures(side).items()}
    page = folder / "index.html"
    write_page(
        page,
        f"Stereo calibration of {names[0]} and {names[1]}",
        f"{len(sides[0].views)} pairs of views of a {board.what}.",
        figures,
        illustrations,
        remarks=[
            *calibration.remarks,
            *(f"{name}: {r}" for name, s in zip(names, sides, strict=True) for r in s.remarks),
        ],
        closing_html=_rejected_html(calibration.rejected),
    )
    content = {name: camera_json(side) for name, side in zip(names, sides, strict=True)}
    content["pair"] = {
        "rms_px": calibration.rms_px,
        "left_from_right": transform_json(calibration.left_from_right),
        "baseline_m": calibration.baseline_m,
        "sigmas": calibration.sigmas,
        "remarks": calibration.remarks,
    }
    _write_json(folder, content)
    return page


def write_hand_eye_report(
    folder: Path,
    frames: tuple[str, str],
    calibration: HandEyeCalibration,
    board: Board,
    sample: np.ndarray,
) -> Path:
    """Write index.html with its pictures, and calibration.json; returns the page."""
    parent, child = frames
    plot_residuals(calibration.views, folder / "residuals.png", child)
    write_picture(folder / "coverage.jpg", draw_coverage(calibration.views, sample))
    page = folder / "index.html"
    write_page(
        page,
        f"Place of {child} on {parent}",
        f"{len(calibration.views)} views of a {board.what}, with the robot's own motion. "
        "extrinsics.yaml is for the camera node.",
        hand_eye_figures(calibration),
        [
            Illustration("residuals.png", _RESIDUALS_CAPTION),
            Illustration("coverage.jpg", "The corners of all views, one colour a view."),
        ],
        closing_html=_rejected_html(calibration.rejected),
    )
    content = {
        "parent_frame": parent,
        "child_frame": child,
        "rms_px": calibration.rms_px,
        "parent_from_camera": transform_json(calibration.parent_from_camera),
        "anchor_from_board": transform_json(calibration.anchor_from_board),
        "sigmas": calibration.sigmas,
        "robot_sigmas": {"m": calibration.robot_sigmas[0], "rad": calibration.robot_sigmas[1]},
        "rejected": dict(calibration.rejected),
    }
    _write_json(folder, content)
    return page


def camera_figures(calibration: CameraCalibration) -> dict[str, str]:
    """What was found, in words."""
    figures = {
        name: f"{value:.{2 if unit else 5}f} ± {sigma:.{2 if unit else 5}f} {unit}".strip()
        for name, value, sigma, unit in _intrinsics(calibration)
    }
    low, high = calibration.coverage.sizes
    return {
        "reprojection error (RMS)": f"{calibration.rms_px:.3f} px",
        "model": calibration.camera.distortion_model,
        **figures,
        "image covered": f"{calibration.coverage.share:.0%}",
        "board size": f"{low:.0%} to {high:.0%} of the image",
        "tilt between views": f"up to {calibration.tilt_deg:.0f} degrees",
    }


def stereo_figures(calibration: StereoCalibration) -> dict[str, str]:
    """What was found, in words."""
    return {
        "reprojection error (RMS)": f"{calibration.rms_px:.3f} px",
        "baseline": f"{calibration.baseline_m * 1e3:.2f} mm",
        **_pose_figures("right in left: ", calibration.left_from_right, calibration.sigmas),
    }


def hand_eye_figures(calibration: HandEyeCalibration) -> dict[str, str]:
    """What was found, in words."""
    shift_m, turn_rad = calibration.robot_sigmas
    return {
        "reprojection error (RMS)": f"{calibration.rms_px:.3f} px",
        **_pose_figures("", calibration.parent_from_camera, calibration.sigmas),
        "the robot's own poses": f"± {shift_m * 1e3:.2f} mm, ± {np.degrees(turn_rad):.3f} degrees",
    }


def transform_json(transform: Transform) -> dict[str, list[float]]:
    """A transform as plain numbers."""
    return {
        "translation_m": transform.translation.tolist(),
        "rotation_quaternion_xyzw": transform.quaternion_xyzw.tolist(),
    }


def camera_json(calibration: CameraCalibration) -> dict[str, Any]:
    """A camera as plain numbers."""
    return {
        "rms_px": calibration.rms_px,
        "resolution_wh": list(calibration.camera.resolution_wh),
        "distortion_model": calibration.camera.distortion_model,
        "values": {name: value for name, value, _, _ in _intrinsics(calibration)},
        "sigmas": calibration.sigmas,
        "coverage": calibration.coverage.share,
        "tilt_deg": calibration.tilt_deg,
        "views": {each.view.name: each.rms_px for each in calibration.views},
        "rejected": dict(calibration.rejected),
        "remarks": calibration.remarks,
    }


def _intrinsics(calibration: CameraCalibration) -> list[tuple[str, float, float, str]]:
    """Name, value, standard deviation and unit of each."""
    camera = calibration.camera
    values = [camera.fx, camera.fy, camera.cx, camera.cy, *camera.D.tolist()]
    units = ["px"] * 4 + [""] * camera.D.size
    sigmas = calibration.sigmas
    return list(zip(sigmas, values, sigmas.values(), units, strict=True))


def _pose_figures(of: str, pose: Transform, sigmas: Mapping[str, float]) -> dict[str, str]:
    places = zip("xyz", pose.translation * 1e3, strict=True)
    angles = zip("xyz", ROTATIONS["rpy_deg"].write(pose.rotation), strict=True)
    figures = {
        f"{of}{axis}": f"{value:.2f} ± {sigmas[axis] * 1e3:.2f} mm" for axis, value in places
    }
    return figures | {
        f"{of}{name}": f"{value:.3f} ± {np.degrees(sigmas[f'r{axis}']):.3f} degrees"
        for name, (axis, value) in zip(("roll", "pitch", "yaw"), angles, strict=True)
    }


def _camera_pictures(
    folder: Path, name: str, calibration: CameraCalibration, sample: np.ndarray
) -> list[Illustration]:
    files = {kind: f"{name}_{kind}" for kind in ("residuals.png", "coverage.jpg", "flat.jpg")}
    plot_residuals(calibration.views, folder / files["residuals.png"], name)
    write_picture(folder / files["coverage.jpg"], draw_coverage(calibration.views, sample))
    write_picture(folder / files["flat.jpg"], draw_undistorted(sample, calibration.camera))
    return [
        Illustration(files["residuals.png"], _RESIDUALS_CAPTION),
        Illustration(
            files["flat.jpg"],
            f"{name}: an image as it comes, and rectified; the lines are straight.",
        ),
        Illustration(
            files["coverage.jpg"], f"{name}: the corners of all views, one colour a view."
        ),
    ]


def _rejected_html(rejected: list[tuple[str, str]]) -> str:
    if not rejected:
        return ""
    rows = "".join(f"<li>{html.escape(name)}: {html.escape(why)}</li>" for name, why in rejected)
    return f"<p>Left out:</p><ul>{rows}</ul>\n"


def _write_json(folder: Path, content: Mapping[str, Any]) -> None:
    (folder / "calibration.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
