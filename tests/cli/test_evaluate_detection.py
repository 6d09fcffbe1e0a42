"""Boxes of folders and bags against the truth, from the command line."""

import json

import cv2
import numpy as np
import pytest
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from embodied_perception.bags import BagWriter
from embodied_perception.cli.main import main
from embodied_perception.evaluation.detection import DetectionScores
from embodied_perception.stages.image_messages import image_message
from embodied_perception.stages.messages import header

SECOND = 10**9
TRUE, FOUND = "/ground_truth/objects", "/open_vocabulary/detections"


pytestmark = pytest.mark.usefixtures("own_cache")


def boxes_message(stamp, *rows):
    """Boxes of (left, top, right, bottom, name, score)."""
    message = Detection2DArray(header=header(stamp, "camera"))
    for left, top, right, bottom, name, score in rows:
        box = Detection2D()
        box.bbox.center.position.x = (left + right - 1) / 2
        box.bbox.center.position.y = (top + bottom - 1) / 2
        box.bbox.size_x, box.bbox.size_y = float(right - left), float(bottom - top)
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id, result.hypothesis.score = name, score
        box.results.append(result)
        message.detections.append(box)
    return message


@pytest.fixture
def recording(tmp_path, scene):
    """Two mugs are found, one late; the book is not; once there is a dog that is not there."""
    path = tmp_path / "room.mcap"
    mug, book = (2, 2, 22, 22, "red_mug", 1.0), (40, 10, 70, 40, "book", 1.0)
    said = [
        [(2, 2, 22, 22, "Red Mug", 0.9)],
        [(2, 3, 22, 22, "Red Mug", 0.5), (0, 0, 60, 50, "dog", 0.7)],
        [(2, 2, 22, 22, "Red Mug", 0.3)],
    ]
    with BagWriter(path) as bag:
        for k, true in enumerate([[mug], [mug, book], [], [mug]]):
            stamp = (k + 1) * SECOND
            bag.write(TRUE, boxes_message(stamp, *true), stamp)
            image = image_message(scene(60, 80, k), "rgb8", stamp, "camera")
            bag.write("/image", image, stamp)
            if k < len(said):
                bag.write(FOUND, boxes_message(stamp, *said[k]), stamp)
    return path


def evaluate(*words):
    return main(["evaluate", "detection", *map(str, words)])


def test_what_a_bag_says_already(recording, tmp_path, capsys):
    report = tmp_path / "report"
    assert evaluate(recording, "--estimate-topic", FOUND, "--topic", "/image", "-o", report) == 0
    told = capsys.readouterr()
    assert "room.mcap: 3 images" in told.out
    assert f"1 of {TRUE}: nothing of the same stamp" in told.err
    metrics = json.loads((report / "metrics.json").read_text())
    # Both mugs are found before the false one: AP50 1. The second one overlaps by 19 / 20.
    assert metrics["labels"]["red_mug"] == {"true_boxes": 2, "ap": 1.0, "ap50": 1.0}
    assert metrics["labels"]["book"] == {"true_boxes": 1, "ap": 0.0, "ap50": 0.0}
    assert metrics["labels"]["dog"] == {"true_boxes": 0, "ap": None, "ap50": None}
    assert (metrics["images"], metrics["ap"]) == (3, 0.5)
    half, most = metrics["at_recall"]
    assert half["threshold"] == 0.5
    assert half["precision"] == pytest.approx(2 / 3)
    assert half["absent_per_image_by_label"] == pytest.approx(
        {"book": 0, "red_mug": 0, "dog": 1 / 3}
    )
    assert most["why_not"] == "recall ends at 66.7 %"
    for words in ("at recall 80 %", "recall ends at 66.7 %", "66.67 %", "not there", "0.333"):
        assert words in told.out
    files = {path.name for path in report.iterdir()}
    pictures = {"image_1.jpg", "image_2.jpg", "image_3.jpg", "precision.png"}
    assert files == {"metrics.json", "index.html", *pictures}
    assert cv2.imread(str(report / "image_2.jpg")).shape == (60, 168, 3)
    assert "image_3.jpg" in (report / "index.html").read_text()


def test_the_truth_against_itself(recording, tmp_path, capsys):
    report = tmp_path / "report"
    assert evaluate(recording, "--estimate-topic", TRUE, "--limit", 2, "-o", report) == 0
    assert "room.mcap: 2 images" in capsys.readouterr().out
    metrics = json.loads((report / "metrics.json").read_text())
    assert metrics["ap"] == 1
    assert [point["precision"] for point in metrics["at_recall"]] == [1, 1]
    assert not list(report.glob("*.jpg"))  # there are no images to draw on


def test_a_threshold_leaves_boxes_out(recording, capsys):
    assert evaluate(recording, "--estimate-topic", FOUND, "--threshold", 0.6) == 0
    assert "recall ends at 33.3 %" in capsys.readouterr().out


@pytest.fixture
def folder(tmp_path, scene):
    """Two images; of one label there are no boxes, and one box holds many things."""
    path = tmp_path / "kitchen"
    path.mkdir()
    for k in range(2):
        cv2.imwrite(str(path / f"{k}.png"), scene(60, 80, k)[..., ::-1])
    box = {"bbox": [4, 4, 40, 40], "image_id": 0, "category_id": 5}
    content = {
        "images": [{"id": k, "file_name": f"{k}.png", "width": 80, "height": 60} for k in (0, 1)],
        "annotations": [
            {"id": 0} | box,
            {"id": 1} | box | {"bbox": [30, 10, 40, 40], "category_id": 7, "image_id": 1},
            {"id": 2} | box | {"iscrowd": 1},
        ],
        "categories": [
            {"id": 5, "name": "red_mug"},
            {"id": 7, "name": "book"},
            {"id": 9, "name": "sofa"},
        ],
    }
    (path / "boxes.json").write_text(json.dumps(content))
    return path


@pytest.fixture
def model(make_open):
    return make_open("owlv2")[0]


@pytest.fixture
def finder(model):
    """What the command is to find with."""
    from embodied_perception.open_vocabulary.finding import Finder
    from embodied_perception.open_vocabulary.loading import load_detector

    return Finder(load_detector(str(model)), 0.0)


def truth_near(found, labels):
    """Of two found boxes of these labels, the first and a later one, boxes of whole pixels."""
    chosen = np.flatnonzero(np.isin(found.labels, labels))[[0, 3]]
    return np.rint(found.boxes[chosen]).astype(int), found.labels[chosen]


def figures_by_hand(names, images):
    scores = DetectionScores(names)
    for number, (boxes, labels, found) in enumerate(images):
        scores.add(str(number), boxes, labels, found)
    figures = scores.figures((0.5, 0.8))
    # The tests say something only where something is right, and something is wrong.
    assert 0 < figures["ap"] < 1
    assert figures["at_recall"][1]["absent_per_image"] > 0
    return figures


def figures_of(report):
    metrics = json.loads((report / "metrics.json").read_text())
    del metrics["data"], metrics["source"]
    return metrics


def set_boxes(folder, boxes_of_images, categories):
    """Put other true boxes into a data set."""
    content = json.loads((folder / "boxes.json").read_text())
    content["annotations"] = [
        {"image_id": image, "category_id": categories[label],
         "bbox": [*map(int, box[:2]), *map(int, box[2:] - box[:2])]}
        for image, (boxes, labels, _) in enumerate(boxes_of_images)
        for box, label in zip(boxes, labels, strict=True)
    ] + [{"image_id": 0, "category_id": 5, "bbox": [4, 4, 40, 40], "iscrowd": 1}]  # fmt: skip
    (folder / "boxes.json").write_text(json.dumps(content))


@pytest.mark.parametrize("background", [True, False])
def test_a_model_on_a_folder(finder, model, folder, scene, tmp_path, capsys, background):
    from embodied_perception.open_vocabulary.vocabulary import BACKGROUND, Vocabulary

    names = ("red mug", "book", "sofa", "dog")
    vocabulary = Vocabulary.of(*names, background=BACKGROUND if background else ())
    encoded = finder.detector.words(vocabulary)
    found = [finder.find(scene(60, 80, k), encoded) for k in range(2)]
    images = [(*truth_near(each, [0, 1, 2]), each) for each in found]
    set_boxes(folder, images, (5, 7, 9))
    report = tmp_path / "report"
    options = [] if background else ["--no-background"]
    assert evaluate(folder, "--model", model, "--absent", "dog", *options, "-o", report) == 0
    told = capsys.readouterr()
    assert "kitchen: 2 images" in told.out
    assert "1 true boxes that hold many things each" in told.err
    assert figures_of(report) == figures_by_hand(names, images)
    assert {"image_1.jpg", "image_2.jpg"} <= {path.name for path in report.iterdir()}


def test_a_vocabulary_names_the_labels(finder, model, folder, scene, tmp_path):
    from embodied_perception.open_vocabulary.vocabulary import Label, Vocabulary

    labels = Label("novel", ("Book",)), Label("dog"), Label("cup", ("red mug",)), Label("Sofa")
    encoded = finder.detector.words(Vocabulary(labels, ("name",), ()))
    found = [finder.find(scene(60, 80, k), encoded) for k in range(2)]
    images = [(*truth_near(each, [0, 2, 3]), each) for each in found]
    set_boxes(folder, images, (7, None, 5, 9))
    file, report = tmp_path / "words.yaml", tmp_path / "report"
    file.write_text(
        "labels: [{name: novel, synonyms: [Book]}, dog, {name: cup, synonyms: [red mug], "
        "threshold: 1.0}, Sofa]\ntemplates: name\nbackground: []\n"
    )
    assert evaluate(folder, "--model", model, "--vocabulary", file, "-o", report) == 0
    assert figures_of(report) == figures_by_hand(("novel", "dog", "cup", "Sofa"), images)


def test_a_model_on_a_bag(finder, model, scene, tmp_path):
    from embodied_perception.open_vocabulary.vocabulary import Vocabulary

    names = ("book", "red mug")
    encoded = finder.detector.words(Vocabulary.of(*names, background=()))
    found = [finder.find(scene(60, 80, k), encoded) for k in range(3)]
    images = [(*truth_near(each, [0, 1]), each) for each in found]
    path, report = tmp_path / "a.mcap", tmp_path / "report"
    with BagWriter(path) as bag:
        for k, (boxes, labels, _) in enumerate(images):
            stamp = (k + 1) * SECOND
            image = image_message(scene(60, 80, k), "rgb8", stamp, "camera")
            bag.write("/image", image, stamp)
            rows = [
                (*map(int, box), names[n].replace(" ", "_"), 1.0)
                for box, n in zip(boxes, labels, strict=True)
            ]
            bag.write(TRUE, boxes_message(stamp, *rows), stamp)
    assert evaluate(path, "--model", model, "--no-background", "-o", report) == 0
    assert figures_of(report) == figures_by_hand(names, images)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["{bag}", "--estimate-topic", "/nowhere"], "no topic /nowhere with boxes"),
        (["{bag}", "--estimate-topic", "/image"], f"there are: {TRUE}, {FOUND}"),
        (["{bag}", "--estimate-topic", FOUND, "--box-topic", "/truth"], "no topic /truth with"),
        (["{bag}", "--estimate-topic", FOUND, "--absent", "cat"], f"--absent: {FOUND} tells what"),
        (["{bag}", "--model", "x", "--topic", "/nowhere"], "no topic /nowhere with images"),
        (["{bag}", "--model", "x", "--absent", "Red mug"], "has true boxes of Red mug: give words"),
        (["{empty}", "--estimate-topic", FOUND], "no image could be compared: 1 of"),
        (["{empty}", "--estimate-topic", TRUE], "neither of the topics has any boxes"),
        (["{empty}", "--model", "x", "--absent", "dog"], "has no true boxes, which would tell"),
        (["{folder}", "--estimate-topic", FOUND], "--estimate-topic: {folder} is no bag"),
        (["{folder}", "--model", "x", "--topic", "/m"], "--topic: {folder} is no bag"),
        (["{folder}", "--model", "x", "--box-topic", "/m"], "--box-topic: {folder} is no bag"),
        (["{folder}", "--model", "x", "--absent", "BOOK"], "has true boxes of BOOK"),
        (["{folder}", "--model", "x", "--absent", "cat", "cat"], "give every word once"),
        (["{folder}", "--model", "x", "--absent", " "], "expected a name; it is empty"),
        (["{folder}", "--model", "x", "--vocabulary", "{words}"], "has no word for red_mug, which"),
        (["{folder}", "--model", "x", "--vocabulary", "{folder}/boxes.json"], "the vocabulary has"),
        (["{folder}", "--model", "{folder}"], "config.json"),
        (["{folder}", "--model", "builtin:camvid"], "camvid"),
        (["{folder}/0.png", "--model", "x"], "cannot be read as JSON"),
        (["nowhere", "--model", "x"], "nowhere: no such folder"),
        (["{folder}", "--model", "x", "--limit", "0"], "--limit: got 0"),
        (["{folder}", "--model", "x", "--threshold", "1.5"], "--threshold: got 1.5, expected 0 to"),
        (["{folder}", "--model", "x", "--most-overlap", "nan"], "--most-overlap: got nan"),
        (["{folder}", "--model", "x", "--tiles", "0"], "--tiles: got 0, expected 1 to 8"),
        (["{folder}", "--model", "x", "-o", "{bag}/report"], "cannot be written to"),
    ],
)  # fmt: skip
def test_errors(recording, folder, tmp_path, capsys, words, expected):
    vocabulary, empty = tmp_path / "words.yaml", tmp_path / "empty.mcap"
    vocabulary.write_text("labels: [book, dog]")
    with BagWriter(empty) as bag:
        bag.write(TRUE, boxes_message(SECOND), SECOND)
        image = np.zeros((4, 4, 3), np.uint8)
        bag.write("/image", image_message(image, "rgb8", SECOND, "camera"), SECOND)
        found = boxes_message(2 * SECOND, (2, 2, 22, 22, "mug", 0.9))
        bag.write(FOUND, found, 2 * SECOND)
    places = {"bag": recording, "folder": folder, "words": vocabulary, "empty": empty}
    assert evaluate(*(word.format(**places) for word in words)) == 2
    assert expected.format(**places) in capsys.readouterr().err


def test_a_model_or_a_topic_is_needed(folder, capsys):
    with pytest.raises(SystemExit):
        evaluate(folder)
    assert "--model --estimate-topic is required" in capsys.readouterr().err


def test_a_damaged_image_names_its_file(model, folder, capsys):
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:60])
    assert evaluate(folder, "--model", model) == 2
    assert "1.png" in capsys.readouterr().err


def test_boxes_of_no_size_are_left_out(tmp_path, capsys):
    path = tmp_path / "a.mcap"
    with BagWriter(path) as bag:
        bag.write(TRUE, boxes_message(SECOND, (2, 2, 9, 9, "mug", 1.0)), SECOND)
        bag.write(TRUE, boxes_message(2 * SECOND, (2, 2, 2, 9, "mug", 1.0)), 2 * SECOND)
    assert evaluate(path, "--estimate-topic", TRUE) == 0
    told = capsys.readouterr()
    assert "a.mcap: 1 images" in told.out
    assert "2.000 s: box 1: got a size of 0 x 7" in told.err
