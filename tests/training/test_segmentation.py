"""Training, on a few small pictures."""

import json
import random
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")
sys.path.append(str(Path(__file__).parents[2] / "training"))

import segmentation  # noqa: E402
from masked_pictures import (  # noqa: E402
    CAMVID_LABELS,
    UNLABELLED,
    Pictures,
    plain,
    read_labels,
    varied,
)
from model_folder import write_card, write_model  # noqa: E402
from rich.progress import Progress  # noqa: E402
from run_state import Run  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from embodied_perception.evaluation.segmentation import Confusion  # noqa: E402
from embodied_perception.segmentation.compact_unet import CompactUNet  # noqa: E402
from embodied_perception.segmentation.segmenter import Segmenter  # noqa: E402


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pictures whose colour says the class, and a strip that has none."""
    folder, rng = tmp_path_factory.mktemp("camvid"), np.random.default_rng(0)
    colours = rng.integers(30, 226, (12, 3))
    for split, count in (("train", 8), ("val", 3)):
        (folder / split).mkdir()
        (folder / f"{split}annot").mkdir()
        for number in range(count):
            mask = rng.integers(0, 4, (6, 8), np.uint8).repeat(8, 0).repeat(8, 1)
            mask[:4] = 11
            cv2.imwrite(str(folder / split / f"{number}.png"), colours[mask][..., ::-1])
            cv2.imwrite(str(folder / f"{split}annot" / f"{number}.png"), mask)
    return folder


def train(data, output, *more):
    given = ["--data", data, "-o", output, "--batch", "4", "--crop", "48", "64", *more]
    assert segmentation.main([str(each) for each in given]) == 0
    return json.loads((output / "run.json").read_text())


def test_loss_falls_and_the_run_leaves_weights_and_curves(data, tmp_path):
    run = train(data, tmp_path, "--epochs", "12")
    assert run["epoch"] == 12
    assert run["losses"][-1] < 0.8 * run["losses"][0]
    assert run["best"] == max(run["scores"]) > 0.2
    assert cv2.imread(str(tmp_path / "curves.png")) is not None
    weights = (tmp_path / "model.safetensors").read_bytes()
    assert weights[8:9] == b"{"  # the head of safetensors


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(data, tmp_path):
    whole = train(data, tmp_path / "whole", "--epochs", "4")
    part = train(data, tmp_path / "parts", "--epochs", "4", "--stop-after", "2")
    assert part["epoch"] == 2
    parts = train(data, tmp_path / "parts", "--epochs", "4")
    assert parts["losses"] == whole["losses"]
    assert parts["scores"] == whole["scores"]
    one, two = ((tmp_path / each / "last.safetensors").read_bytes() for each in ("whole", "parts"))
    assert one == two


def test_a_run_begins_with_the_best_of_another(data, tmp_path):
    train(data, tmp_path / "first", "--epochs", "2")
    given = ["--begin-with", tmp_path / "first", "--rate", "1e-9"]
    train(data, tmp_path / "second", "--epochs", "1", *given)
    before, after = (
        load_file(tmp_path / each / "model.safetensors")["classify.0.weight"]
        for each in ("first", "second")
    )
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)


def unlucky(network, batches):
    """The loss of a network; of some batches, by their numbers, it is not finite."""
    count = -1

    def loss_of(images, masks):
        nonlocal count
        count += 1
        logits = network(images * torch.nan) if count in batches else network(images)
        return torch.nn.functional.cross_entropy(logits, masks, ignore_index=UNLABELLED)

    return loss_of


def one_epoch(data, batches):
    """Train on 20 batches, some of them unlucky; gives the network and the mean loss."""
    arguments = segmentation.parse(["--data", str(data), "--batch", "1", "--crop", "24", "32"])
    images = Pictures.read(data, "train", 11)
    many = Pictures((images.images * 20)[:20], (images.masks * 20)[:20])
    torch.manual_seed(0)
    network = CompactUNet(11)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3)
    loss = segmentation.train_epoch(
        network, unlucky(network, batches), optimiser, many, arguments, Run(),
        Progress(disable=True),
    )  # fmt: skip
    return network, loss


def test_a_batch_without_a_finite_gradient_is_left_out(data):
    network, loss = one_epoch(data, {3})
    assert np.isfinite(loss)
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())


def test_many_batches_without_a_finite_gradient_end_the_run(data):
    with pytest.raises(SystemExit, match=r"of 20 batches, 5 had no finite gradient; .*--rate"):
        one_epoch(data, set(range(5)))


@pytest.mark.parametrize("focus", [0.0, 1.0])
def test_variations_move_image_and_mask_alike(data, focus):
    pictures = Pictures.read(data, "train", 11)
    for seed in range(10):
        chance = random.Random(seed)  # noqa: S311
        image, mask = varied(pictures.images[0], pictures.masks[0], (48, 64), chance, focus=focus)
        assert image.shape == (48, 64, 3)
        assert mask.shape == (48, 64)
        assert set(np.unique(mask)) <= {0, 1, 2, 3, UNLABELLED}
        inside = cv2.erode((mask == 1).astype(np.uint8), np.ones((7, 7))) > 0
        if inside.any():  # one class is one colour, whatever the light
            assert image[inside].std(axis=0).max() < 15


def test_focus_shows_what_is_small():
    mask = np.zeros((200, 300), np.uint8)
    mask[150:154, 20:24] = 1
    mask[:5] = UNLABELLED
    image = np.zeros((200, 300, 3), np.uint8)
    seen = {}
    for focus in (0.0, 1.0):
        chance = random.Random(0)  # noqa: S311
        views = [varied(image, mask, (40, 60), chance, focus=focus)[1] for _ in range(100)]
        seen[focus] = sum(bool((view == 1).any()) for view in views)
    assert seen[0.0] < 20
    assert seen[1.0] >= 85  # it is a thousandth of the image


def test_focus_where_nothing_is_labelled():
    image, mask = np.zeros((50, 70, 3), np.uint8), np.full((50, 70), UNLABELLED, np.uint8)
    _, view = varied(image, mask, (40, 60), random.Random(0), focus=1.0)  # noqa: S311
    assert (view == UNLABELLED).all()


def test_labels_are_those_of_the_folder_or_of_camvid(tmp_path):
    assert read_labels(tmp_path) == CAMVID_LABELS
    (tmp_path / "labels.json").write_text('["floor", "red mug"]')
    assert read_labels(tmp_path) == ("floor", "red mug")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[", "no JSON"),
        ('{"0": "floor"}', "expected a list"),
        ("[]", "expected a list"),
        ('["floor", 3]', "expected a list"),
        ('["floor", ""]', "expected a list"),
        ('["floor", "floor"]', "different names"),
        (json.dumps([str(number) for number in range(256)]), "1 to 255"),
    ],
)
def test_labels_that_are_none(tmp_path, text, reason):
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(SystemExit, match=rf"labels\.json.*{reason}"):
        read_labels(tmp_path)


def test_numbers_without_a_name_are_unlabelled(data):
    masks = Pictures.read(data, "train", 3).masks
    assert set(np.unique(np.stack(masks))) == {0, 1, 2, UNLABELLED}


def test_the_model_is_left_as_a_folder_with_a_card(data, tmp_path):
    about, folder = tmp_path / "about.md", tmp_path / "tiny"
    about.write_text("---\nlicense: cc0-1.0\n---\nSquares of one colour each.\n")
    to_folder = ("--epochs", "2", "--model", folder, "--about", about)
    train(data, tmp_path / "run", *to_folder, "--stop-after", "1")
    assert not folder.exists()  # not before it is done
    run = train(data, tmp_path / "run", *to_folder)
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "compact_unet"
    assert config["id2label"] == {str(n): name for n, name in enumerate(CAMVID_LABELS)}
    assert json.loads((folder / "preprocessor_config.json").read_text()) == {
        "do_resize": True,
        "size": {"height": 48, "width": 64},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 0.00392156862745098,
        "do_normalize": False,
    }
    assert (folder / "model.safetensors").stat().st_size < 1_000_000
    card = (folder / "README.md").read_text()
    assert "# tiny\n" in card
    assert card.startswith("---\nlicense: cc0-1.0\n---\n")
    assert "Squares of one colour each." in card
    assert f"python training/segmentation.py --data {data}" in card
    network = CompactUNet(11)
    network.load_state_dict(load_file(folder / "model.safetensors"))
    confusion = segmentation.evaluate(network, Pictures.read(data, "val", 11), 11, (48, 64))
    assert f"| mean IoU | {100 * confusion.miou:.1f} % |" in card
    assert confusion.miou > 0.8 * run["scores"][-1]


def test_a_model_is_judged_at_the_size_that_it_runs_at(data, tmp_path):
    about, folder = tmp_path / "about.md", tmp_path / "larger"
    about.write_text("---\nlicense: cc0-1.0\n---\nSquares of one colour each.\n")
    to_folder = ("--epochs", "2", "--model", folder, "--about", about, "--size", "72", "100")
    train(data, tmp_path / "run", *to_folder)
    segmenter, val = Segmenter.load(str(folder)), Pictures.read(data, "val", 11)
    masks = [found.mask for found in segmenter.segment(val.images)]
    network = CompactUNet(11)
    network.load_state_dict(load_file(folder / "model.safetensors"))
    judged = segmentation.evaluate(network, val, 11, (72, 100))
    seen = sum(
        (Confusion.of(true, said, 11) for true, said in zip(val.masks, masks, strict=True)),
        Confusion.none(11),
    )
    assert f"| mean IoU | {100 * judged.miou:.1f} % |" in (folder / "README.md").read_text()
    assert np.abs(seen.counts - judged.counts).sum() <= 0.002 * judged.counts.sum()
    other = segmentation.evaluate(network, val, 11, (48, 64))
    assert np.abs(other.counts - judged.counts).sum() > 0.01 * judged.counts.sum()


def test_a_plain_view_has_one_colour_and_one_class():
    greys = []
    for seed in range(20):
        image, mask = plain((40, 60), 7, random.Random(seed))  # noqa: S311
        assert image.shape == (40, 60, 3)
        assert image.dtype == mask.dtype == np.uint8
        assert (mask == 7).all()
        assert image.std((0, 1)).max() < 5
        colour = image.mean((0, 1))
        assert colour.max() <= 1.25 * colour.min()  # 1.1 / 0.9
        greys.append(colour.mean())
    assert max(greys) - min(greys) > 100


def test_one_view_in_fifty_is_plain_where_that_is_asked_for(data):
    pictures = Pictures.read(data, "train", 11)
    counts = {}
    for plain_label in (None, 9):
        arguments = segmentation.parse(["--data", str(data), "--crop", "24", "32"])
        arguments.plain = plain_label
        chance = random.Random(0)  # noqa: S311
        views = [
            segmentation.view(pictures.images[0], pictures.masks[0], arguments, chance)[1]
            for _ in range(1000)
        ]
        counts[plain_label] = sum(bool((mask == 9).all()) for mask in views)
    assert counts[None] == 0
    assert 10 <= counts[9] <= 30


def test_a_plain_view_of_what_is_no_class(data, tmp_path):
    with pytest.raises(SystemExit, match="--plain: fog is none of sky, building, pole"):
        train(data, tmp_path, "--plain", "fog")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (("--focus", "1.5"), "--focus: give a share from 0 to 1"),
        (("--scales", "2", "1"), "--scales: give the smallest, above 0, then the largest"),
        (("--scales", "0", "1"), "--scales: give the smallest"),
        (("--balance", "1"), "--balance: give a number above 1"),
        (("--size", "0", "64"), "--size: give height and width in pixels"),
        (("--model", "there"), "--model needs --about"),
        (("--about", "demo.md"), "--model needs --about"),
        (("--model", "there", "--about", "nowhere.md"), "--about: nowhere.md is no file"),
    ],
)
def test_arguments_that_make_no_sense(tmp_path, capsys, given, reason):
    with pytest.raises(SystemExit):
        segmentation.main(["--data", str(tmp_path), *given])
    assert reason in capsys.readouterr().err


def test_weights_in_half_the_bytes_say_the_same(tmp_path):
    torch.manual_seed(0)
    network = CompactUNet(5).eval()
    write_model(tmp_path, network, "abcde", (40, 56))
    read = CompactUNet(5).eval()
    tensors = load_file(tmp_path / "model.safetensors")
    assert {value.dtype for value in tensors.values()} == {torch.float16, torch.int64}
    read.load_state_dict(tensors)
    image = torch.rand(1, 3, 40, 56)
    with torch.inference_mode():
        wanted, got = network(image), read(image)
    torch.testing.assert_close(got, wanted, atol=0.01, rtol=0.01)


def test_card_leaves_out_figures_of_classes_that_are_not_there(tmp_path):
    confusion = Confusion(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))
    labels = ("floor", "wall", "mug")
    about = "---\nlicense: mit\n---\nDrawn."
    write_card(tmp_path, "three", about, "make it", labels, {"val": confusion})
    lines = (tmp_path / "README.md").read_text().splitlines()
    assert "| mean IoU | 77.5 % |" in lines
    assert "| pixel accuracy | 87.5 % |" in lines
    assert "| floor | 75.0 % |" in lines
    assert "| wall | 80.0 % |" in lines
    assert "| mug | - |" in lines


@pytest.mark.parametrize("spoil", ["no masks", "no image", "another size"])
def test_a_folder_that_is_no_data_set(tmp_path, spoil):
    (tmp_path / "train").mkdir()
    (tmp_path / "trainannot").mkdir()
    if spoil != "no masks":
        cv2.imwrite(str(tmp_path / "trainannot" / "a.png"), np.zeros((8, 8), np.uint8))
    if spoil == "another size":
        cv2.imwrite(str(tmp_path / "train" / "a.png"), np.zeros((9, 8, 3), np.uint8))
    with pytest.raises(SystemExit, match=r"trainannot.*(no PNG masks|no image of that name)"):
        segmentation.main(["--data", str(tmp_path), "-o", str(tmp_path / "out")])
