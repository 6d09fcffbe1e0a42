"""Places that a camera has seen, and the correction when it sees one of them again.

Odometry goes on from image to image, and its error grows. Here some images are kept, with what
their features look like and where they are in space. When a new one shares its visual words with
an old one, and its features fit the old one's points from one pose, both poses are known relative
to each other, without what has added up in between; the graph of all of them is then relaxed.
Odometry itself is left alone: what changes is where its world lies in the map (REP-105).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from embodied_perception.camera import Camera
from embodied_perception.features.extraction import Extractor, Features
from embodied_perception.features.matching import match_features
from embodied_perception.features.words import InvertedIndex, Vocabulary
from embodied_perception.geometry import Transform
from embodied_perception.geometry.pose import Noise, Observations, guess_pose, solve_pose
from embodied_perception.odometry.config import OdometryConfig
from embodied_perception.odometry.estimate import Estimate
from embodied_perception.odometry.images import OdometryImage
from embodied_perception.odometry.pose_graph import Edge, optimise

_FEATURES = 500
_MOVED_M, _MOVED_RAD = 0.15, 0.15  # from one kept image to the next
_RECENT = 10  # kept images that are too new to be seen again
_CANDIDATES = 3
_LEAST_LIKENESS = 0.3  # of that of one kept image to the next (D. Galvez-Lopez, J. Tardos, 2012)
_RATIO = 0.8
_LEAST_INLIERS = 30
_LEAST_SHARE = 0.4  # of the matches that must agree
_LOOP_SIGMA = 0.003  # metres and radians that calibration may get wrong on top
_LEAST_SIGMA = 1e-4  # of a step of odometry
_REST = 5  # kept images between two relaxations


@dataclass(frozen=True, eq=False)
class Place:
    """An image that is kept.

    Attributes:
        stamp_ns: of the image.
        features: whose depth is known.
        points: (N, 3) where they are in the camera's axes, metres.
        bag: their visual words.
        world_from_camera: what odometry says.
        covariance: (6, 6) of it, as in :class:`Estimate`.
        noise: how exactly features and their depth are seen.

    """

    stamp_ns: int
    features: Features
    points: np.ndarray
    bag: dict[int, float]
    world_from_camera: Transform
    covariance: np.ndarray
    noise: Noise


@dataclass(frozen=True)
class Loop:
    """A place that was seen again.

    Attributes:
        first_ns: stamp of the old image.
        second_ns: stamp of the new one.
        inliers: features that agree.
        moved_m: by how much the new image's place in the map was corrected.

    """

    first_ns: int
    second_ns: int
    inliers: int
    moved_m: float


class PlaceMap:
    """Keeps places, and finds them again.

    Args:
        camera: that all images are of.
        config: parameters of odometry.
        vocabulary: of ORB features.

    Attributes:
        config: the parameters; others take effect at the next place.
        loops: how often the map was corrected.
        map_from_world: where the world of odometry lies in the map.

    """

    def __init__(self, camera: Camera, config: OdometryConfig, vocabulary: Vocabulary) -> None:
        self._camera, self.config = camera, config
        self._orb = Extractor("orb")
        self._index = InvertedIndex(vocabulary)
        self._places: dict[int, Place] = {}
        self._in_map: dict[int, Transform] = {}
        self._edges: list[Edge] = []
        self._next = 0
        self._rested = _REST
        self.loops = 0
        self.map_from_world = Transform.identity()

    def __len__(self) -> int:
        return len(self._places)

    def is_new(self, estimate: Estimate) -> bool:
        """Whether the camera is far enough from the last place to keep another one."""
        if estimate.world_from_camera is None:
            return False
        if not self._places:
            return True
        last = self._places[self._next - 1].world_from_camera
        motion = last.inverse() @ estimate.world_from_camera
        moved_m, turned_rad = map(np.linalg.norm, (motion.translation, motion.rotation_vector))
        return bool(moved_m > _MOVED_M or turned_rad > _MOVED_RAD)

    def add(self, image: OdometryImage, estimate: Estimate) -> Loop | None:
        """Keep an image, whose ``estimate`` has a pose; return the loop, if it closes one."""
        name = self._keep(self._place(image, estimate))
        self._rested += 1
        edge, inliers = self._seen_before(name)
        if edge is None:
            return None
        self._edges.append(edge)
        if self._rested < _REST:
            return None
        self._rested = 0
        self.loops += 1
        before = self._in_map[name]
        self._in_map = optimise(self._in_map, self._edges, fixed=min(self._in_map))
        after = self._in_map[name]
        self.map_from_world = after @ self._places[name].world_from_camera.inverse()
        moved_m = float(np.linalg.norm(after.translation - before.translation))
        stamps = self._places[edge.first].stamp_ns, self._places[name].stamp_ns
        return Loop(*stamps, inliers, moved_m)

    def trajectory(self) -> list[tuple[int, Transform]]:
        """Stamp and map_from_camera of all places that are kept, in the order of time."""
        return [(place.stamp_ns, self._in_map[name]) for name, place in self._places.items()]

    def _place(self, image: OdometryImage, estimate: Estimate) -> Place:
        features = self._orb.extract(image.gray, _FEATURES)
        depth = image.depth_at(features.pixels, self.config)
        bag = self._index.vocabulary.bag(features.descriptors)
        known = np.isfinite(depth)
        features, depth = features.only(known), depth[known]
        points = self._camera.unproject(features.pixels.astype(np.float64)) * depth[:, None]
        assert estimate.world_from_camera is not None
        return Place(
            estimate.stamp_ns,
            features,
            points,
            bag,
            estimate.world_from_camera,
            estimate.covariance,
            image.noise(self.config),
        )

    def _keep(self, place: Place) -> int:
        """Put a place into the graph, after the last one; forget one where there are too many."""
        name, self._next = self._next, self._next + 1
        if self._places:
            self._edges.append(self._step(name - 1, self._places[name - 1], name, place))
        self._places[name] = place
        self._in_map[name] = self.map_from_world @ place.world_from_camera
        if len(self._places) > max(self.config.places, 2 * _RECENT):
            self._forget(self._least_missed())
        return name

    def _step(self, first: int, before: Place, second: int, after: Place) -> Edge:
        """What odometry says of the way from one place to the next."""
        motion = before.world_from_camera.inverse() @ after.world_from_camera
        carried = motion.inverse().adjoint
        grown = after.covariance - carried @ before.covariance @ carried.T
        sigmas, axes = np.linalg.eigh(grown)
        grown = (axes * np.maximum(sigmas, _LEAST_SIGMA**2)) @ axes.T
        return Edge(first, second, motion, grown)

    def _seen_before(self, name: int) -> tuple[Edge | None, int]:
        """The way to an old place that shows the same, and how many features say so."""
        place = self._places[name]
        likeness = dict(self._index.query(place.bag))
        usual = likeness.get(name - 1, 0.0)
        self._index.add(name, place.bag)
        old = [
            each
            for each, score in likeness.items()
            if each < name - _RECENT and score > _LEAST_LIKENESS * usual
        ]
        for candidate in old[:_CANDIDATES]:
            edge, inliers = self._compare(candidate, name)
            if edge is not None:
                return edge, inliers
        return None, 0

    def _compare(self, first: int, second: int) -> tuple[Edge | None, int]:
        """Solve the new camera's pose against the old one's points."""
        old, new = self._places[first], self._places[second]
        pairs = match_features(old.features, new.features, ratio=_RATIO)
        if len(pairs) < _LEAST_INLIERS:
            return None, 0
        points = old.points[pairs[:, 0]]
        pixels = self._camera.undistort_pixels(new.features.pixels[pairs[:, 1]].astype(np.float64))
        guess = guess_pose(points, pixels, self._camera.K)
        if guess is None:
            return None, 0
        seen = Observations(pixels, new.points[pairs[:, 1], 2])
        # ORB is placed by whole pixels of its pyramid.
        noise = replace(new.noise, pixel_px=2 * new.noise.pixel_px)
        solution = solve_pose(points, seen, self._camera.K, noise, guess)
        inliers = int(solution.inliers.sum())
        if inliers < max(_LEAST_INLIERS, _LEAST_SHARE * len(pairs)):
            return None, 0
        covariance = solution.covariance + _LOOP_SIGMA**2 * np.eye(6)
        motion = solution.camera_from_world.inverse()
        return Edge(first, second, motion, covariance, is_loop=True), inliers

    def _least_missed(self) -> int:
        """The place nearest to the one before it; the first and the last ones stay."""
        names = list(self._places)[1 : -_RECENT - 1]
        places = np.array([self._in_map[name].translation for name in list(self._places)])
        apart = np.linalg.norm(np.diff(places, axis=0), axis=1)
        return names[int(np.argmin(apart[: len(names)]))]

    def _forget(self, name: int) -> None:
        """Take a place out of the graph; what was measured against it, is of the one before it."""
        before = max(each for each in self._places if each < name)
        (way,) = (
            edge
            for edge in self._edges
            if not edge.is_loop and (edge.first, edge.second) == (before, name)
        )
        edges = []
        for edge in self._edges:
            if edge is way:
                continue
            if edge.first == name:
                edges.append(way.followed_by(edge))
            elif edge.second == name:
                edges.append(replace(way.followed_by(edge.reversed()), is_loop=True))
            else:
                edges.append(edge)
        self._edges = [edge for edge in edges if edge.first != edge.second]
        del self._places[name], self._in_map[name]
        self._index.remove(name)
