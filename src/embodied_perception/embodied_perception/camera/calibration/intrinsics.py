"""Intrinsics of one camera from views of a board.

Z. Zhang, A Flexible New Technique for Camera Calibration, PAMI 2000: a first guess from the
board's homographies, then all unknowns at once, so that predicted corners come as close as they can
to those that were seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from embodied_perception.camera.calibration.bundle import (
    BundleResult,
    Observation,
    Rig,
    adjust,
)
from embodied_perception.camera.calibration.views import Coverage, View, spread
from embodied_perception.camera.model import Camera
from embodied_perception.errors import CameraError
from embodied_perception.geometry import Transform

#: How many coefficients are found of each model.
COEFFICIENTS = {"plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}

LEAST_VIEWS = 4
_GUESSED_VIEWS = 10  # as many are enough to choose between first guesses
_GUESSED_STEPS = 8
_GOOD_GUESS_PX = 1.0
# Focal lengths to begin with, in parts of the image's diagonal: from a fisheye to a telephoto lens.
_FOCAL_GUESSES = (0.25, 0.4, 0.6, 0.9, 1.4, 2.5)
_BAD_VIEW = 3.0  # a view that fits so many times worse than the median one is left out
_LEAST_BAD_PX = 0.3  # whatever fits better is good
_LEAST_TILT_DEG = 10.0  # between two views at least: else distance passes for focal length
_MOST_FOCAL_SIGMA = 0.03
_MOST_BENT = 0.1  # of the board's size, by distortion; wrongly numbered points are farther off
_MOST_RMS_PX = 1.0  # what sharp images of a flat board stay below
_RAYS = (33, 25)  # places across and down the image where a ray must be
_MOST_WEIGHT = 0.02  # of the focal length, that one view may decide
_LEAST_COVERAGE = 0.6


@dataclass(frozen=True, eq=False)
class CalibratedView:
    """What the calibration makes of a view.

    Attributes:
        view: the view.
        camera_from_board: where the board was.
        residuals: (N, 2) pixels, predicted minus seen.

    """

    view: View
    camera_from_board: Transform
    residuals: np.ndarray

    @property
    def rms_px(self) -> float:
        """Root mean square distance between prediction and image."""
        return float(np.sqrt((self.residuals**2).sum(axis=1).mean()))


@dataclass(frozen=True, eq=False)
class CameraCalibration:
    """A calibrated camera.

    Attributes:
        camera: the intrinsics.
        sigmas: standard deviation of each unknown, by name: pixels, and plain numbers.
        views: those that were used.
        rejected: (name, why) of those that were not.
        remarks: what makes the calibration weaker than it could be, a sentence each.

    """

    camera: Camera
    sigmas: dict[str, float]
    views: list[CalibratedView]
    rejected: list[tuple[str, str]]
    remarks: list[str]

    @property
    def rms_px(self) -> float:
        """Root mean square distance between predictions and images, over all points."""
        squares = np.concatenate([each.residuals for each in self.views]) ** 2
        return float(np.sqrt(squares.sum(axis=1).mean()))

    @property
    def coverage(self) -> Coverage:
        """How much of the image the views cover."""
        return Coverage.of([each.view for each in self.views])

    @property
    def tilt_deg(self) -> float:
        """The largest angle between two views' boards."""
        return largest_tilt_deg([each.camera_from_board for each in self.views])


def calibrate_camera(views: Sequence[View], model: str = "plumb_bob") -> CameraCalibration:
    """Find a camera's intrinsics and distortion.

    Args:
        views: of one board, all of one size; 15 that cover the image are good.
        model: ``plumb_bob``, ``rational_polynomial`` (wide lenses) or ``equidistant`` (fisheye).

    Raises:
        CameraError: too few views, of several sizes, or so alike that they determine no camera.

    """
    if model not in COEFFICIENTS:
        raise CameraError(
            f"calibration: no distortion model is called {model!r}; there are: "
            f"{', '.join(COEFFICIENTS)}"
        )
    resolution_wh = common_size(views)
    kept = [view for view in views if _is_flat(view)]
    rejected = [(view.name, "shows no flat board") for view in views if not _is_flat(view)]
    _require_count(len(kept), len(views))
    while True:
        rig = first_guess(kept, resolution_wh, model)
        result = adjust(rig, observations_of([kept]))
        bad = worst_view(result.residuals)
        if bad is None:
            break
        rejected.append((kept[bad].name, _too_bad(result, bad)))
        del kept[bad]
        _require_count(len(kept), len(views))
    calibrated = [
        CalibratedView(*each)
        for each in zip(kept, result.rig.rig_from_board, result.residuals, strict=True)
    ]
    camera, sigmas = result.rig.cameras[0], sigmas_of(result, 0)
    calibration = CameraCalibration(
        camera, sigmas, calibrated, rejected, _remarks(calibrated, result)
    )
    _require_determined(calibration)
    return calibration


def common_size(views: Sequence[View]) -> tuple[int, int]:
    """Width and height of all views.

    Raises:
        CameraError: they differ, or there are no views.

    """
    sizes = {view.resolution_wh: view.name for view in views}
    if not sizes:
        raise CameraError("calibration: no image shows the board")
    if len(sizes) > 1:
        told = ", ".join(f"{name} is {w}x{h}" for (w, h), name in sizes.items())
        raise CameraError(f"calibration: images of several sizes: {told}; take those of one size")
    return next(iter(sizes))


def observations_of(views_of_cameras: Sequence[Sequence[View]]) -> list[Observation]:
    """What each camera of a rig saw; the k-th views of all cameras belong together."""
    return [
        Observation(camera, place, view.points, view.pixels)
        for camera, views in enumerate(views_of_cameras)
        for place, view in enumerate(views)
    ]


def sigmas_of(result: BundleResult, camera: int) -> dict[str, float]:
    """Standard deviations of one camera's unknowns, by name."""
    deviations = np.sqrt(np.diag(result.covariance))
    return {
        name.partition(".")[2]: float(sigma)
        for name, sigma in zip(result.names, deviations, strict=True)
        if name.startswith(f"{camera}.")
    }


def pose_of_board(camera: Camera, view: View) -> Transform:
    """camera_from_board from one view (IPPE: T. Collins, A. Bartoli, IJCV 2014).

    Raises:
        CameraError: the points do not fit any pose.

    """
    rays = camera.unproject(view.pixels)
    seen = np.isfinite(rays).all(axis=1)
    if seen.sum() < 4:
        raise CameraError(f"{view.name}: the board is outside of what the lens shows")
    found, turn, place = cv2.solvePnP(
        view.points[seen], rays[seen, :2], np.eye(3), None, flags=cv2.SOLVEPNP_IPPE
    )
    if not found or not np.isfinite([turn, place]).all() or place[2, 0] <= 0:
        raise CameraError(f"{view.name}: the board has no pose that fits")
    return Transform.from_rotation_vector(turn.ravel(), place.ravel())


def largest_tilt_deg(poses: Sequence[Transform]) -> float:
    """The largest angle between the boards of two views, by their normals."""
    normals = np.array([pose.rotation[:, 2] for pose in poses])
    return math.degrees(math.acos(np.clip((normals @ normals.T).min(), -1, 1)))


def first_guess(views: Sequence[View], resolution_wh: tuple[int, int], model: str) -> Rig:
    """Begin with the focal length from which the fit goes farthest in a few steps.

    Raises:
        CameraError: the board fits nowhere.

    """
    width, height = resolution_wh
    some = [views[place] for place in spread(views, _GUESSED_VIEWS)]
    diagonal = math.hypot(width, height)
    guesses = [part * diagonal for part in _FOCAL_GUESSES]
    by_homographies = _focal_by_homographies(some, resolution_wh)
    if by_homographies is not None:
        guesses.insert(0, by_homographies)
    best: tuple[float, Camera] | None = None
    for focal_px in guesses:
        K = np.array([[focal_px, 0, (width - 1) / 2], [0, focal_px, (height - 1) / 2], [0, 0, 1]])
        camera = Camera(width, height, K, model, np.zeros(COEFFICIENTS[model]))
        try:
            rig = _placed(camera, some)
            result = adjust(rig, observations_of([some]), most_steps=_GUESSED_STEPS)
        except CameraError:
            continue
        if best is None or result.rms_px < best[0]:
            best = result.rms_px, result.rig.cameras[0]
        if best[0] < _GOOD_GUESS_PX:
            break
    if best is None:
        raise CameraError(
            f"calibration: no camera with model {model} could have seen these boards; is the "
            "board's size right?"
        )
    return _placed(best[1], views)


def _placed(camera: Camera, views: Sequence[View]) -> Rig:
    poses = tuple(pose_of_board(camera, view) for view in views)
    return Rig((camera,), (Transform.identity(),), poses)


def _focal_by_homographies(views: Sequence[View], resolution_wh: tuple[int, int]) -> float | None:
    """Zhang's closed form for square pixels and a centred principal point; None if untold.

    With the centre moved to the origin, the image of the absolute conic is diag(1, 1, f^2), and
    h1' w h2 = 0, h1' w h1 = h2' w h2 are linear in f^2 (equations 3 and 4).
    """
    centre = (np.array(resolution_wh) - 1) / 2
    rows, rights = [], []
    for view in views:
        H, _ = cv2.findHomography(view.points[:, :2], view.pixels - centre)
        if H is None:
            continue
        h1, h2 = (H / np.linalg.norm(H)).T[:2]
        rows += [h1[2] * h2[2], h1[2] ** 2 - h2[2] ** 2]
        rights += [-(h1[:2] @ h2[:2]), h2[:2] @ h2[:2] - h1[:2] @ h1[:2]]
    squared = float(np.dot(rows, rights) / max(np.dot(rows, rows), 1e-300)) if rows else 0.0
    return math.sqrt(squared) if squared > 0 else None


def worst_view(residuals: Sequence[np.ndarray]) -> int | None:
    """The place of the view that fits far worse than the others, if there is one."""
    rms = np.array([math.sqrt((each**2).sum(axis=1).mean()) for each in residuals])
    worst = int(rms.argmax())
    limit = max(_BAD_VIEW * float(np.median(rms)), _LEAST_BAD_PX)
    return worst if len(rms) > 1 and rms[worst] > limit else None


def _is_flat(view: View) -> bool:
    """Whether the points lie about as those of a flat board do, through whatever lens."""
    H, _ = cv2.findHomography(view.points[:, :2], view.pixels)
    if H is None:
        return False
    mapped = cv2.perspectiveTransform(view.points[None, :, :2], H)[0]
    off_px = np.linalg.norm(mapped - view.pixels, axis=1).mean()
    return bool(off_px < _MOST_BENT * np.linalg.norm(np.ptp(view.pixels, axis=0)))


def _too_bad(result: BundleResult, view: int) -> str:
    rms_px = math.sqrt((result.residuals[view] ** 2).sum(axis=1).mean())
    return f"does not fit the others: {rms_px:.2f} px, against {result.rms_px:.2f} px of all"


def _remarks(calibrated: Sequence[CalibratedView], result: BundleResult) -> list[str]:
    remarks = []
    if result.rms_px > _MOST_RMS_PX:
        remarks.append(
            f"corners are {result.rms_px:.1f} px (RMS) from where they should be, expected less "
            f"than {_MOST_RMS_PX:g}: is the board flat, are the images sharp, does --model suit?"
        )
    camera = result.rig.cameras[0]
    blind = _without_ray(camera)
    if blind:
        remarks.append(
            f"{blind:.0%} of the image has no ray by this {camera.distortion_model} model, which "
            "was bent too far where no corner was: show the board at the edges, or take plumb_bob"
        )
    focal_px = camera.fx
    changes = np.abs(result.without[:, result.names.index("0.fx")]) / focal_px
    weightiest = int(changes.argmax())
    if changes[weightiest] > _MOST_WEIGHT:
        remarks.append(
            f"the focal length rests on {calibrated[weightiest].view.name}: without it, it would "
            f"be another by about {changes[weightiest]:.0%}; show the board tilted more often"
        )
    share = Coverage.of([each.view for each in calibrated]).share
    if share < _LEAST_COVERAGE:
        remarks.append(
            f"only {share:.0%} of the image was covered: where no corner was, distortion is a "
            "guess; show the board at the edges too"
        )
    return remarks


def _without_ray(camera: Camera) -> float:
    """Share of the image's pixels that look nowhere."""
    across, down = (
        np.linspace(0, n - 1, count) for n, count in zip(camera.resolution_wh, _RAYS, strict=True)
    )
    rays = camera.unproject(np.stack(np.meshgrid(across, down), axis=-1))
    return float(np.isnan(rays).any(axis=-1).mean())


def _require_count(kept: int, given: int) -> None:
    if kept < LEAST_VIEWS:
        raise CameraError(
            f"calibration: {kept} of {given} views can be used, expected {LEAST_VIEWS} at least, "
            "and better 15: show the board in all parts of the image, near and far, and tilted"
        )


def _require_determined(calibration: CameraCalibration) -> None:
    """Refuse views that any focal length would fit."""
    relative = calibration.sigmas["fx"] / calibration.camera.fx
    tilt_deg = calibration.tilt_deg
    if tilt_deg < _LEAST_TILT_DEG or not relative < _MOST_FOCAL_SIGMA:
        raise CameraError(
            f"calibration: the views are too much alike: the board's tilt differs by "
            f"{tilt_deg:.0f} degrees, and the focal length is uncertain by {relative:.1%}; tilt "
            "the board by 20 to 40 degrees to all sides, and show it near and far"
        )
