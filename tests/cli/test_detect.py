"""`perception detect`: its table and pictures against the finder, and what it refuses."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="needs the group: pip install --group learned")
pytest.importorskip("transformers")

from embodied_perception.cli.main import main
from embodied_perception.open_vocabulary.finding import Finder
from embodied_perception.open_vocabulary.loading import load_detector, load_masker
from embodied_perception.open_vocabulary.overlay import draw_detections
from embodied_perception.open_vocabulary.vocabulary import Label, Vocabulary
from embodied_perception.open_vocabulary.words import Words

NAMES = ("red mug", "door")
SIZE = (60, 80)


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(params=["owlv2"])
def model(request, make_open):
    return str(make_open(request.param)[0])


@pytest.fixture
def photos(tmp_path, scene):
    """Two photos, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, name in enumerate(("a.png", "b.png")):
        Image.fromarray(scene(*SIZE, seed=seed)).save(folder / name)
    (folder / "c.png").write_bytes(b"no photo")
    return folder


def detect(model, source, *words):
    """Everything that fits best is reported, unless the words say otherwise."""
    usual = ["--model", model, "--device", "cpu", "--threshold", "0"]
    return main(["detect", str(source), *usual, *map(str, words)])


def rows_of(said):
    return [
        [cell.strip() for cell in line.strip().strip("│").split("│")]
        for line in said.splitlines()
        if line.startswith("│")
    ]


def expected_rows(name, found, names=NAMES):
    return [
        [name, names[label], f"{score:.2f}", *(f"{side:.0f}" for side in box)]
        for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True)
    ]


def read(path):
    return np.array(Image.open(path))


@pytest.mark.parametrize("model", ["owlvit", "owlv2"], indirect=True)
def test_a_photo(model, photos, tmp_path, capsys):
    out = tmp_path / "found"
    words = ["--for", *NAMES, "--no-background", "-o", out]
    assert detect(model, photos / "a.png", *words) == 0
    detector = load_detector(model)
    image = read(photos / "a.png")
    found = Finder(detector, 0.0).find(image, detector.words(Vocabulary.of(*NAMES, background=())))
    said = capsys.readouterr().out
    assert len(found) > 2
    assert rows_of(said) == expected_rows("a.png", found)
    assert ("not here" in said) == (set(found.labels) != {0, 1})
    np.testing.assert_array_equal(read(out / "0000.png"), draw_detections(image, found, NAMES))
    assert f"wrote 1 picture to {out}" in said


@pytest.mark.parametrize("kind", ["clipseg", "sam2"])
def test_masks_are_drawn_and_written(model, make_open, photos, tmp_path, kind):
    out, masks = tmp_path / "found", make_open(kind)[0]
    words = ["--for", *NAMES, "--no-background", "--masks", masks, "-o", out]
    assert detect(model, photos, *words) == 0
    names = [f"000{number}{ending}.png" for number in (0, 1) for ending in ("", "_masks")]
    assert sorted(path.name for path in out.iterdir()) == names
    detector, masker = load_detector(model), load_masker(str(masks))
    vocabulary = Vocabulary.of(*NAMES, background=())
    for number, name in enumerate(("a.png", "b.png")):
        image = read(photos / name)
        found = Finder(detector, 0.0).find(image, detector.words(vocabulary))
        expected = masker.numbered(image, found, vocabulary)
        with Image.open(out / f"000{number}_masks.png") as written:
            assert written.mode == "I;16"
        np.testing.assert_array_equal(read(out / f"000{number}_masks.png"), expected)
        assert expected.max() > 1
        drawn = draw_detections(image, found, NAMES, masks=expected)
        np.testing.assert_array_equal(read(out / f"000{number}.png"), drawn)


def test_masks_of_what_is_like_a_photo_go_by_boxes(model, make_open, photos, tmp_path, capsys):
    given = ["--like", photos / "b.png", "-o", tmp_path / "found"]
    for kind, expected in (("sam2", 0), ("clipseg", 2)):
        folder = make_open(kind)[0]
        assert detect(model, photos / "a.png", *given, "--masks", folder) == expected
    assert "goes by words, and --like has none; take SAM 2" in capsys.readouterr().err
    assert read(tmp_path / "found" / "0000_masks.png").max() > 0


def test_maskers_that_are_none(model, photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    given = [photos / "a.png", "--for", "mug", "-o", tmp_path / "found"]
    for masks, expected in (
        (model, "expected 'clipseg', 'sam2', 'sam2_video'"),
        (tmp_path / "nowhere", "nowhere is no folder"),
        ("hf:nobody/nothing", "get it with: perception models pull hf:nobody/nothing"),
    ):
        assert detect(model, *given, "--masks", masks) == 2
        assert expected in " ".join(capsys.readouterr().err.split())


def test_a_photo_is_looked_at_upright(model, photos, tmp_path, scene):
    image = Image.fromarray(scene(*SIZE))
    exif = image.getexif()
    exif[0x0112] = 6  # a quarter turn
    image.save(photos / "phone.jpg", exif=exif)
    assert detect(model, photos / "phone.jpg", "--for", "cup", "-o", tmp_path / "found") == 0
    assert read(tmp_path / "found" / "0000.png").shape == (80, 60, 3)


def test_a_folder(model, photos, tmp_path, capsys):
    """With other texts that compete: fewer boxes are the words' then."""
    out = tmp_path / "found"
    assert detect(model, photos, "--for", *NAMES, "--template", "my {}", "-o", out) == 0
    detector = load_detector(model)
    words = detector.words(Vocabulary.of(*NAMES, templates=("my {}",)))
    expected = []
    for name in ("a.png", "b.png"):
        found = Finder(detector, 0.0).find(read(photos / name), words)
        expected += expected_rows(name, found) or [[name, *[""] * 6]]
    told = capsys.readouterr()
    assert rows_of(told.out) == expected
    assert "c.png: cannot be read as a photo" in told.err
    assert sorted(path.name for path in out.iterdir()) == ["0000.png", "0001.png"]
    assert f"wrote 2 pictures to {out}" in told.out


def test_a_vocabulary_with_a_threshold_of_its_own(model, photos, tmp_path, capsys):
    path = tmp_path / "words.yaml"
    path.write_text(
        "labels: [cup, {name: door, synonyms: [gate], threshold: 1}]\n"
        "templates: [name]\nbackground: []\n"
    )
    assert detect(model, photos / "b.png", "--vocabulary", path) == 0
    said = capsys.readouterr().out
    detector = load_detector(model)
    labels = (Label("cup"), Label("door", ("gate",), 1.0))
    words = detector.words(Vocabulary(labels, ("name",), ()))
    found = Finder(detector, 0.0).find(read(photos / "b.png"), words)
    assert set(found.labels) == {0}
    assert rows_of(said) == expected_rows("b.png", found, ("cup", "door"))
    assert said.splitlines()[-1] == "not here: door"


def test_nothing_is_found(model, photos, capsys):
    assert detect(model, photos / "a.png", "--for", *NAMES, "--threshold", 1) == 0
    said = capsys.readouterr().out
    assert rows_of(said) == [["a.png", *[""] * 6]]
    assert said.splitlines()[-1] == "not here: red mug, door"


def test_parts_of_the_image(model, photos, capsys):
    words = ["--for", *NAMES, "--no-background", "--tiles", 2, "--most-overlap", 0.3]
    assert detect(model, photos / "a.png", *words) == 0
    detector = load_detector(model)
    encoded = detector.words(Vocabulary.of(*NAMES, background=()))
    image = read(photos / "a.png")
    found, whole = (Finder(detector, 0.0, 0.3, tiles).find(image, encoded) for tiles in (2, 1))
    rows = rows_of(capsys.readouterr().out)
    assert rows == expected_rows("a.png", found) != expected_rows("a.png", whole)


def test_more_of_what_fills_a_photo(model, photos, capsys):
    assert detect(model, photos / "a.png", "--like", photos / "b.png") == 0
    detector = load_detector(model)
    label = Label("like b.png")
    words = Words.of_example(label, detector.point_of(read(photos / "b.png")))
    found = Finder(detector, 0.0).find(read(photos / "a.png"), words)
    assert len(found) > 2
    expected = expected_rows("a.png", found, (label.name,))
    assert rows_of(capsys.readouterr().out) == expected


@pytest.mark.parametrize("model", ["grounding-dino"], indirect=True)
def test_a_model_that_knows_words_alone(model, photos, capsys):
    assert detect(model, photos / "a.png", "--for", *NAMES) == 0
    assert "a.png" in capsys.readouterr().out
    for words in ([], ["--for", "mug"]):
        assert detect(model, photos / "a.png", "--like", photos / "b.png", *words) == 2
        assert "give words, or an OWL-ViT or OWLv2 such as" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["clip"], indirect=True)
def test_a_model_that_chooses(model, photos, capsys):
    assert detect(model, photos / "a.png", "--for", *NAMES, "--no-background") == 0
    detector = load_detector(model)
    words = detector.words(Vocabulary.of(*NAMES, background=()))
    found = Finder(detector, 0.0).find(read(photos / "a.png"), words)
    assert len(found)
    assert rows_of(capsys.readouterr().out) == expected_rows("a.png", found)
    examples = [f"--like={photos / name}" for name in ("a.png", "b.png")]
    assert detect(model, photos / "a.png", *examples) == 0
    assert "like a.png" in capsys.readouterr().out
    for alone in (["--for", "mug", "--no-background"], examples[:1]):
        assert detect(model, photos / "a.png", *alone) == 2
        assert "give background texts, or more labels or examples" in capsys.readouterr().err


def test_more_of_what_is_in_boxes_of_a_photo(model, photos, capsys):
    """A box that the model proposes stands for what it says of that box; words go with it."""
    detector = load_detector(model)
    image = read(photos / "b.png")
    words = detector.words(Vocabulary.of("cup", background=()))
    (proposed,) = detector.detect([image], words, 0.0)
    inside = (proposed.boxes >= 0).all(1) & (proposed.boxes <= [80, 60, 80, 60]).all(1)
    given = ["--for", "cup", "--no-background"]
    for index in np.flatnonzero(inside)[[0, -1]]:
        box = ",".join(map(repr, proposed.boxes[index].tolist()))
        given += ["--like", f"{photos / 'b.png'}:{box}"]
        words = words.with_example(Label(f"like b.png:{box}"), proposed.points[index])
    assert detect(model, photos / "a.png", *given) == 0
    found = Finder(detector, 0.0).find(read(photos / "a.png"), words)
    assert set(found.labels) & {1, 2}
    expected = expected_rows("a.png", found, words.vocabulary.names)
    assert rows_of(capsys.readouterr().out) == expected


def test_names_are_shown_as_they_are(model, photos, capsys):
    """Brackets would be colours to the console."""
    (photos / "a.png").rename(photos / "[red]a.png")
    words = ["--for", "[bold]mug", "--no-background"]
    assert detect(model, photos / "[red]a.png", *words) == 0
    assert {tuple(row[:2]) for row in rows_of(capsys.readouterr().out)} == {
        ("[red]a.png", "[bold]mug")
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "nothing to look for; give --for"),
        (["--for", "mug", "--vocabulary", "{photos}/x.yaml"], "give one of them"),
        (["--for", "mug", "--threshold", "1.1"], "--threshold: got 1.1, expected 0 to 1"),
        (["--for", "mug", "--threshold", "-0.1"], "--threshold: got -0.1, expected 0 to 1"),
        (["--for", "mug", "--threshold", "nan"], "--threshold: got nan, expected 0 to 1"),
        (["--for", "mug", "--most-overlap", "2"], "--most-overlap: got 2.0, expected 0 to 1"),
        (["--for", "mug", "--tiles", "0"], "--tiles: got 0, expected 1 to 8"),
        (["--for", "mug", "--tiles", "9"], "--tiles: got 9, expected 1 to 8"),
        (["--for", "mug", "--images", "0"], "--images: got 0, expected 1 or more"),
        (["--for", " "], "got ' ', expected a name; it is empty"),
        (["--for", "mug", "door", "Mug"], "'Mug' is in the labels 'mug' and 'Mug'"),
        (["--for", "mug " * 40], "tokens, the model takes 64"),
        (["--for", "m" * 201], "a name has 201 characters, expected at most 200"),
        (["--for", "mug", "--template", "a photo"], "template 'a photo' has no slots"),
        (["--for", "mug", "--template", "{{}} and {{}}"], "has 2 slots"),
        (["--vocabulary", "{photos}/x.yaml"], "{photos}/x.yaml cannot be read"),
        (["--vocabulary", "{photos}/a.png"], "{photos}/a.png cannot be read"),
        (["--like", "{photos}/a.png", "--no-background"], "--no-background goes with --for or"),
        (["--like", "{photos}/x.png"], "expected a photo, or PHOTO:left,top,right,bottom"),
        (["--like", "{photos}/x.png:1,2,3,4"], "{photos}/x.png: cannot be read as a photo"),
        (["--like", "{photos}/c.png"], "{photos}/c.png: cannot be read as a photo"),
        (["--like", "{photos}/a.png:1,2,3"], "expected a photo, or PHOTO:left,top,right,bottom"),
        (["--like", "{photos}/a.png:1,2,x,4"], "expected a photo, or PHOTO:left,top,right,bottom"),
        (["--like", "{photos}/a.png:9,2,3,4"], "expected a photo, or PHOTO:left,top,right,bottom"),
        (["--like", "{photos}/a.png:1,2,nan,4"], "expected a photo, or PHOTO:left"),
        (["--like", "{photos}/a.png:90,2,95,9"], "the photo spans 0,0,80,60"),
        (["--like", "{photos}/a.png:-1,2,9,9"], "the photo spans 0,0,80,60"),
        (["--like", "{photos}/a.png:1,2,9,inf"], "the photo spans 0,0,80,60"),
        (["--like", "{photos}/a.png", "--like", "{photos}/a.png"], "give every word once"),
        (["--for", "mug", "--masks", "{photos}"], "say where to with -o DIR"),
        (["--for", "mug", "--topic", "/image"], "{photos}/a.png is no bag"),
        (["--for", "mug", "-o", "{photos}/a.png/found"], "{photos}/a.png"),
    ],
)
def test_errors(model, photos, capsys, words, expected):
    assert detect(model, photos / "a.png", *(word.format(photos=photos) for word in words)) == 2
    assert expected.format(photos=photos) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("c.png", "c.png: cannot be read as a photo"),
        ("x.png", "no such file"),
        ("empty", "no photos in it"),
        ("broken", "no image could be read; "),
    ],
)
def test_sources_without_images(model, photos, capsys, source, expected):
    (photos / "empty").mkdir()
    (photos / "broken").mkdir()
    shutil.copy(photos / "c.png", photos / "broken")
    assert detect(model, photos / source, "--for", "mug") == 2
    assert expected in capsys.readouterr().err


def pickled(model, folder):
    shutil.copytree(model, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    return folder


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda _model, folder: folder, "model is no folder"),
        (lambda _model, _folder: "builtin:nothing", "no model is called 'builtin:nothing'"),
        (lambda _model, _folder: "hf:nobody/nothing", "get it with: perception models pull"),
        (lambda model, _folder: Path(model) / "config.json", "config.json is no folder"),
        (pickled, "pickle"),
    ],
)
def test_models_that_are_none(model, photos, tmp_path, capsys, monkeypatch, make, expected):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert detect(str(make(model, tmp_path / "model")), photos / "a.png", "--for", "mug") == 2
    assert expected in capsys.readouterr().err


def test_a_model_of_another_kind(make_open, photos, capsys):
    assert detect(str(make_open("siglip")[0]), photos / "a.png", "--for", "mug") == 2
    assert "model_type: got 'siglip', expected" in capsys.readouterr().err
