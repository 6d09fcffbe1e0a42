"""Which keyframe is missed least."""

import numpy as np
import pytest

from embodied_perception.geometry import Transform
from embodied_perception.geometry.pose import Observations
from embodied_perception.odometry.keyframes import Keyframe, most_redundant


def at(x, turn=0.0):
    pose = Transform.from_rotation_vector((0, turn, 0), (x, 0, 0)).inverse()
    nothing = Observations(np.zeros((0, 2)), np.zeros(0))
    gray = np.zeros((2, 2), np.uint8)
    return Keyframe(gray, pose, np.zeros((0, 2)), nothing, np.zeros(0, np.int64))


@pytest.mark.parametrize(
    ("keyframes", "expected"),
    [
        ([at(0), at(1), at(1.1), at(3)], 2),
        ([at(0), at(1), at(2.5), at(2.5)], 1),  # the newest does not count
        ([at(0), at(2), at(0, turn=0.1), at(5)], 2),
        ([at(0), at(0, turn=np.pi), at(0.5, turn=np.pi), at(9)], 2),
        ([at(0), at(0), at(0)], 1),
    ],
)
def test_the_later_of_the_pair_most_alike(keyframes, expected):
    assert most_redundant(keyframes) == expected


def test_views_spread_out_as_the_camera_moves():
    kept = []
    for x in np.linspace(0, 10, 101):
        kept.append(at(x))
        if len(kept) > 6:
            del kept[most_redundant(kept)]
    places = [-keyframe.camera_from_world.translation[0] for keyframe in kept]
    assert places[0] == 0.0
    assert places[-1] == pytest.approx(10.0)
    assert np.diff(places).max() < 4.5
