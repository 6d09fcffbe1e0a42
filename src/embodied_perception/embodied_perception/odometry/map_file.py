"""Maps in files: what a :class:`PlaceMap` holds, as one .npz of plain arrays.

Nothing in a file is trusted: it is read without pickles, is no larger than the map may be, and each
number is checked before any is used.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO
from zipfile import ZIP_STORED

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from embodied_perception.camera import Camera
from embodied_perception.errors import CameraError, GeometryError, OdometryError
from embodied_perception.features.extraction import Features
from embodied_perception.features.words import Vocabulary
from embodied_perception.geometry import Transform
from embodied_perception.geometry.pose import Noise
from embodied_perception.odometry.config import OdometryConfig
from embodied_perception.odometry.places import MapContents, Place, most_places
from embodied_perception.odometry.pose_graph import Edge

FORMAT = "embodied_perception place map"
VERSION = 1
_PLACE_BYTES = 100_000  # of a place with its edges, at the most: twice what 500 features take
_HEAD_BYTES = 100_000
_ORB_BYTES = 32
_ZIP_MAGIC = b"PK\x03\x04"
_ROUNDING = 1e-9
_DAMAGED = "the file is damaged: make the map anew"
_TEXTS = ("format", "vocabulary", "distortion_model")
#: Type and shape of each array. P places show F features in all, and W words; E edges join them.
_ARRAYS: dict[str, tuple[type, tuple[int | str, ...]]] = {
    "resolution_wh": (np.int64, (2,)),
    "K": (np.float64, (3, 3)),
    "D": (np.float64, ("D",)),
    "stamps_ns": (np.int64, ("P",)),
    "map_from_camera": (np.float64, ("P", 4, 4)),
    "noise": (np.float64, ("P", 2)),
    "feature_counts": (np.int64, ("P",)),
    "pixels": (np.float32, ("F", 2)),
    "sizes": (np.float32, ("F",)),
    "angles": (np.float32, ("F",)),
    "responses": (np.float32, ("F",)),
    "descriptors": (np.uint8, ("F", _ORB_BYTES)),
    "points": (np.float64, ("F", 3)),
    "word_counts": (np.int64, ("P",)),
    "words": (np.int64, ("W",)),
    "weights": (np.float64, ("W",)),
    "edges": (np.int64, ("E", 2)),
    "first_from_second": (np.float64, ("E", 4, 4)),
    "covariances": (np.float64, ("E", 6, 6)),
    "is_loop": (np.bool_, ("E",)),
}


def write_map(path: Path, contents: MapContents, vocabulary: Vocabulary) -> None:
    """Write a map in one step: the file is whole, or what it was before.

    Raises:
        OdometryError: it cannot be written, or would replace something that is no map.

    """
    arrays: dict[str, Any] = {
        name: np.asarray(values, dtype=_ARRAYS[name][0])
        for name, values in _arrays_of(contents).items()
    }
    arrays |= {
        "format": FORMAT,
        "version": np.int64(VERSION),
        "vocabulary": _identity(vocabulary),
        "distortion_model": contents.camera.distortion_model,
    }
    try:
        if path.exists() and not _is_map(path):
            raise OdometryError(
                f"{path}: is there and is no map, so it stays; give another name, or remove it"
            )
        with NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.", delete=False) as file:
            part = Path(file.name)
            try:
                os.fchmod(file.fileno(), 0o644)  # as an ordinary file; a temporary one is secret
                np.savez(file, **arrays)
                file.flush()
                os.fsync(file.fileno())
                part.replace(path)
            except BaseException:
                with suppress(OSError):
                    part.unlink()
                raise
    except (OSError, ValueError) as error:  # a ValueError for a path that holds a zero
        raise OdometryError(
            f"{path}: cannot be written: {_reason(error)}; give a file in a folder that exists and "
            "may be written to"
        ) from error


def read_map(path: Path, config: OdometryConfig, vocabulary: Vocabulary) -> MapContents:
    """Read what :func:`write_map` wrote, and check all of it.

    Args:
        path: of the file.
        config: of odometry; says how many places a map may hold.
        vocabulary: whose words the places must have.

    Raises:
        OdometryError: it is missing, no such map, damaged, too large, or of another vocabulary.

    """
    try:
        if not path.is_file():
            raise OdometryError(f"{path}: no such file; give one that ~/save_map wrote")
        with path.open("rb") as file:
            _check_size(path, os.fstat(file.fileno()).st_size, config)
            arrays = _load(file)
    except OdometryError:
        raise
    except Exception as error:  # NumPy, zipfile and what they use have many for damaged files
        raise OdometryError(
            f"{path}: cannot be read: {_reason(error)}; the file is damaged, or no map: give one "
            "that ~/save_map wrote"
        ) from error
    try:
        _check_head(arrays, config, vocabulary)
        sizes = _check_arrays(arrays)
        _check_values(arrays, sizes, len(vocabulary))
        return _contents_of(arrays, sizes["P"])
    except (OdometryError, CameraError, GeometryError) as error:
        raise OdometryError(f"{path}: {error}") from error


def require_same_camera(contents: MapContents, camera: Camera) -> None:
    """Refuse a map that another camera made, or this one with another calibration.

    Raises:
        OdometryError: says how they differ.

    """
    made_by = contents.camera
    if made_by.same_view(camera):
        return
    raise OdometryError(
        f"the map is of another camera: {_described(made_by)}; this one is {_described(camera)}; "
        "use the calibration and the resolution that it was made with, or make a new map"
    )


# Between contents and arrays.


def _arrays_of(contents: MapContents) -> dict[str, Any]:
    camera, places, edges = contents.camera, contents.places, contents.edges
    features = [place.features for place in places]
    # An image without features has no descriptors of any kind.
    descriptors = [each.descriptors for each in features if len(each)]
    bags = [place.bag for place in places]
    return {
        "resolution_wh": camera.resolution_wh,
        "K": camera.K,
        "D": camera.D,
        "stamps_ns": [place.stamp_ns for place in places],
        "map_from_camera": [pose.matrix for pose in contents.map_from_camera],
        "noise": [(place.noise.pixel_px, place.noise.inverse_depth) for place in places],
        "feature_counts": [len(each) for each in features],
        "pixels": np.concatenate([each.pixels for each in features]),
        "sizes": np.concatenate([each.sizes for each in features]),
        "angles": np.concatenate([each.angles for each in features]),
        "responses": np.concatenate([each.responses for each in features]),
        "descriptors": np.concatenate([np.zeros((0, _ORB_BYTES), np.uint8), *descriptors]),
        "points": np.concatenate([place.points for place in places]),
        "word_counts": [len(bag) for bag in bags],
        "words": [word for bag in bags for word in bag],
        "weights": [weight for bag in bags for weight in bag.values()],
        "edges": np.reshape([(edge.first, edge.second) for edge in edges], (-1, 2)),
        "first_from_second": np.reshape(
            [edge.first_from_second.matrix for edge in edges], (-1, 4, 4)
        ),
        "covariances": np.reshape([edge.covariance for edge in edges], (-1, 6, 6)),
        "is_loop": [edge.is_loop for edge in edges],
    }


def _contents_of(arrays: dict[str, np.ndarray], count: int) -> MapContents:
    width, height = arrays["resolution_wh"].tolist()
    camera = Camera(width, height, arrays["K"], str(arrays["distortion_model"]), arrays["D"])
    of_features = _ranges(arrays["feature_counts"])
    of_words = _ranges(arrays["word_counts"])
    places = []
    for slot in range(count):
        shown, said = of_features[slot], of_words[slot]
        features = Features(
            arrays["pixels"][shown],
            arrays["sizes"][shown],
            arrays["angles"][shown],
            arrays["responses"][shown],
            arrays["descriptors"][shown],
            camera.resolution_wh,
        )
        words, weights = arrays["words"][said].tolist(), arrays["weights"][said].tolist()
        places.append(
            Place(
                int(arrays["stamps_ns"][slot]),
                features,
                arrays["points"][shown],
                dict(zip(words, weights, strict=True)),
                Noise(*arrays["noise"][slot].tolist()),
            )
        )
    edges = [
        Edge(first, second, _pose("first_from_second", motion), covariance, bool(is_loop))
        for (first, second), motion, covariance, is_loop in zip(
            arrays["edges"].tolist(),
            arrays["first_from_second"],
            arrays["covariances"],
            arrays["is_loop"],
            strict=True,
        )
    ]
    poses = [_pose("map_from_camera", matrix) for matrix in arrays["map_from_camera"]]
    return MapContents(camera, tuple(places), tuple(poses), tuple(edges))


def _ranges(counts: np.ndarray) -> list[slice]:
    ends = np.cumsum(counts).tolist()
    return [slice(end - count, end) for end, count in zip(ends, counts.tolist(), strict=True)]


def _pose(name: str, matrix: np.ndarray) -> Transform:
    try:
        return Transform.from_matrix(matrix)
    except GeometryError as error:
        raise GeometryError(f"{name}: {error}; {_DAMAGED}") from error


# Checks.


def _check_size(path: Path, size: int, config: OdometryConfig) -> None:
    """Before anything is read."""
    places = most_places(config)
    most = _HEAD_BYTES + places * _PLACE_BYTES
    if size > most:
        raise OdometryError(
            f"{path}: got {size / 1e6:.0f} MB, at most {most / 1e6:.0f} MB are read for the "
            f"{places} places that the parameter `places` allows: raise it"
        )


def _is_map(path: Path) -> bool:
    if not path.is_file():  # a pipe would be waited for
        return False
    try:
        with path.open("rb") as file:
            return _text(_load(file, ("format",)), "format") == FORMAT
    except Exception:  # as in read_map
        return False


def _load(
    file: BinaryIO, wanted: Collection[str] = ("version", *_TEXTS, *_ARRAYS)
) -> dict[str, np.ndarray]:
    head = file.read(len(_ZIP_MAGIC))
    file.seek(0)
    if head != _ZIP_MAGIC:
        raise ValueError("it does not begin as an .npz file")
    with np.load(file, allow_pickle=False) as archive:
        # Packed ones could be larger than the file.
        if any(entry.compress_type != ZIP_STORED for entry in archive.zip.infolist()):
            raise ValueError("it is compressed, which no map is")
        return {name: np.asarray(archive[name]) for name in wanted if name in archive.files}


def _check_head(
    arrays: dict[str, np.ndarray], config: OdometryConfig, vocabulary: Vocabulary
) -> None:
    if _text(arrays, "format") != FORMAT:
        raise OdometryError("is no map of places; give a file that ~/save_map wrote")
    version = arrays.get("version", np.zeros(0))
    if version.shape != () or version.dtype != np.int64 or version != VERSION:
        raise OdometryError(
            f"got version {version.tolist()} of the format, this program reads {VERSION}: make the "
            "map anew, or use the program that wrote it"
        )
    if _text(arrays, "vocabulary") != _identity(vocabulary):
        raise OdometryError(
            "its words are of another vocabulary than this program's: make the map anew"
        )
    count, most = arrays.get("stamps_ns", np.zeros(0)).size, most_places(config)
    if count > most:
        raise OdometryError(
            f"holds {count} places, the parameter `places` allows {most}: set it to {count} or more"
        )


def _check_arrays(arrays: dict[str, np.ndarray]) -> dict[str, int]:
    """Types and shapes; returns what the letters of the shapes stand for."""
    sizes: dict[str, int] = {}
    for name, (kind, shape) in _ARRAYS.items():
        if name not in arrays:
            raise OdometryError(f"{name} is missing; {_DAMAGED}")
        got = arrays[name]
        fits = got.ndim == len(shape) and got.dtype == kind
        expected = tuple(
            sizes.setdefault(letter, got.shape[axis])
            if fits and isinstance(letter, str)
            else letter
            for axis, letter in enumerate(shape)
        )
        if not fits or got.shape != expected:
            raise OdometryError(
                f"{name}: got {got.dtype} of shape {got.shape}, expected "
                f"{np.dtype(kind)} of shape {expected}; {_DAMAGED}"
            )
        if got.dtype.kind == "f" and not np.isfinite(got).all():
            raise OdometryError(f"{name}: holds numbers that are not finite; {_DAMAGED}")
    if not sizes["P"]:
        raise OdometryError(f"holds no place; {_DAMAGED}")
    return sizes


def _check_values(arrays: dict[str, np.ndarray], sizes: dict[str, int], words: int) -> None:
    """What arrays say of each other, and numbers that have a range."""
    for counts, total in (("feature_counts", "F"), ("word_counts", "W")):
        # Each is bounded too, as a sum of huge numbers may come out small.
        _require(counts, np.abs(arrays[counts] - sizes[total] / 2) <= sizes[total] / 2)
        _require(counts, arrays[counts].sum() == sizes[total])
    _require("words", (arrays["words"] >= 0) & (arrays["words"] < words))
    _require("weights", (arrays["weights"] > 0) & (arrays["weights"] <= 1 + _ROUNDING))
    _require("noise", arrays["noise"] > 0)
    _require("points", arrays["points"][:, 2] > 0)
    _require("resolution_wh", arrays["resolution_wh"] > 0)
    edges, covariances = arrays["edges"], arrays["covariances"]
    _require("edges", (edges >= 0) & (edges < sizes["P"]))
    _require("edges", edges[:, 0] != edges[:, 1])
    mirrored = np.abs(covariances - covariances.transpose(0, 2, 1))
    largest = np.abs(covariances).max(axis=(1, 2), initial=0)
    _require("covariances", mirrored.max(axis=(1, 2), initial=0) <= _ROUNDING * largest)
    _require("covariances", np.linalg.eigvalsh(covariances)[:, 0] >= -_ROUNDING * largest)
    joined = coo_matrix((np.ones(len(edges)), edges.T), (sizes["P"], sizes["P"]))
    if connected_components(joined, directed=False)[0] != 1:
        raise OdometryError(f"edges: do not join all places; {_DAMAGED}")


def _require(name: str, holds: Any) -> None:
    if not np.all(holds):
        raise OdometryError(f"{name}: holds numbers that make no sense; {_DAMAGED}")


def _text(arrays: dict[str, np.ndarray], name: str) -> str:
    """A string; empty where it is none."""
    value = arrays.get(name, np.zeros(0))
    return str(value) if value.shape == () and value.dtype.kind == "U" else ""


def _identity(vocabulary: Vocabulary) -> str:
    digest = hashlib.sha256()
    for part in (vocabulary.centres, vocabulary.weights):
        digest.update(f"{part.dtype} {part.shape}".encode())
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _described(camera: Camera) -> str:
    return (
        f"{camera.width}x{camera.height}, fx {camera.fx:.6g}, fy {camera.fy:.6g}, "
        f"cx {camera.cx:.6g}, cy {camera.cy:.6g}, {camera.distortion_model} {camera.D.tolist()}"
    )


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
