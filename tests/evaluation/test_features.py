"""Kinds of features compared on views whose motion is known."""

import cv2
import numpy as np
import pytest

from embodied_perception.evaluation.feature_plots import draw_matches, plot_scores
from embodied_perception.evaluation.features import Kind, compare, warps
from embodied_perception.features.extraction import Extractor, Features


@pytest.fixture(scope="module")
def gray():
    random = np.random.default_rng(1)
    coarse = random.integers(0, 256, (30, 40), np.uint8)
    return cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC)


def test_views_are_where_their_homography_says(gray):
    for warp in warps(gray, 4, seed=2):
        places = np.array([[120.0, 90.0], [200.0, 150.0], [160.0, 120.0]])
        moved = warp.moved(places)
        back = cv2.warpPerspective(warp.image, np.linalg.inv(warp.homography), (320, 240))
        assert np.corrcoef(back[60:180, 80:240].ravel(), gray[60:180, 80:240].ravel())[0, 1] > 0.9
        again = cv2.perspectiveTransform(moved[None], np.linalg.inv(warp.homography))[0]
        np.testing.assert_allclose(again, places, atol=1e-9)
    assert warp.moved(np.zeros((0, 2))).shape == (0, 2)


def test_views_get_harder_and_are_the_same_every_time(gray):
    first, second = (list(warps(gray, 3, seed=4)) for _ in range(2))
    for mine, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(mine.image, other.image)
    turns = [abs(np.arctan2(w.homography[1, 0], w.homography[0, 0])) for w in first]
    assert turns[0] < np.radians(45 / 3 + 5)


class Oracle:
    """Sees the same grid in every view, moved as the view is, off by half a pixel."""

    def __init__(self, gray, wrong):
        self.motions = iter([np.eye(3), *(warp.homography for warp in warps(gray, 2, 0))])
        self.wrong = wrong

    def extract(self, _gray, _count):
        places = np.stack(np.meshgrid(np.arange(60.0, 260, 25), np.arange(60.0, 180, 25)), -1)
        pixels = cv2.perspectiveTransform(places.reshape(1, -1, 2), next(self.motions))[0]
        words = np.eye(len(pixels), dtype=np.float32)
        words[: self.wrong] = words[: self.wrong][::-1] if self.seen else words[: self.wrong]
        off = 0.5 if self.seen else 0.0
        self.seen = True
        one = np.ones(len(pixels), np.float32)
        return Features(
            (pixels + np.array([off, 0])).astype(np.float32), one, one, one, words, (320, 240)
        )

    seen = False


def test_scores_are_those_of_an_oracle(gray):
    oracle = Kind("oracle", Oracle(gray, wrong=8).extract)
    ((scores, examples),) = compare([oracle], [gray], views=2)
    figures = scores.figures()
    assert figures["repeatability"] == 1.0
    assert figures["error_px"] == pytest.approx(0.5, abs=0.01)
    assert figures["features"] == 40
    wrong = [(~example.right).sum() / len(example.right) for example in examples]
    assert 1 - figures["precision"] == pytest.approx(np.mean(wrong))
    assert 0 < np.mean(wrong) <= 8 / 20


def test_all_kinds_are_scored_and_drawn(gray, tmp_path):
    kinds = [Kind(name, Extractor(name).extract) for name in ("orb", "shi_tomasi")]
    results = list(compare(kinds, [gray], views=2, count=150))
    figures = {scores.name: scores.figures() for scores, _ in results}
    for values in figures.values():
        assert 0.2 < values["repeatability"] <= 1
        assert values["matching_score"] <= values["repeatability"]
        assert values["ms"] > 0
    for _, examples in results:
        assert draw_matches(examples[0]).shape == (375, 1000, 3)
    plot_scores(figures, tmp_path / "scores.png")
    assert cv2.imread(str(tmp_path / "scores.png")).std() > 5


def test_bars_of_a_kind_line_up_where_another_has_no_value(tmp_path):
    measures = ("repeatability", "matching_score", "precision", "error_px", "ms")
    figures = {"known": dict.fromkeys(measures, 0.5), "other": dict.fromkeys(measures, 0.5)}
    figures["other"]["error_px"] = float("nan")
    plot_scores(figures, tmp_path / "scores.png")
    picture = cv2.imread(str(tmp_path / "scores.png")).astype(int)
    blue = picture[..., 0] - picture[..., 2] > 60
    panels = [panel.any(axis=1) for panel in np.array_split(blue, 5, axis=1)]
    half = len(blue) // 2  # the first kind's
    for panel in panels[1:]:
        np.testing.assert_array_equal(panel[:half], panels[0][:half])
    assert panels[0][:half].any()


def test_a_kind_matches_in_its_own_way(gray):
    def crossed(first, _second):
        return np.column_stack([np.arange(len(first)), np.arange(len(first))[::-1]])

    kind = Kind("crossed", Oracle(gray, wrong=0).extract, crossed)
    ((scores, examples),) = compare([kind], [gray], views=2)
    assert scores.figures()["repeatability"] == 1.0
    assert scores.figures()["precision"] < 0.1
    assert len(examples) == 2


def test_where_nothing_is_there_is_no_score():
    orb = Kind("orb", Extractor("orb").extract)
    ((scores, _),) = compare([orb], [np.full((240, 320), 9, np.uint8)], views=1)
    assert np.isnan(scores.figures()["repeatability"])
