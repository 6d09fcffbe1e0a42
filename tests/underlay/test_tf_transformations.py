"""The underlay's tf_transformations, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
import tf_transformations as tf
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

angles = st.floats(-3.1, 3.1)
vectors = st.tuples(*[st.floats(-10.0, 10.0)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1)
rotations = st.tuples(*[st.floats(-1.0, 1.0)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1)


def assert_same_rotation(quaternion_xyzw: np.ndarray, expected: Rotation) -> None:
    difference = Rotation.from_quat(np.asarray(quaternion_xyzw)).inv() * expected
    assert difference.magnitude() < 1e-6


def test_order_is_xyzw() -> None:
    half = np.sqrt(0.5)
    np.testing.assert_allclose(tf.quaternion_from_euler(0, 0, np.pi / 2), [0, 0, half, half])
    np.testing.assert_allclose(tf.quaternion_about_axis(np.pi / 2, [1, 0, 0]), [half, 0, 0, half])
    np.testing.assert_allclose(tf.quaternion_from_matrix(np.eye(4)), [0, 0, 0, 1])


# scipy writes static axes in small letters, rotating ones in capitals.
@pytest.mark.parametrize(
    ("axes", "scipy_axes"), [("sxyz", "xyz"), ("rzyx", "ZYX"), ("rxzy", "XZY")]
)
@given(angles, st.floats(-1.5, 1.5), angles)
def test_euler_angles(axes: str, scipy_axes: str, ai: float, aj: float, ak: float) -> None:
    expected = Rotation.from_euler(scipy_axes, [ai, aj, ak])
    assert_same_rotation(tf.quaternion_from_euler(ai, aj, ak, axes), expected)
    matrix = tf.euler_matrix(ai, aj, ak, axes)
    np.testing.assert_allclose(matrix[:3, :3], expected.as_matrix(), atol=1e-9)
    np.testing.assert_array_equal(matrix[3], [0, 0, 0, 1])
    np.testing.assert_allclose(tf.euler_from_matrix(matrix, axes), [ai, aj, ak], atol=1e-6)
    np.testing.assert_allclose(
        tf.euler_from_quaternion(expected.as_quat(), axes), [ai, aj, ak], atol=1e-6
    )


@given(rotations, rotations)
def test_quaternions(first: tuple[float, ...], second: tuple[float, ...]) -> None:
    a, b = Rotation.from_quat(first), Rotation.from_quat(second)
    assert_same_rotation(tf.quaternion_multiply(a.as_quat(), b.as_quat()), a * b)
    assert_same_rotation(tf.quaternion_inverse(first), a.inv())
    assert_same_rotation(tf.quaternion_conjugate(a.as_quat()), a.inv())
    np.testing.assert_allclose(tf.quaternion_matrix(first)[:3, :3], a.as_matrix(), atol=1e-9)
    assert_same_rotation(tf.quaternion_from_matrix(tf.quaternion_matrix(first)), a)


@given(rotations, rotations, st.floats(0.0, 1.0))
def test_slerp(first: tuple[float, ...], second: tuple[float, ...], fraction: float) -> None:
    ends = Rotation.from_quat([first, second])
    if (ends[0].inv() * ends[1]).magnitude() > 3.14:
        return  # opposite rotations: either way round is the shortest
    assert_same_rotation(
        tf.quaternion_slerp(first, second, fraction), Slerp([0, 1], ends)([fraction])[0]
    )


def test_slerp_the_long_way_round() -> None:
    start, end = tf.quaternion_about_axis(0.0, [0, 0, 1]), tf.quaternion_about_axis(1.0, [0, 0, 1])
    long_way = tf.quaternion_slerp(start, -end, 0.5, shortestpath=False)
    assert_same_rotation(long_way, Rotation.from_rotvec([0, 0, 0.5 + np.pi]))


@given(vectors, angles, vectors)
def test_rotation_about_an_axis_through_a_point(
    direction: tuple[float, ...], angle: float, point: tuple[float, ...]
) -> None:
    axis = np.array(direction) / np.linalg.norm(direction)
    expected = Rotation.from_rotvec(angle * axis)
    assert_same_rotation(tf.quaternion_about_axis(angle, direction), expected)
    matrix = tf.rotation_matrix(angle, direction, point)
    np.testing.assert_allclose(matrix[:3, :3], expected.as_matrix(), atol=1e-9)
    np.testing.assert_allclose(matrix @ [*point, 1], [*point, 1], atol=1e-9)


def test_rotation_from_matrix() -> None:
    angle, direction, point = tf.rotation_from_matrix(tf.rotation_matrix(0.3, [0, 0, 2], [1, 2, 0]))
    np.testing.assert_allclose(angle * np.array(direction), [0, 0, 0.3], atol=1e-9)
    np.testing.assert_allclose(point[:2] / point[3], [1, 2], atol=1e-6)


@given(vectors, vectors, angles)
def test_composition(first: tuple[float, ...], second: tuple[float, ...], angle: float) -> None:
    move, turn = tf.translation_matrix(first), tf.rotation_matrix(angle, second)
    both = tf.concatenate_matrices(move, turn)
    np.testing.assert_allclose(both, move @ turn)
    np.testing.assert_array_equal(tf.translation_from_matrix(both), first)
    np.testing.assert_allclose(tf.inverse_matrix(both) @ both, np.eye(4), atol=1e-9)


def test_identity() -> None:
    np.testing.assert_array_equal(tf.identity_matrix(), np.eye(4))
    np.testing.assert_array_equal(tf.concatenate_matrices(), np.eye(4))


def test_compose_and_decompose() -> None:
    parts = {
        "scale": [1.0, 2.0, 0.5],
        "shear": [0.1, 0.2, -0.1],
        "angles": (0.1, -0.2, 0.3),
        "translate": [1.0, 2.0, 3.0],
    }
    matrix = tf.compose_matrix(**parts)
    scale, shear, euler, translate, perspective = tf.decompose_matrix(matrix)
    np.testing.assert_allclose(scale, parts["scale"])
    np.testing.assert_allclose(shear, parts["shear"], atol=1e-12)
    np.testing.assert_allclose(euler, parts["angles"])
    np.testing.assert_allclose(translate, parts["translate"])
    np.testing.assert_array_equal(perspective, [0, 0, 0, 1])
    assert tf.is_same_transform(matrix, 2 * matrix)
    assert not tf.is_same_transform(matrix, np.eye(4))


def test_scaling() -> None:
    np.testing.assert_allclose(tf.scale_matrix(2.0, [1, 0, 0]) @ [3, 1, 0, 1], [5, 2, 0, 1])
    np.testing.assert_allclose(
        tf.scale_matrix(2.0, direction=[0, 1, 0]) @ [3, 1, 0, 1], [3, 2, 0, 1]
    )


@given(st.integers(0, 2**32 - 1))
def test_random_quaternions_are_rotations(seed: int) -> None:
    draws = np.random.default_rng(seed).random(3)
    assert tf.vector_norm(tf.random_quaternion(draws)) == pytest.approx(1.0)


def test_vectors() -> None:
    assert tf.vector_norm([3.0, 4.0]) == 5.0
    np.testing.assert_allclose(
        tf.unit_vector([[3.0, 4.0], [0.0, 2.0]], axis=1), [[0.6, 0.8], [0, 1]]
    )


@pytest.mark.parametrize("axes", ["xyz", "sxx", ""])
def test_unknown_axes_are_refused(axes: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        tf.quaternion_from_euler(0, 0, 0, axes)
