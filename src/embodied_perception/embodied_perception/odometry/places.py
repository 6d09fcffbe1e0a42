"""Places that a camera has seen, and the correction when it sees one of them again.

Odometry goes on from image to image, and its error grows. Here some images are kept, with what
their features look like and where they are in space. When a new one shares its visual words with
an old one, and its features fit the old one's points from one pose, both poses are known relative
to each other, without what has added up in between; the graph of all of them is then relaxed.
Odometry itself is left alone: what changes is where its world lies in the map (REP-105).

Where odometry began anew, after a loss or in another run, what it says of the way there is little
or nothing. The first place of before that is seen again puts all that was kept since where it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from embodied_perception.camera import Camera
from embodied_perception.errors import OdometryError
from embodied_perception.features.extraction import Extractor, Features
from embodied_perception.features.matching import match_features
from embodied_perception.features.words import InvertedIndex, Vocabulary
from embodied_perception.geometry import Transform
from embodied_perception.geometry.pose import Noise, Observations, guess_pose, solve_pose
from embodied_perception.odometry.config import OdometryConfig
from embodied_perception.odometry.estimate import Estimate, TrackingState
from embodied_perception.odometry.images import OdometryImage
from embodied_perception.odometry.pose_graph import Edge, Relaxation, without_surplus

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
        bag: the image's visual words, with their weights.
        noise: how exactly features and their depth are seen.

    """

    stamp_ns: int
    features: Features
    points: np.ndarray
    bag: dict[int, float]
    noise: Noise


@dataclass(frozen=True, eq=False)
class MapContents:
    """All that a map holds, apart from odometry.

    Attributes:
        camera: that all images are of.
        places: P of them, in the order in which they were kept.
        map_from_camera: P poses of them.
        edges: between them; their names are indices of ``places``.

    """

    camera: Camera
    places: tuple[Place, ...]
    map_from_camera: tuple[Transform, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True)
class Loop:
    """A place that was seen again.

    Attributes:
        first_ns: stamp of the old image.
        second_ns: stamp of the new one.
        inliers: features that agree.
        off_m: how far from its place in the map the new image is seen; NaN where it had none.

    """

    first_ns: int
    second_ns: int
    inliers: int
    off_m: float


def most_places(config: OdometryConfig) -> int:
    """How many a map may hold: fewer than these could not be told from those just left."""
    return max(config.places, 2 * _RECENT)


class PlaceMap:
    """Keeps places, and finds them again.

    Args:
        camera: that all images are of.
        config: parameters of odometry.
        vocabulary: of ORB features.
        map_from_world: where the world of odometry lies in the map that begins.

    Attributes:
        config: the parameters; others take effect at the next place.
        loops: how often the map was corrected.
        map_from_world: where the world of odometry lies in the map; ``None`` until a place of a map
            of another run is seen again.

    """

    def __init__(
        self,
        camera: Camera,
        config: OdometryConfig,
        vocabulary: Vocabulary,
        map_from_world: Transform | None = None,
    ) -> None:
        self._camera, self.config = camera, config
        self._orb = Extractor("orb")
        self._index = InvertedIndex(vocabulary)
        self._places: dict[int, Place] = {}
        #: Poses in the map; of places of this run in odometry's world, as long as that is nowhere.
        self._in_map: dict[int, Transform] = {}
        self._edges: list[Edge] = []
        self._next = 0
        self._loaded = 0  # names below are of another run
        self._begun = 0  # the first one since odometry began or began anew
        self._is_loose = False  # no place from before that was seen again since
        self._last: Estimate | None = None  # at the newest place of this run
        self._rested = _REST
        self._relaxation: Relaxation | None = None
        self.loops = 0
        self.map_from_world: Transform | None = map_from_world or Transform.identity()

    @classmethod
    def go_on(
        cls, contents: MapContents, config: OdometryConfig, vocabulary: Vocabulary
    ) -> PlaceMap:
        """Take the map of another run; where odometry is in it shows when it is recognised."""
        places = cls(contents.camera, config, vocabulary)
        places._places = dict(enumerate(contents.places))
        places._in_map = dict(enumerate(contents.map_from_camera))
        places._edges = list(contents.edges)
        places._next = places._loaded = len(contents.places)
        for name, place in places._places.items():
            places._index.add(name, place.bag)
        places.map_from_world = None
        return places

    def __len__(self) -> int:
        return len(self._places)

    @property
    def is_of_another_run(self) -> bool:
        """Whether it goes on with one."""
        return self._loaded > 0

    @property
    def vocabulary(self) -> Vocabulary:
        """Whose words the places' bags have."""
        return self._index.vocabulary

    def contents(self) -> MapContents:
        """What is worth keeping for another run.

        Raises:
            OdometryError: there is nothing, or what was learnt has no place in the map yet.

        """
        if not self._places:
            raise OdometryError("the map holds no place yet: move the camera until it does")
        if self.map_from_world is None:
            raise OdometryError(
                "no place of the map that was loaded was recognised yet, so what was learnt since "
                "has no place in it: go to where that map was made first"
            )
        slots = {name: slot for slot, name in enumerate(self._places)}
        return MapContents(
            self._camera,
            tuple(self._places.values()),
            tuple(self._in_map[name] for name in self._places),
            tuple(
                replace(edge, first=slots[edge.first], second=slots[edge.second])
                for edge in self._edges
            ),
        )

    def is_new(self, estimate: Estimate) -> bool:
        """Whether the camera is far enough from the last place to keep another one."""
        if estimate.world_from_camera is None or estimate.state is TrackingState.LOST:
            return False
        last = self._last
        if last is None or last.epoch != estimate.epoch:
            return True
        assert last.world_from_camera is not None
        motion = last.world_from_camera.inverse() @ estimate.world_from_camera
        moved_m, turned_rad = map(np.linalg.norm, (motion.translation, motion.rotation_vector))
        return bool(moved_m > _MOVED_M or turned_rad > _MOVED_RAD)

    def add(self, image: OdometryImage, estimate: Estimate) -> Loop | None:
        """Keep an image, whose ``estimate`` has a pose; return the loop, if it closes one.

        What the loop says of the places before is worked out by :meth:`settle`.
        """
        assert estimate.world_from_camera is not None
        name = self._keep(self._place(image, estimate), estimate, estimate.world_from_camera)
        self._rested += 1
        edge, inliers = self._seen_before(name)
        if edge is None:
            return None
        self._edges.append(edge)
        off_m = float("nan")
        if self.map_from_world is not None:
            seen_at = self._in_map[edge.first] @ edge.first_from_second
            off = seen_at.translation - self._in_map[name].translation
            off_m = float(np.linalg.norm(off))
        if self._is_loose and edge.first < self._begun:
            self._join(edge)
        if self._rested < _REST or self._relaxation is not None:
            return None
        self._rested = 0
        # What is measured against a place that is forgotten goes on: loops alone would add up.
        self._edges = without_surplus(self._edges, loops=len(self._places))
        self._relaxation = Relaxation(self._in_map, self._edges, fixed=min(self._in_map))
        stamps = self._places[edge.first].stamp_ns, self._places[name].stamp_ns
        return Loop(*stamps, inliers, off_m)

    def settle(self) -> bool:
        """Correct the map one step further; return whether there are more.

        A step takes some milliseconds for some hundreds of places: one an image is enough.
        """
        if self._relaxation is None:
            return False
        if not self._relaxation.step():
            return True
        relaxed, self._relaxation = self._relaxation.poses, None
        newest = max(relaxed.keys() & self._in_map.keys())
        # What was kept since then, and where odometry is, moves with the newest of those.
        moved = _exact(relaxed[newest] @ self._in_map[newest].inverse())
        self._in_map = {
            name: relaxed.get(name, moved @ pose) for name, pose in self._in_map.items()
        }
        self.map_from_world = moved @ (self.map_from_world or Transform.identity())
        self.loops += 1
        return False

    def trajectory(self) -> list[tuple[int, Transform]]:
        """Stamp and map_from_camera of all places in the map, in the order of their keeping."""
        return [
            (place.stamp_ns, self._in_map[name])
            for name, place in self._places.items()
            if self.map_from_world is not None or name < self._loaded
        ]

    def _place(self, image: OdometryImage, estimate: Estimate) -> Place:
        features = self._orb.extract(image.gray, _FEATURES)
        depth = image.depth_at(features.pixels, self.config)
        bag = self._index.vocabulary.bag(features.descriptors)
        points = self._camera.unproject(features.pixels.astype(np.float64)) * depth[:, None]
        known = np.isfinite(points).all(axis=1)
        features, points = features.only(known), points[known]
        return Place(estimate.stamp_ns, features, points, bag, image.noise(self.config))

    def _keep(self, place: Place, estimate: Estimate, world_from_camera: Transform) -> int:
        """Put a place into the graph, after the last one; forget one where there are too many."""
        name, self._next = self._next, self._next + 1
        last, self._last = self._last, estimate
        if last is None or last.epoch != estimate.epoch:
            self._begun, self._is_loose = name, True
            self._rested = _REST
        if last is not None:
            self._edges.append(self._step(name - 1, last, name, estimate))
        self._places[name] = place
        self._in_map[name] = (self.map_from_world or Transform.identity()) @ world_from_camera
        if len(self._places) > most_places(self.config):
            self._forget(self._least_missed())
        return name

    def _step(self, first: int, before: Estimate, second: int, after: Estimate) -> Edge:
        """What odometry says of the way from one place to the next."""
        assert before.world_from_camera is not None
        assert after.world_from_camera is not None
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
        newest = max(self._begun, name - _RECENT)
        if self.map_from_world is None:
            newest = self._loaded  # first of all, it must be known where this is
        old = [
            each
            for each, score in likeness.items()
            if each < newest and score > _LEAST_LIKENESS * usual
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

    def _join(self, edge: Edge) -> None:
        """Put what was kept since odometry began anew where a place of before says that it is."""
        loose = self._loaded if self.map_from_world is None else self._begun
        map_from_second = self._in_map[edge.first] @ edge.first_from_second
        moved = _exact(map_from_second @ self._in_map[edge.second].inverse())
        for name in self._in_map:
            if name >= loose:
                self._in_map[name] = moved @ self._in_map[name]
        self.map_from_world = moved @ (self.map_from_world or Transform.identity())
        self._is_loose = False
        self._relaxation = None  # it was of other places

    def _least_missed(self) -> int:
        """The place nearest to the one before it; the first and the last ones stay."""
        names = list(self._places)[1 : -_RECENT - 1]
        places = np.array([self._in_map[name].translation for name in list(self._places)])
        apart = np.linalg.norm(np.diff(places, axis=0), axis=1)
        return names[int(np.argmin(apart[: len(names)]))]

    def _forget(self, name: int) -> None:
        """Take a place out of the graph; what was measured against it, is of a neighbour."""
        touching = [edge for edge in self._edges if name in (edge.first, edge.second)]
        # The step to the one before it; of the first one of a run, the step to the next.
        way = min(touching, key=lambda edge: (edge.is_loop, edge.second != name))
        edges = [edge for edge in self._edges if name not in (edge.first, edge.second)]
        towards = way if way.second == name else way.reversed()
        for edge in touching:
            if edge is not way:
                away = edge if edge.first == name else edge.reversed()
                edges.append(towards.followed_by(away))
        self._edges = [edge for edge in edges if edge.first != edge.second]
        del self._places[name], self._in_map[name]
        self._index.remove(name)


def _exact(pose: Transform) -> Transform:
    """Without this, a rotation's rounding error would grow with each product."""
    return Transform.from_rotation_vector(pose.rotation_vector, pose.translation)
