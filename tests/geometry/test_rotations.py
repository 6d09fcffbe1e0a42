"""Every convention against SciPy, and back again; numbers that are no rotation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from embodied_perception.errors import GeometryError
from embodied_perception.geometry import ROTATIONS

quaternions = (
    st.lists(st.floats(-1, 1), min_size=4, max_size=4)
    .map(np.array)
    .filter(lambda q: np.linalg.norm(q) > 0.1)
)
#: What each says of a rotation, according to SciPy.
BY_SCIPY = {
    "rpy_deg": lambda r: r.as_euler("xyz", degrees=True),
    "rpy_rad": lambda r: r.as_euler("xyz"),
    "quaternion_xyzw": lambda r: r.as_quat(canonical=True),
    "quaternion_wxyz": lambda r: r.as_quat(canonical=True, scalar_first=True),
    "matrix": lambda r: r.as_matrix().ravel(),
    "vector_rad": lambda r: r.as_rotvec(),
}


def test_every_convention_is_compared():
    assert BY_SCIPY.keys() == ROTATIONS.keys()


@pytest.mark.parametrize("name", ROTATIONS)
@given(quaternion=quaternions)
def test_what_is_written_reads_back(name, quaternion):
    rotation = Rotation.from_quat(quaternion).as_matrix()
    numbers = ROTATIONS[name].write(rotation)
    assert numbers.shape == (ROTATIONS[name].size,)
    np.testing.assert_allclose(ROTATIONS[name].read(numbers), rotation, atol=1e-7)


@pytest.mark.parametrize("name", ROTATIONS)
def test_it_agrees_with_scipy(name):
    for turn in Rotation.random(50, random_state=1):
        expected = BY_SCIPY[name](turn)
        got = ROTATIONS[name].write(turn.as_matrix())
        if "quaternion" in name and got @ expected < 0:  # canonical differs where w is 0
            got = -got
        np.testing.assert_allclose(got, expected, atol=1e-7)


def test_roll_pitch_yaw_turn_about_fixed_axes():
    quarter = ROTATIONS["rpy_deg"].read([90, 0, 90])
    # y goes to z by the roll, and stays there in the turn about the fixed z axis.
    np.testing.assert_allclose(quarter @ [0, 1, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(quarter @ [1, 0, 0], [0, 1, 0], atol=1e-12)


@pytest.mark.parametrize("pitch", [90, -90])
def test_where_roll_and_yaw_are_one_roll_is_zero(pitch):
    rotation = ROTATIONS["rpy_deg"].read([20, pitch, 50])
    roll, got, _ = ROTATIONS["rpy_deg"].write(rotation)
    assert (roll, got) == (0, pytest.approx(pitch))
    again = ROTATIONS["rpy_deg"].read(ROTATIONS["rpy_deg"].write(rotation))
    np.testing.assert_allclose(again, rotation, atol=1e-9)


def test_a_matrix_with_few_digits_becomes_a_rotation():
    printed = np.round(ROTATIONS["rpy_deg"].read([10, 20, 30]), 4)
    rotation = ROTATIONS["matrix"].read(printed.ravel())
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rotation, printed, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "numbers", "words"),
    [
        ("rpy_deg", [1, 2], "got .*expected roll, pitch, yaw in degrees"),
        ("rpy_rad", [1e9, 0, 0], "an angle beyond"),
        ("rpy_deg", [np.nan, 0, 0], "expected roll"),
        ("rpy_deg", "north", "got 'north', expected roll"),
        ("quaternion_xyzw", [0, 0, 0, 0], "length 0, not 1"),
        ("quaternion_wxyz", [1, 1, 0, 0], "length 1.41, not 1"),
        ("quaternion_xyzw", [0, 0, 1], "a unit quaternion x, y, z, w"),
        ("matrix", np.diag([1, 1, -1]).ravel(), "a mirror"),
        ("matrix", np.zeros(9), "no rotation"),
        ("matrix", 2 * np.eye(3).ravel(), "length 1"),
        ("vector_rad", [0, np.inf, 0], "rotation vector"),
    ],
)
def test_what_is_no_rotation_is_refused(name, numbers, words):
    with pytest.raises(GeometryError, match=f"^rotation_{name}: .*{words}"):
        ROTATIONS[name].read(numbers, f"rotation_{name}")
