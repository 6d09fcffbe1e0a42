"""Calibration files in the YAML format of ROS' camera_calibration_parsers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from embodied_perception.camera.model import Camera
from embodied_perception.errors import CameraError


def read_camera_info_yaml(path: str | Path) -> tuple[Camera, str]:
    """Read a calibration file; return the camera and its name (empty where the file has none).

    The rectification and projection matrices may be left out: a single camera needs none.

    Raises:
        CameraError: the file cannot be read, or a key is missing or makes no sense; the message
            names file and key.

    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CameraError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(content, dict):
        raise CameraError(f"{path}: got {type(content).__name__}, expected keys and values")
    model = content.get("distortion_model", "plumb_bob")
    width, height = (_pixels(path, content, key) for key in ("image_width", "image_height"))
    K = _matrix(path, content, "camera_matrix", (3, 3))
    D = _matrix(path, content, "distortion_coefficients", None).ravel()
    R, P = np.eye(3), np.zeros(0)
    if "rectification_matrix" in content:
        R = _matrix(path, content, "rectification_matrix", (3, 3))
    if "projection_matrix" in content:
        P = _matrix(path, content, "projection_matrix", (3, 4))
    try:
        camera = Camera(width, height, K, str(model), D, R, P)
    except CameraError as error:
        raise CameraError(f"{path}: {error}") from error
    return camera, str(content.get("camera_name", ""))


def write_camera_info_yaml(path: str | Path, camera: Camera, camera_name: str) -> None:
    """Write the full-resolution calibration; the format has no binning and no region.

    Raises:
        CameraError: the file cannot be written.

    """
    content = {
        "image_width": camera.width,
        "image_height": camera.height,
        "camera_name": camera_name,
        "camera_matrix": _entry(camera.K),
        "distortion_model": camera.distortion_model,
        "distortion_coefficients": _entry(camera.D[None]),
        "rectification_matrix": _entry(camera.R),
        "projection_matrix": _entry(camera.P),
    }
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, allow_unicode=True)
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CameraError(f"{path}: cannot be written: {error}") from error


def _entry(matrix: np.ndarray) -> dict[str, Any]:
    rows, columns = matrix.shape
    return {"rows": rows, "cols": columns, "data": matrix.ravel().tolist()}


def _value(path: Path, content: dict[str, Any], key: str) -> Any:
    if key not in content:
        raise CameraError(f"{path}: {key} is missing; the file has {', '.join(map(str, content))}")
    return content[key]


def _pixels(path: Path, content: dict[str, Any], key: str) -> int:
    value = _value(path, content, key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise CameraError(f"{path}: {key}: got {value!r}, expected a number of pixels")
    return value


def _matrix(
    path: Path, content: dict[str, Any], key: str, shape: tuple[int, int] | None
) -> np.ndarray:
    """Read ``{rows, cols, data}``; a shape of None takes what the file states."""
    entry = _value(path, content, key)
    try:
        stated = (int(entry["rows"]), int(entry["cols"]))
        data = np.array(entry["data"], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise CameraError(
            f"{path}: {key}: got {entry!r}, expected rows, cols and data (a list of numbers)"
        ) from error
    if data.shape != (stated[0] * stated[1],) or stated != (shape or stated):
        wanted = f"{shape[0]} x {shape[1]}" if shape else f"{stated[0]} x {stated[1]}"
        raise CameraError(
            f"{path}: {key}: got rows {stated[0]}, cols {stated[1]} and data of shape "
            f"{data.shape}, expected {wanted} numbers in one list"
        )
    return data.reshape(stated)
