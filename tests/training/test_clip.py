"""Training of the two-tower model, on a few small pictures."""

import json
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")
transformers = pytest.importorskip("transformers")
sys.path.append(str(Path(__file__).parents[2] / "training"))

import clip  # noqa: E402
from box_confidence import fit_box_scores, pairs_to_ask_for, true_boxes  # noqa: E402
from captioned_pictures import CaptionedPictures, Thing  # noqa: E402
from captions import (  # noqa: E402
    FALSE,
    NOTHING,
    TRUE,
    UNKNOWN,
    Claim,
    Language,
    say,
    texts_and_truth,
)
from found_pairs import Found, judge  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from pixels_and_texts import balanced_loss, draw_places, numbers_at_points  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from word_tokenizer import make_tokenizer  # noqa: E402

from demo_room.palette import COLORS, HELD_OUT_PAIRS, OBJECT_CLASSES, rgb  # noqa: E402
from demo_room.random_rooms import random_room  # noqa: E402
from embodied_perception.open_vocabulary.box_scores import BoxScores  # noqa: E402
from embodied_perception.open_vocabulary.compact_clip import CompactClip  # noqa: E402
from embodied_perception.open_vocabulary.detections import Detections  # noqa: E402
from embodied_perception.open_vocabulary.templates import TEMPLATES  # noqa: E402

SHAPES = {"ball": 0, "book": 1, "bottle": 2}
TINTS = ("red", "green", "blue")
ALL = [Thing(kind, color) for kind in OBJECT_CLASSES for color in COLORS]
LEARNT = [thing for thing in ALL if (thing.color, thing.kind) not in HELD_OUT_PAIRS]
LANGUAGE = Language.about([*LEARNT, Thing("table"), Thing("sofa", "green")])
chances = st.integers(0, 10**6).map(random.Random)


def drawn(rng, pairs):
    """A gray picture with a shape of a colour in each of its twelve fields, and what they are."""
    picture, numbers = np.full((72, 96, 3), 120, np.uint8), np.zeros((72, 96), np.uint8)
    things = {}
    for number in range(1, 13):
        color, kind = pairs[rng.integers(len(pairs))]
        y, x = 24 * ((number - 1) // 4) + 12, 24 * ((number - 1) % 4) + 12
        for canvas, value in ((picture, COLORS[color]), (numbers, number)):
            if SHAPES[kind] == 0:
                cv2.circle(canvas, (x, y), 10, value, -1)
            elif SHAPES[kind] == 1:
                canvas[y - 9 : y + 9, x - 9 : x + 9] = value
                if canvas is picture:
                    canvas[y - 3 : y + 3, x - 9 : x + 9] = 250
            else:
                canvas[y - 10 : y + 10, x - 4 : x + 4] = value
        things[number] = {"name": f"{color} {kind}", "color": color, "kind": kind}
    return picture, numbers, things


def write(folder, split, count, pairs, rng):
    (folder / split).mkdir()
    (folder / f"{split}things").mkdir()
    for number in range(count):
        picture, numbers, things = drawn(rng, pairs)
        cv2.imwrite(str(folder / split / f"{number}.jpg"), picture[..., ::-1])
        cv2.imwrite(str(folder / f"{split}things" / f"{number}.png"), numbers)
        (folder / f"{split}things" / f"{number}.json").write_text(json.dumps(things))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pictures with shapes of three kinds and colours; two pairs are in the validation alone."""
    folder, rng = tmp_path_factory.mktemp("captions"), np.random.default_rng(0)
    every = [(color, kind) for color in TINTS for kind in SHAPES]
    write(folder, "train", 8, [pair for pair in every if pair not in HELD_OUT_PAIRS], rng)
    write(folder, "val", 2, every, rng)
    return folder


def train(data, output, *more):
    options = ["--data", data, "-o", output, "--batch", "4", "--crop", "48", "64", *more]
    assert clip.main([str(each) for each in options]) == 0
    return json.loads((output / "run.json").read_text())


# Runs


def test_loss_falls_and_the_run_leaves_weights_and_curves(data, tmp_path):
    run = train(data, tmp_path, "--epochs", "10", "--rate", "5e-3")
    assert run["epoch"] == 10
    assert run["losses"][-1] < 0.5 * run["losses"][0]
    assert run["best"] == max(run["scores"]) > 0.25  # by chance, an eighth
    assert len(run["also"]["held-out pairs"]) == 10
    assert cv2.imread(str(tmp_path / "curves.png")) is not None


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(data, tmp_path):
    whole = train(data, tmp_path / "whole", "--epochs", "4")
    part = train(data, tmp_path / "parts", "--epochs", "4", "--stop-after", "2")
    assert part["epoch"] == 2
    parts = train(data, tmp_path / "parts", "--epochs", "4")
    for key in ("losses", "scores", "also"):
        assert parts[key] == whole[key]
    one, two = ((tmp_path / each / "last.safetensors").read_bytes() for each in ("whole", "parts"))
    assert one == two


def test_the_model_is_left_as_a_folder_that_loads_with_a_card(data, tmp_path):
    about, folder = tmp_path / "about.md", tmp_path / "tiny"
    about.write_text("---\nlicense: cc0-1.0\n---\nShapes of one colour each.\n")
    train(data, tmp_path / "run", "--epochs", "2", "--model", folder, "--about", about)
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "compact_clip"
    assert config["box_scores"]["scale"] > 0
    preprocessor = json.loads((folder / "preprocessor_config.json").read_text())
    assert (preprocessor["do_resize"], preprocessor["do_normalize"]) == (False, False)
    assert (folder / "model.safetensors").stat().st_size < 1_500_000

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    network = CompactClip(config["words"])
    network.load_state_dict(load_file(folder / "model.safetensors"))
    trained, held_out = judge(network, tokenizer, CaptionedPictures.read(data, "val"))
    assert trained.total + held_out.total == 24
    assert held_out.total > 0
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlicense: cc0-1.0\n---\n\n# tiny\n")
    assert f"python training/clip.py --data {data}" in card
    assert f"| trained pairs | {100 * trained.share:.1f} % of {trained.total} |" in card
    assert f"| held-out pairs | {100 * held_out.share:.1f} % of {held_out.total} |" in card


class Guesses:
    """A detector that finds every thing, and everywhere what it is asked for besides.

    What is there fits by 0.9, and by chance 0.7 as well; what is not there by 0.8 or 0.6.
    """

    def __init__(self, pictures):
        self.pictures, self.rng = pictures, np.random.default_rng(0)

    def words(self, vocabulary):
        return vocabulary.names

    def detect(self, images, labels, _):
        place = next(n for n, each in enumerate(self.pictures.images) if each is images[0])
        things, numbers = self.pictures.things[place], self.pictures.numbers[place]
        names = {number: thing.name for number, thing in things.items()}
        boxes, found = true_boxes(numbers, names, labels)
        fits = self.rng.choice([0.9, 0.7], len(found))
        absent = np.setdiff1d(np.arange(len(labels)), found)
        boxes = np.concatenate([boxes, np.tile([0.0, 0, 1, 1], (len(absent), 1))])
        fits = np.append(fits, self.rng.choice([0.8, 0.6], len(absent)))
        points = np.zeros((len(boxes), 2), np.float32)
        return [Detections(boxes, fits.astype(np.float32), np.append(found, absent), points)]


def test_scores_of_boxes_become_the_share_that_is_right(data):
    pictures = CaptionedPictures.read(data, "val")
    box_scores = fit_box_scores(Guesses(pictures), pictures)
    # By maximum likelihood, the sum of the scores is the number of what is right.
    present, absent = pairs_to_ask_for(pictures)
    guesses, rights, said = Guesses(pictures), 0, 0.0
    for image, numbers, things in zip(
        pictures.images, pictures.numbers, pictures.things, strict=True
    ):
        (found,) = guesses.detect([image], [*present, *absent], 0.0)
        names = {number: thing.name for number, thing in things.items()}
        rights += len(true_boxes(numbers, names, [*present, *absent])[0])
        said += sum(map(box_scores.score, found.scores.tolist()))
    assert rights > 10
    assert said == pytest.approx(rights, rel=0.02)
    assert box_scores.score(0.9) > 2 * box_scores.score(0.6)


def test_where_no_box_is_right_scores_stay(data):
    pictures = CaptionedPictures.read(data, "val")
    guesses = Guesses(pictures)
    nowhere = SimpleNamespace(words=guesses.words, detect=lambda *_: [Detections.none(2)])
    assert fit_box_scores(nowhere, pictures) == BoxScores()


def test_held_out_pairs_in_the_training_data_end_the_run(tmp_path):
    write(tmp_path, "train", 1, [("green", "bottle")], np.random.default_rng(0))
    write(tmp_path, "val", 1, [("green", "bottle")], np.random.default_rng(0))
    with pytest.raises(SystemExit, match="there is a green bottle in the training data"):
        train(tmp_path, tmp_path / "out")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (("--focus", "1.5"), "--focus: give a share from 0 to 1"),
        (("--scales", "2", "1"), "--scales: give the smallest, above 0, then the largest"),
        (("--model", "there"), "--model needs --about"),
    ],
)
def test_arguments_that_make_no_sense(tmp_path, capsys, given, reason):
    with pytest.raises(SystemExit):
        clip.main(["--data", str(tmp_path), *given])
    assert reason in capsys.readouterr().err


# Data


def test_pictures_are_read_with_the_names_of_things(data):
    pictures = CaptionedPictures.read(data, "train", 2)
    assert len(pictures.images) == len(pictures.numbers) == len(pictures.things) == 2
    for image, numbers, things in zip(
        pictures.images, pictures.numbers, pictures.things, strict=True
    ):
        for number, thing in things.items():
            seen = np.median(image[numbers == number], axis=0)
            assert np.abs(seen - rgb(thing.color)).max() < 40
    assert {thing.kind for thing in pictures.different} <= set(SHAPES)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("0.png", "--captions"),
        ("0.jpg", "no JPEG"),
        ("0.json", "a name for each number"),
        ("not JSON", "a name for each number"),
        ("a list", "a name for each number"),
        ("no kind", "a name for each number"),
        ("too few", "number 1 has no name"),
    ],
)
def test_a_folder_that_is_no_data_set(tmp_path, spoil, reason):
    write(tmp_path, "train", 1, [("red", "ball")], np.random.default_rng(0))
    names = tmp_path / "trainthings" / "0.json"
    if spoil == "0.jpg":
        (tmp_path / "train" / spoil).unlink()
    elif spoil.startswith("0."):
        (tmp_path / "trainthings" / spoil).unlink()
    else:
        texts = {"not JSON": "{", "a list": "[1]", "no kind": '{"1": {"name": "x"}}'}
        names.write_text(texts.get(spoil, "{}"))
    with pytest.raises(SystemExit, match=reason):
        CaptionedPictures.read(tmp_path, "train")


# Captions


@pytest.mark.parametrize(
    ("claim", "thing", "expected"),
    [
        (Claim("mug", "red"), Thing("mug", "red"), TRUE),
        (Claim("mug"), Thing("mug", "red"), TRUE),
        (Claim(None, "red"), Thing("mug", "red"), TRUE),
        (Claim("mug", "blue"), Thing("mug", "red"), FALSE),
        (Claim("cup", "red"), Thing("mug", "red"), FALSE),
        (Claim(None, "blue"), Thing("mug", "red"), FALSE),
        (Claim("table"), Thing("table"), TRUE),
        (Claim("table", "brown"), Thing("table"), UNKNOWN),
        (Claim(None, "brown"), Thing("table"), UNKNOWN),
        (Claim("chair", "brown"), Thing("table"), FALSE),
        (Claim(None, "white"), NOTHING, FALSE),
        (Claim("mug", "white"), NOTHING, FALSE),
        (Claim("nothing"), NOTHING, TRUE),
        (Claim("nothing"), Thing("mug", "red"), FALSE),
    ],
)
def test_a_text_is_true_of_what_it_says(claim, thing, expected):
    assert claim.of(thing) == expected


@given(st.lists(st.sampled_from(LEARNT), min_size=1, max_size=30), chances)
def test_held_out_pairs_are_in_no_caption(things, chance):
    claims = LANGUAGE.claims(things, chance)
    assert not {(claim.color, claim.kind) for claim in claims} & HELD_OUT_PAIRS
    texts = [f" {say(claim, chance)} " for claim in claims]
    for color, kind in HELD_OUT_PAIRS:
        assert not any(f" {color} {kind}" in text for text in texts)


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=30), chances)
def test_each_thing_is_spoken_of_and_much_that_is_not_there(things, chance):
    texts, truth = texts_and_truth([NOTHING, *things], LANGUAGE, chance)
    assert truth.shape == (1 + len(things), len(texts))
    assert ((truth == TRUE).sum(1) >= 3).all()
    nowhere = (truth == FALSE).all(0)
    assert nowhere.any()
    assert (truth[:, -8:] == np.where(np.arange(len(truth)) == 0, TRUE, FALSE)[:, None]).all()


def test_training_rooms_lack_what_captions_lack():
    shown = {(item.color, item.kind) for item in random_room(1, HELD_OUT_PAIRS).items}
    Language.about([Thing(kind, color) for color, kind in shown])
    shown = {(item.color, item.kind) for seed in range(9) for item in random_room(seed).items}
    with pytest.raises(SystemExit, match="held out"):
        Language.about([Thing(kind, color) for color, kind in shown])


# Tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    make_tokenizer(LANGUAGE.words(), 16).save_pretrained(folder)
    return transformers.AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )


def said(tokenizer, text):
    return tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("A photo of the RED mug!", ["photo", "of", "red", "mug"]),
        ("a close-up photo of an orange", ["close", "up", "photo", "of", "orange"]),
        ("red zblork", ["red", "<unknown>"]),
        ("Wärme, 3 m", ["<unknown>", "<unknown>", "<unknown>"]),
        ("banana", ["<unknown>"]),
        ("the", []),
        ("", []),
        ("...", []),
    ],
)
def test_texts_are_words(tokenizer, text, tokens):
    assert said(tokenizer, text) == ["<start>", *tokens]


def test_the_tokenizer_is_fast_pads_and_knows_the_context(tokenizer):
    assert tokenizer.is_fast
    assert tokenizer.model_max_length == 16
    both = tokenizer(["red mug", "a photo of a red mug."], padding=True)
    assert both["attention_mask"] == [[1, 1, 1, 0, 0], [1] * 5]
    assert both["input_ids"][0][3:] == [tokenizer.pad_token_id] * 2
    assert "token_type_ids" not in both


@given(st.sampled_from(LEARNT), chances)
def test_all_that_is_said_is_known_and_fits(tokenizer, thing, chance):
    for claim in (Claim(thing.kind, thing.color), Claim(thing.kind), Claim(None, thing.color)):
        tokens = said(tokenizer, say(claim, chance))
        assert "<unknown>" not in tokens
        assert len(tokens) <= CompactClip.context


def test_the_templates_of_the_library_are_known(tokenizer):
    for templates in TEMPLATES.values():
        for template in templates:
            assert "<unknown>" not in said(tokenizer, template.format("red mug"))


# Places and loss


@pytest.mark.parametrize("size", [(8, 12), (7, 9), (1, 1), (240, 320)])
def test_a_mask_is_read_where_the_points_are(size):
    numbers = np.arange(size[0] * size[1]).reshape(size)
    read = numbers_at_points(numbers, 2)
    assert read.shape == (-(-size[0] // 2), -(-size[1] // 2))
    assert read[0, 0] == numbers[min(1, size[0] - 1), min(1, size[1] - 1)]


def test_small_things_are_looked_at_as_often_as_large_ones():
    numbers = np.zeros((60, 80), np.uint8)
    numbers[:30, :40] = 1
    numbers[50:52, 50:52] = 2
    numbers[:, 70:] = 255
    places = draw_places(numbers, 4000, np.random.default_rng(0))
    shares = np.bincount(numbers.ravel()[places], minlength=256) / len(places)
    np.testing.assert_allclose(shares[:3], [0.25, 0.375, 0.375], atol=0.03)
    assert shares[255] == 0


@pytest.mark.parametrize("value", [0, 7])
def test_places_where_all_is_the_same(value):
    numbers = np.full((5, 6), value, np.uint8)
    places = draw_places(numbers, 50, np.random.default_rng(0))
    assert places.min() >= 0
    assert places.max() < 30


def test_loss_is_that_of_the_equation_with_either_half_as_heavy():
    logits = torch.tensor([[2.0, -1.0, 0.5, 9.0]], requires_grad=True)
    truth = torch.tensor([[TRUE, FALSE, FALSE, UNKNOWN]], dtype=torch.int8)
    loss = balanced_loss(logits, truth)
    true, *false = np.log1p(np.exp([-2.0, -1.0, 0.5]))
    assert float(loss) == pytest.approx(0.5 * (true + np.mean(false)), rel=1e-6)
    loss.backward()
    assert logits.grad[0, 3] == 0


@pytest.mark.parametrize("value", [TRUE, FALSE, UNKNOWN])
def test_loss_where_all_texts_are_alike(value):
    loss = balanced_loss(torch.zeros(3, 4), torch.full((3, 4), value))
    assert float(loss) == pytest.approx(0.0 if value == UNKNOWN else 0.5 * np.log(2))


# Figures


def test_a_network_that_knows_finds_all_and_one_that_does_not_finds_few(data):
    pictures = CaptionedPictures.read(data, "val")
    tokenizer = make_tokenizer(LANGUAGE.words(), 16)

    class Knows(torch.nn.Module):
        """Points are colours and kinds as the masks have them."""

        def __init__(self, confuses):
            super().__init__()
            self.bias, self.count, self.confuses = torch.zeros(()), -1, confuses
            self.image, self.text = self.look, self.read
            self.stride = 2

        def look(self, _images):
            self.count += 1
            numbers = numbers_at_points(pictures.numbers[self.count], 2)
            points = torch.zeros(1, 200, *numbers.shape)
            for number, thing in pictures.things[self.count].items():
                where = torch.from_numpy(numbers == number)
                for word in (thing.color, thing.kind)[self.confuses :]:
                    points[0, tokenizer.convert_tokens_to_ids(word), where] = 1
            return points

        def read(self, tokens, _mask):
            return torch.nn.functional.one_hot(tokens, 200).sum(1).float()

    trained, held_out = judge(Knows(False), tokenizer, pictures)
    assert (trained.share, held_out.share) == (1.0, 1.0)
    pairs = [(t.color, t.kind) in HELD_OUT_PAIRS for ts in pictures.things for t in ts.values()]
    assert (trained.total, held_out.total) == (len(pairs) - sum(pairs), sum(pairs))
    trained, _ = judge(Knows(True), tokenizer, pictures)
    assert 0.1 < trained.share < 0.7
    assert np.isnan(Found().share)
