"""Transforms against scipy and the algebra of rigid motions; malformed input refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from embodied_perception.errors import GeometryError
from embodied_perception.geometry import Transform

coordinate = st.floats(-10, 10)
vectors = st.tuples(coordinate, coordinate, coordinate).map(np.array)
transforms = st.builds(Transform.from_rotation_vector, vectors, vectors)


@given(vectors, vectors, vectors)
def test_apply_rotates_then_translates(rotation_vector, translation, point):
    transform = Transform.from_rotation_vector(rotation_vector, translation)
    expected = Rotation.from_rotvec(rotation_vector).apply(point) + translation
    np.testing.assert_allclose(transform.apply(point), expected, atol=1e-12)
    np.testing.assert_allclose(
        transform.matrix @ [*point, 1], [*transform.apply(point), 1], atol=1e-12
    )


@given(transforms, transforms, vectors)
def test_composition_applies_the_right_one_first(a_from_b, b_from_c, point):
    a_from_c = a_from_b @ b_from_c
    one_by_one = a_from_b.apply(b_from_c.apply(point))
    np.testing.assert_allclose(a_from_c.apply(point), one_by_one, atol=1e-12)
    np.testing.assert_allclose(a_from_c.matrix, a_from_b.matrix @ b_from_c.matrix, atol=1e-12)


@given(transforms)
def test_inverse_undoes(transform):
    np.testing.assert_allclose((transform @ transform.inverse()).matrix, np.eye(4), atol=1e-12)
    np.testing.assert_allclose((transform.inverse() @ transform).matrix, np.eye(4), atol=1e-12)


@given(transforms)
def test_every_form_gives_the_same_transform_back(transform):
    for again in (
        Transform.from_matrix(transform.matrix),
        Transform.from_quaternion(transform.quaternion_xyzw, transform.translation),
        Transform.from_rotation_vector(transform.rotation_vector, transform.translation),
    ):
        np.testing.assert_allclose(again.matrix, transform.matrix, atol=1e-9)
    assert transform.quaternion_xyzw[3] >= 0
    assert np.linalg.norm(transform.rotation_vector) <= np.pi + 1e-9


def test_apply_keeps_leading_axes():
    points = np.arange(24.0).reshape(2, 4, 3)
    transform = Transform.from_rotation_vector([0, 0, np.pi / 2], [1, 0, 0])
    moved = transform.apply(points)
    assert moved.shape == points.shape
    np.testing.assert_allclose(moved[1, 2], [1 - points[1, 2, 1], points[1, 2, 0], points[1, 2, 2]])
    assert transform.apply(np.zeros((0, 3))).shape == (0, 3)


def test_quaternion_of_any_length_is_normalised():
    quarter_turn = Transform.from_quaternion([0, 0, 3, 3], [0, 0, 0])
    np.testing.assert_allclose(quarter_turn.apply([1, 0, 0]), [0, 1, 0], atol=1e-15)


@given(transforms, transforms)
def test_interpolation_starts_and_ends_at_the_samples(first, second):
    np.testing.assert_allclose(first.interpolate(second, 0).matrix, first.matrix, atol=1e-9)
    np.testing.assert_allclose(first.interpolate(second, 1).matrix, second.matrix, atol=1e-9)


def test_interpolation_takes_the_shortest_arc():
    first = Transform.from_rotation_vector([0, 0, np.radians(170)], [0, 0, 0])
    second = Transform.from_rotation_vector([0, 0, np.radians(-170)], [4, 0, 0])
    quarter = first.interpolate(second, 0.25)
    np.testing.assert_allclose(quarter.rotation_vector, [0, 0, np.radians(175)])
    np.testing.assert_allclose(quarter.translation, [1, 0, 0])


@given(transforms, st.lists(st.floats(-1, 1), min_size=6, max_size=6))
def test_adjoint_moves_twists(a_from_b, twist):
    def generator(twist):
        (vx, vy, vz), (x, y, z) = twist[:3], twist[3:]
        return np.array([[0, -z, y, vx], [z, 0, -x, vy], [-y, x, 0, vz], [0, 0, 0, 0]])

    moved = expm(generator(a_from_b.adjoint @ twist))
    expected = a_from_b.matrix @ expm(generator(twist)) @ a_from_b.inverse().matrix
    np.testing.assert_allclose(moved, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Transform.from_quaternion([0, 0, 0, 0], [0, 0, 0]), "length of 1"),
        (lambda: Transform.from_quaternion([0, 0, np.nan, 1], [0, 0, 0]), "quaternion_xyzw"),
        (lambda: Transform.from_quaternion([0, 0, 1], [0, 0, 0]), r"shape \(3,\)"),
        (lambda: Transform.from_quaternion([0, 0, 0, 1], [0, np.inf, 0]), "translation"),
        (lambda: Transform.from_quaternion("abcd", [0, 0, 0]), "expected numbers"),
        (lambda: Transform.from_rotation_vector([np.nan, 0, 0], [0, 0, 0]), "rotation_vector"),
        (lambda: Transform.from_rotation_vector([0, 0, 0], [[0, 0, 0]]), r"shape \(1, 3\)"),
        (lambda: Transform.from_matrix(np.eye(3)), r"shape \(3, 3\)"),
        (lambda: Transform.from_matrix(np.full((4, 4), np.nan)), "finite"),
        (lambda: Transform.from_matrix(2 * np.eye(4)), "last row"),
        (lambda: Transform.from_matrix(np.diag([2.0, 1, 1, 1])), "orthonormal"),
        (lambda: Transform.from_matrix(np.diag([1 + 2e-6, 1, 1, 1])), "orthonormal"),
        (lambda: Transform.from_matrix(np.diag([1.0, 1, -1, 1])), "determinant -1"),
    ],
)
def test_malformed_input_is_refused(make, message):
    with pytest.raises(GeometryError, match=message):
        make()


def test_a_rotation_within_tolerance_is_taken():
    assert Transform.from_matrix(np.diag([1 + 1e-7, 1, 1, 1])).rotation[0, 0] == 1 + 1e-7


def test_inputs_are_copied():
    matrix = np.eye(4)
    transform = Transform.from_matrix(matrix)
    matrix[:] = 7
    np.testing.assert_array_equal(transform.matrix, np.eye(4))
