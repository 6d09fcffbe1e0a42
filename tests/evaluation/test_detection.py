"""Average precision against a plain reference, by hand, and by its properties."""

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.average_precision import IOUS, RECALLS
from embodied_perception.evaluation.detection import MOST_FOUND, DetectionScores
from embodied_perception.open_vocabulary.detections import Detections

LABELS = ("red mug", "book", "lamp")


def found(*rows):
    """Boxes of (left, top, right, bottom, score, label)."""
    rows = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(
        rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64), np.zeros((len(rows), 0), np.float32)
    )


def true(*rows):
    """Boxes and numbers of (left, top, right, bottom, label)."""
    rows = np.array(rows, np.float64).reshape(-1, 5)
    return rows[:, :4], rows[:, 4].astype(np.int64)


def scores_of(images, labels=LABELS):
    scores = DetectionScores(labels)
    for number, (truth, said) in enumerate(images):
        scores.add(f"image {number}", *truth, said)
    return scores


@st.composite
def scenes(draw, most_images=4):
    """Images: true boxes, and found ones near them; no two of those share a score."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    counts = draw(
        st.lists(st.tuples(st.integers(0, 4), st.integers(0, 7)), min_size=1, max_size=most_images)
    )
    steps = iter(rng.permutation(np.linspace(0.1, 0.9, sum(said for _, said in counts) + 1)))
    images = []
    for there, said in counts:
        corners = rng.integers(0, 20, (there, 2))
        boxes = np.column_stack([corners, corners + rng.integers(4, 16, (there, 2))])
        truth = true(*np.column_stack([boxes, rng.integers(0, 2, there)]))
        rows = []
        for _ in range(said):
            near = boxes[rng.integers(there)] if there else np.array([3, 3, 9, 9])
            box = near + rng.integers(-1, 2, 4) * rng.integers(0, 2)
            rows.append([*box, next(steps), rng.choice([0, 0, 0, 1, 2])])
        images.append((truth, found(*rows)))
    return images


def plain_iou(a, b):
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(wide, 0) * max(high, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def plain_average_precision(images, label, least_iou):
    """Box after box, as COCO does it."""
    answers, total = [], 0
    for (boxes, numbers), said in images:
        there = [box for box, number in zip(boxes, numbers, strict=True) if number == label]
        total += len(there)
        taken = set()
        mine = [place for place in range(len(said)) if said.labels[place] == label]
        for place in sorted(mine, key=lambda each: -said.scores[each])[:100]:
            best, chosen = least_iou, None
            for number, box in enumerate(there):
                iou = plain_iou(said.boxes[place].astype(float), box)
                if number not in taken and iou >= best:
                    best, chosen = iou, number
            taken.add(chosen)
            answers.append((said.scores[place], chosen is not None))
    if not total:
        return np.nan
    answers.sort(key=lambda each: -each[0])
    points, rights = [], 0
    for count, (_, right) in enumerate(answers, start=1):
        rights += right
        points.append((rights / total, rights / count))
    at_recalls = [
        max((precision for reached, precision in points if reached >= recall), default=0.0)
        for recall in RECALLS
    ]
    return sum(at_recalls) / 101


@given(scenes())
@settings(max_examples=40)
def test_average_precision_is_that_of_the_plain_reference(images):
    scores = scores_of(images)
    expected = np.array(
        [
            [plain_average_precision(images, label, least) for least in IOUS]
            for label in range(len(LABELS))
        ]
    )
    np.testing.assert_allclose(scores.average_precision, expected, atol=1e-12)
    there = ~np.isnan(expected[:, 0])
    if there.any():
        assert scores.ap == pytest.approx(expected[there].mean())
        assert scores.ap50 == pytest.approx(expected[there, 0].mean())


@pytest.mark.skipif(find_spec("pycocotools") is None, reason="pycocotools is not installed")
@given(scenes())
@settings(max_examples=20)
def test_average_precision_is_cocos(images):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def entries(boxes, numbers, image, **more):
        return [
            {
                "image_id": image, "category_id": int(number) + 1, "iscrowd": 0,
                "bbox": [*box[:2], *(box[2:] - box[:2])],
                "area": float(np.prod(box[2:] - box[:2])),
                **{key: float(values[place]) for key, values in more.items()},
            }
            for place, (box, number) in enumerate(zip(boxes.astype(float), numbers, strict=True))
        ]  # fmt: skip

    truth, said = COCO(), COCO()
    for index, part in ((truth, 0), (said, 1)):
        annotations = []
        for image, pair in enumerate(images, start=1):
            if part == 0:
                annotations += entries(*pair[0], image)
            else:
                annotations += entries(pair[1].boxes, pair[1].labels, image, score=pair[1].scores)
        index.dataset = {
            "images": [{"id": image} for image in range(1, len(images) + 1)],
            "categories": [{"id": k + 1, "name": name} for k, name in enumerate(LABELS)],
            "annotations": [dict(each, id=k) for k, each in enumerate(annotations, start=1)],
        }
        index.createIndex()
    judge = COCOeval(truth, said, "bbox")
    judge.evaluate()
    judge.accumulate()
    precision = judge.eval["precision"][:, :, :, 0, 2]  # (10, 101, L), all areas, 100 boxes
    expected = np.moveaxis(precision, 2, 0)
    ours = np.nan_to_num(scores_of(images).precision, nan=-1)
    np.testing.assert_allclose(ours, expected, atol=1e-9)


def test_by_hand():
    # Of two mugs one is found, after a wrong box; of one book its box, which is half of it.
    truth = true((0, 0, 10, 10, 0), (50, 50, 60, 60, 0), (20, 0, 30, 10, 1))
    said = found(
        (70, 70, 80, 80, 0.9, 0), (0, 0, 10, 10, 0.8, 0), (20, 0, 30, 5, 0.7, 1)
    )  # fmt: skip
    scores = scores_of([(truth, said)])
    # Recall 0 to 0.5, 51 of 101 points, by a precision of 1 / 2.
    assert scores.average_precision[0] == pytest.approx([51 / 101 / 2] * 10)
    assert scores.average_precision[1].tolist() == [1] + [0] * 9  # an IoU of exactly 0.5
    assert np.isnan(scores.average_precision[2]).all()
    assert scores.ap50 == pytest.approx((51 / 202 + 1) / 2)
    assert scores.ap == pytest.approx((51 / 202 + 1 / 10) / 2)
    assert scores.true_counts.tolist() == [2, 1, 0]
    above = scores.at(0.75)
    assert (above.recall, above.precision) == pytest.approx((1 / 3, 1 / 2))
    assert scores.at(0.8).recall == pytest.approx(1 / 3)  # a score of 0.8 is enough for 0.8
    assert (scores.most_recall, scores.at(0).precision) == pytest.approx((2 / 3, 2 / 3))


def test_a_true_box_is_found_once():
    said = found((0, 0, 10, 10, 0.6, 0), (0, 0, 10, 9, 0.9, 0))
    scores = scores_of([(true((0, 0, 10, 10, 0)), said)])
    assert scores.at(0).precision == 0.5
    assert scores.ap50 == 1  # the double comes later
    # The surest has an IoU of 0.9: from 0.95 on the other one is right.
    assert scores.average_precision[0] == pytest.approx([1] * 9 + [0.5])


def test_absent_labels_are_counted_by_image():
    images = [
        (true((0, 0, 10, 10, 0)), found((0, 0, 10, 10, 0.9, 0), (3, 3, 6, 6, 0.7, 1))),
        (true((0, 0, 10, 10, 1)), found((0, 0, 10, 10, 0.6, 1), (0, 0, 5, 5, 0.8, 2))),
        (true(), found((0, 0, 10, 10, 0.65, 2), (0, 0, 10, 10, 0.3, 0))),
        (true((0, 0, 10, 10, 0)), found((0, 0, 10, 10, 0.2, 0), (60, 60, 70, 70, 0.95, 0))),
    ]
    scores = scores_of(images)
    half = scores.at_recall(0.5)  # two of the three others: down to 0.6
    assert half.threshold == pytest.approx(0.6)
    assert half.recall == pytest.approx(2 / 3)
    assert half.absent_per_image.tolist() == [0, 1 / 4, 2 / 4]  # a wrong mug beside one is none
    assert half.precision == pytest.approx(2 / 6)
    whole = scores.at_recall(1)
    assert whole.threshold == pytest.approx(0.2)
    assert whole.absent_per_image.tolist() == [1 / 4, 1 / 4, 2 / 4]
    assert scores.at_recall(1 / 3).threshold == pytest.approx(0.9)
    figures = scores.figures([0.5])
    assert figures["at_recall"][0]["absent_per_image"] == pytest.approx(3 / 4)
    assert figures["at_recall"][0]["absent_per_image_by_label"]["lamp"] == pytest.approx(0.5)
    assert figures["labels"]["lamp"] == {"true_boxes": 0, "ap": None, "ap50": None}


def test_a_recall_that_is_not_reached_has_a_reason():
    scores = scores_of([(true((0, 0, 9, 9, 0), (20, 0, 29, 9, 0)), found((0, 0, 9, 9, 0.5, 0)))])
    assert scores.at_recall(0.5).threshold == 0.5
    assert scores.at_recall(0.51) is None
    assert scores.figures([0.8])["at_recall"] == [
        {"recall": 0.8, "why_not": "recall ends at 50.0 %"}
    ]
    nothing = scores_of([(true(), found((0, 0, 9, 9, 0.5, 0)))])
    assert nothing.at_recall(0.5) is None
    assert nothing.why_not_reached() == "there are no true boxes"


def test_without_images_or_boxes_nothing_is_known():
    for scores in (DetectionScores(LABELS), scores_of([(true(), Detections.none())])):
        figures = scores.figures([])
        assert [figures[key] for key in ("ap", "ap50", "most_recall")] == [None] * 3
        assert np.isnan(scores.at(0.5).precision)
    missed = scores_of([(true((0, 0, 9, 9, 0)), Detections.none(512))])
    assert (missed.ap, missed.most_recall) == (0, 0)
    assert np.isnan(DetectionScores(LABELS).at(0).absent_per_image).all()


def test_of_one_label_in_one_image_the_surest_hundred_count():
    rows = [(200, 200, 210, 210, 0.5 + place / 1000, 0) for place in range(MOST_FOUND)]
    truth = true((0, 0, 10, 10, 0), (0, 0, 10, 10, 1))
    last, other = (0, 0, 10, 10, 0.1, 0), (0, 0, 10, 10, 0.05, 1)
    scores = scores_of([(truth, found(*rows, last, other))])
    assert scores.average_precision[:2, 0].tolist() == [0, 1]
    scores = scores_of([(truth, found(*rows[1:], last, other))])
    assert scores.average_precision[0, 0] == pytest.approx(1 / 100)


@given(scenes())
@settings(max_examples=30)
def test_the_truth_itself_is_perfect(images):
    told = []
    for place, (truth, _) in enumerate(images):
        rows = np.column_stack([truth[0], np.full(len(truth[0]), 0.5 + place / 100), truth[1]])
        told.append((truth, found(*rows)))
    scores = scores_of(told)
    if scores.true_counts.any():
        assert scores.ap == scores.ap50 == scores.most_recall == 1
        assert scores.at_recall(1).precision == 1
        assert scores.at_recall(1).absent_per_image.sum() == 0


@given(scenes(), st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=30)
def test_the_order_of_images_does_not_matter(images, random, with_ties):
    if with_ties:
        images = [
            (truth, Detections(said.boxes, np.round(said.scores, 1), said.labels, said.points))
            for truth, said in images
        ]
    first = scores_of(images)
    random.shuffle(images)
    assert first.figures([0.3, 0.8]) == scores_of(images).figures([0.3, 0.8])


@given(scenes(), st.integers(0, 2))
@settings(max_examples=30)
def test_a_wrong_box_that_is_less_sure_never_raises_precision(images, label):
    before = scores_of(images).average_precision
    truth, said = images[-1]
    rows = np.column_stack([said.boxes, said.scores, said.labels])
    wrong = (500, 500, 510, 510, 0.05, label)
    after = scores_of([*images[:-1], (truth, found(*rows, wrong))]).average_precision
    assert np.array_equal(np.isnan(before), np.isnan(after))
    known = ~np.isnan(before)
    assert (after[known] <= before[known]).all()


@given(scenes(), st.sampled_from([0.125, 2.0, 64.0]))
@settings(max_examples=30)
def test_the_size_of_pixels_does_not_matter(images, scale):
    scaled = [
        (
            (truth[0] * scale, truth[1]),
            Detections(said.boxes * np.float32(scale), said.scores, said.labels, said.points),
        )
        for truth, said in images
    ]
    assert scores_of(images).figures([0.5]) == scores_of(scaled).figures([0.5])


@pytest.mark.parametrize(
    ("truth", "said", "why"),
    [
        (true((0, 0, 0, 9, 0)), found(), r"true box of left, top, right, bottom 0, 0, 0, 9"),
        (true((9, 0, 1, 9, 0)), found(), "expected left < right"),
        (true((0, 0, np.nan, 9, 0)), found(), "0, 0, nan, 9"),
        (true((0, 0, 9, 9, 3)), found(), "got true labels 3 to 3, expected 0 to 2"),
        (true(), found((0, 0, 9, 9, 0.5, -1)), "got found labels -1 to -1"),
        (true(), found((0, 0, np.inf, 9, 0.5, 0)), "found box or score that is not finite"),
        (true(), found((0, 0, 9, 9, np.nan, 0)), "found box or score that is not finite"),
        ((np.zeros((1, 4)), np.zeros(2, int)), found(), r"shape \(1, 4\) with labels of shape"),
        ((np.zeros(4), np.zeros(4, int)), found(), r"expected \(N, 4\) and \(N,\)"),
    ],
)
def test_what_makes_no_sense_names_its_image_and_does_not_count(truth, said, why):
    scores = DetectionScores(LABELS)
    with pytest.raises(EvaluationError, match=f"^a.jpg: .*{why}"):
        scores.add("a.jpg", *truth, said)
    assert scores.images == 0
    assert not scores.true_counts.any()


@pytest.mark.parametrize(
    ("labels", "why"),
    [((), "got no labels"), (("mug", "Mug"), "'mug' is there twice"), (("",), "has no name")],
)
def test_labels_that_make_no_sense(labels, why):
    with pytest.raises(EvaluationError, match=why):
        DetectionScores(labels)


@pytest.mark.parametrize("recall", [0, -0.5, 1.5, float("nan")])
def test_a_recall_is_a_share(recall):
    with pytest.raises(EvaluationError, match="expected more than 0, up to 1"):
        scores_of([(true((0, 0, 9, 9, 0)), found())]).at_recall(recall)
