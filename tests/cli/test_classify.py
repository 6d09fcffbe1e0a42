"""`perception classify` and `perception calibrate words`, against the library."""

import numpy as np
import pytest
import yaml
from PIL import Image

pytest.importorskip("torch", reason="needs the group: pip install --group learned")
pytest.importorskip("transformers")

from embodied_perception.cli.main import main
from embodied_perception.open_vocabulary.encoder import Encoder
from embodied_perception.open_vocabulary.overlay import draw_answers
from embodied_perception.open_vocabulary.vocabulary import Vocabulary
from embodied_perception.open_vocabulary.zero_shot import NONE, ZeroShotClassifier

NAMES = ("red mug", "door")


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def model(make_open):
    return str(make_open("clip")[0])


@pytest.fixture
def images(scene):
    return [scene(60, 80, seed) for seed in range(4)]


@pytest.fixture
def photos(tmp_path, images):
    """Photos, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    (folder / "9.png").write_bytes(b"no photo")
    return folder


@pytest.fixture
def rooms(tmp_path, images):
    """Of the first word two photos, of the others one each."""
    folder = tmp_path / "rooms"
    for number, image in enumerate(images):
        name = ("mug", "door", "none")[number % 3]
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name / f"{number}.png")
    return [f"red mug={folder}/mug", f"door={folder}/door", f"{NONE}={folder}/none"]


def classifier(model):
    encoder = Encoder.load(model)
    return ZeroShotClassifier(encoder, encoder.words(Vocabulary.of(*NAMES)))


def classify(model, source, *words):
    return main(["classify", str(source), "--model", model, "--device", "cpu", *map(str, words)])


def calibrate(model, sources, *words):
    usual = ["--model", model, "--device", "cpu"]
    return main(["calibrate", "words", *map(str, sources), *usual, *map(str, words)])


def rows_of(said):
    return [
        [cell.strip() for cell in line.strip().strip("│").split("│")]
        for line in said.splitlines()
        if line.startswith("│")
    ]


def test_photos(model, photos, images, tmp_path, capsys):
    out = tmp_path / "answers"
    assert classify(model, photos, "--for", *NAMES, "-o", out) == 0
    found = classifier(model)
    expected = []
    for number, image in enumerate(images):
        said = found.ranked(found.classify([image])[0], 0.0, 3)
        names = [f"{number}.png", "", ""]
        expected += [
            [name, what, f"{share:.1%}"] for name, (what, share) in zip(names, said, strict=False)
        ]
        drawn = draw_answers(image, np.array([[0, 0, 80, 60]]), [said])
        np.testing.assert_array_equal(np.array(Image.open(out / f"{number:04d}.png")), drawn)
    told = capsys.readouterr()
    assert rows_of(told.out) == expected
    assert "9.png" in told.err
    assert f"wrote 4 pictures to {out}" in told.out


def test_nothing_above_the_threshold(model, photos, capsys):
    assert classify(model, photos / "0.png", "--for", *NAMES, "--threshold", 1) == 0
    assert rows_of(capsys.readouterr().out) == [["0.png", "", ""]]


def test_offsets_of_images_alone(model, photos, images, tmp_path, capsys):
    path = tmp_path / "place.yaml"
    assert calibrate(model, [photos], "--for", *NAMES, "-o", path) == 0
    expected = classifier(model).calibrated(images).calibration
    written = yaml.safe_load(path.read_text())
    assert written["model"] == model
    assert written["temperature"] == 1.0
    assert written["offsets"] == pytest.approx(expected.offsets, abs=1e-3)
    said = capsys.readouterr().out
    assert rows_of(said) == [[name, f"{value:+.2f}"] for name, value in expected.offsets.items()]
    assert f"wrote {path}, by 4 images" in said

    words = ["--for", *NAMES, "--top", 1]
    assert classify(model, photos / "0.png", *words, "--calibration", path) == 0
    calibrated = classifier(model).calibrated(images)
    ((what, share),) = calibrated.ranked(calibrated.classify([images[0]])[0], 0.0, 1)
    assert rows_of(capsys.readouterr().out) == [["0.png", what, f"{share:.1%}"]]


def test_a_temperature_of_what_is_told(model, rooms, images, tmp_path, capsys):
    path = tmp_path / "place.yaml"
    assert calibrate(model, rooms, "--for", *NAMES, "-o", path) == 0
    order, labels = [0, 3, 1, 2], [0, 0, 1, 2]
    before, truth = classifier(model), np.array(labels)
    shown = [images[place] for place in order]
    after = before.calibrated(shown, labels)
    written = yaml.safe_load(path.read_text())
    assert written["temperature"] == pytest.approx(after.calibration.temperature, rel=1e-3)
    said = capsys.readouterr().out
    assert f"temperature {after.calibration.temperature:.2f}" in said
    for when, judged in (("before", before), ("after", after)):
        right = np.mean(judged.classify(shown).argmax(1) == truth)
        assert f"{when}: {right:.1%} right, ECE " in said


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "no words to choose from; give --for"),
        (["--for", "mug", "--vocabulary", "v.yaml"], "give one of them"),
        (["--for", "mug", "--threshold", "2"], "--threshold: got 2.0, expected 0 to 1"),
        (["--for", "mug", "--top", "0"], "--top: got 0, expected 1 or more"),
        (["--for", "mug", "--images", "0"], "--images: got 0, expected 1 or more"),
        (["--for", "mug", "Mug"], "give every word once"),
        (["--for", "mug", "--calibration", "nowhere.yaml"], "nowhere.yaml cannot be read"),
    ],
)
def test_what_makes_no_sense(model, photos, capsys, words, reason):
    assert classify(model, photos, *words) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sources", "words", "reason"),
    [
        (["{}"], ["--images", "0"], "--images: got 0, expected 1 or more"),
        (["{}"], ["--images", "1"], "got 1 images to calibrate by, expected 2 at least"),
        (["{}"], ["--topic", "/image"], "is no bag, and has no topics"),
        (["nowhere"], [], "nowhere"),
        (["door=nowhere"], [], "nowhere"),
        (["window={}"], [], "'window' is no word of these: red mug, door, none of these"),
        (["door={}", "{}"], [], "some sources have a word and some have none"),
    ],
)
def test_what_cannot_be_calibrated_by(model, photos, tmp_path, capsys, sources, words, reason):
    path = tmp_path / "place.yaml"
    given = [each.format(photos) for each in sources]
    assert calibrate(model, given, "--for", *NAMES, "-o", path, *words) == 2
    assert reason in capsys.readouterr().err
    assert not path.exists()
