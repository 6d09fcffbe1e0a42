"""Masks drawn over their images."""

import numpy as np

from embodied_perception.evaluation.labelled_image import LabelledImage
from embodied_perception.evaluation.mask_numbers import UNLABELLED
from embodied_perception.evaluation.mask_plots import draw_compared
from embodied_perception.evaluation.mask_scores import ComparedImage


def test_wrong_pixels_are_red_and_unlabelled_ones_are_not():
    true = np.zeros((100, 130), np.uint16)
    true[50:] = UNLABELLED
    said = np.zeros((100, 130), np.int64)
    said[:, 65:] = 2
    image = LabelledImage("a", np.full((100, 130, 3), 120, np.uint8), true)
    picture = draw_compared(ComparedImage(image, said, 0.5), ["sky", "road"]).astype(int)
    panel = picture[26 : 26 + 400, 2 * 524 + 2 : 3 * 524 - 2]  # below its title
    red = panel[..., 0] - panel[..., 1] > 60
    assert red[:190, 265:].all()
    assert not red[:, :255].any()
    assert not red[210:].any()


def test_a_legend_has_as_many_rows_as_it_needs():
    names = [f"a class with a long name {k}" for k in range(60)]
    sizes = []
    for count in (2, 60):
        true = np.arange(60, dtype=np.uint16).reshape(6, 10) % count
        image = LabelledImage("a", np.zeros((6, 10, 3), np.uint8), true)
        sizes.append(draw_compared(ComparedImage(image, true, 1.0), names[:count]).shape)
    assert sizes[0][1] == sizes[1][1]
    assert sizes[1][0] - sizes[0][0] >= 5 * 22
