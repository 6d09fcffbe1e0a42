"""How much to believe the boxes of a model: scores become the share of boxes that are right.

It is asked for each coloured thing of a room, and for as many that are not there, as the owner of
a robot asks: one at a time, and not knowing whether it is there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from captioned_pictures import CaptionedPictures
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from demo_room.palette import COLORS, OBJECT_CLASSES
from embodied_perception.evaluation.detection import DetectionScores
from embodied_perception.open_vocabulary.box_scores import BoxScores
from embodied_perception.open_vocabulary.detector import Detector
from embodied_perception.open_vocabulary.vocabulary import BACKGROUND, Vocabulary

_LEAST_PX = 64  # of a thing that is there
_LEAST_SCORE = 1e-4


def pairs_to_ask_for(pictures: CaptionedPictures) -> tuple[list[str], list[str]]:
    """Coloured objects of the pictures, and as many that are not there, drawn with a seed."""
    present = [
        thing.name for thing in pictures.different if thing.color and thing.kind in OBJECT_CLASSES
    ]
    every = [f"{color} {kind}" for color in COLORS for kind in OBJECT_CLASSES]
    others = sorted(set(every) - set(present))
    chosen = np.random.default_rng(0).choice(len(others), len(present), replace=False)
    return present, [others[index] for index in sorted(chosen)]


def true_boxes(
    numbers: np.ndarray, names: dict[int, str], labels: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) around what is seen of things that are labels, and these labels (N,)."""
    boxes, found = [], []
    for number, name in names.items():
        rows, columns = np.nonzero(numbers == number)
        if name in labels and len(rows) >= _LEAST_PX:
            boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            found.append(labels.index(name))
    return np.array(boxes, float).reshape(-1, 4), np.array(found, np.int64)


def fit_box_scores(detector: Detector, pictures: CaptionedPictures) -> BoxScores:
    """What makes scores of boxes the share that is right, in pictures like these.

    They stay as they are where nothing is to be learnt: all boxes are right, or none, or the surer
    ones more rarely.

    Args:
        detector: whose scores say how well places fit.
        pictures: that training did not see.

    """
    present, absent = pairs_to_ask_for(pictures)
    labels = [*present, *absent]
    words = detector.words(Vocabulary.of(*labels, background=BACKGROUND))
    scores = DetectionScores(labels)
    each = zip(pictures.images, pictures.numbers, pictures.things, strict=True)
    for index, (image, numbers, things) in enumerate(each):
        (found,) = detector.detect([image], words, _LEAST_SCORE)
        names = {number: thing.name for number, thing in things.items()}
        scores.add(f"image {index}", *true_boxes(numbers, names, labels), found)
    fits, rights = scores.scores_and_rights
    if rights.all() or not rights.any():
        return BoxScores()
    line = LogisticRegression(C=100.0).fit(logit(fits.astype(float))[:, None], rights)
    scale, bias = float(line.coef_[0, 0]), float(line.intercept_[0])
    return BoxScores(scale, bias) if scale > 0 else BoxScores()
