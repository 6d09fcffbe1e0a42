"""Evidence drawn over its image."""

import numpy as np

from embodied_perception.classification.overlay import draw_evidence

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)


def test_where_there_is_no_evidence_the_image_stays_gray():
    nothing = draw_evidence(IMAGE, np.zeros((60, 90)))
    assert (nothing.max(2) == nothing.min(2)).all()
    heat = np.zeros((60, 90))
    heat[20:30, 40:50] = 1.0
    drawn = draw_evidence(IMAGE, heat)
    np.testing.assert_array_equal((drawn != nothing).any(2), heat > 0)
    red, green, blue = drawn[20:30, 40:50].reshape(-1, 3).mean(0)
    assert red > green > blue - 60  # the strongest evidence is red


def test_a_title_is_written_into_the_corner_and_fits_into_any_image():
    plain, titled = (draw_evidence(IMAGE, np.zeros((60, 90)), title) for title in ("", "mug"))
    assert (plain != titled).any()
    np.testing.assert_array_equal(plain[40:], titled[40:])
    assert draw_evidence(IMAGE[:2, :3], np.ones((2, 3)), "a long title").shape == (2, 3, 3)
