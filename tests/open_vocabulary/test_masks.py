"""Masks of boxes against transformers' own networks, and what is never in them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")
transformers = pytest.importorskip("transformers")

from torch.nn.functional import interpolate  # noqa: E402

from embodied_perception.cli.main import main  # noqa: E402
from embodied_perception.errors import InferenceError, OpenVocabularyError  # noqa: E402
from embodied_perception.inference.checkpoint import Checkpoint  # noqa: E402
from embodied_perception.inference.preprocessing import Preprocessing  # noqa: E402
from embodied_perception.inference.preprocessor_file import read_preprocessing  # noqa: E402
from embodied_perception.inference.runtime import Runtime  # noqa: E402
from embodied_perception.inference.tasks import tasks_of  # noqa: E402
from embodied_perception.open_vocabulary import clipseg, masks, sam2  # noqa: E402
from embodied_perception.open_vocabulary.detections import Detections  # noqa: E402
from embodied_perception.open_vocabulary.loading import load_masker  # noqa: E402
from embodied_perception.open_vocabulary.vocabulary import Vocabulary  # noqa: E402

NAMES = ("red mug", "door", "fire extinguisher")
WORDS = Vocabulary.of(*NAMES)
KINDS = ("clipseg", "sam2", "sam2_video")
SIZES = [(60, 80), (48, 48), (130, 90)]
#: In shares of the image, the surest first; the last one is thinner than a pixel.
SHARES = [(0.1, 0.1, 0.6, 0.8), (0, 0, 1, 1), (0.31, 0.22, 0.97, 0.68), (0.5, 0.1, 0.501, 0.9)]


def boxes_in(size, shares=SHARES, labels=None):
    height, width = size
    count = len(shares)
    return Detections(
        np.array(shares, np.float32).reshape(-1, 4) * np.float32([width, height, width, height]),
        np.linspace(0.9, 0.5, count).astype(np.float32),
        np.array([2, 0, 2, 0][:count] if labels is None else labels),
        np.zeros((count, 0), np.float32),
    )


def inside(box, size):
    """(H, W): whose middles are in the box."""
    y, x = (np.arange(side) + 0.5 for side in size)
    left, top, right, bottom = box
    return ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))


def said_by_clipseg(make_open, image, found):
    _, processor, network = make_open("clipseg")
    inputs = processor(
        text=list(NAMES), images=[image] * len(NAMES), padding=True, return_tensors="pt"
    )
    with torch.inference_mode():
        return network(**inputs).logits[torch.from_numpy(found.labels)]


def said_by_sam2(make_open, kind, image, found, several=False):
    folder, processor, _ = make_open(kind)
    network = transformers.Sam2Model.from_pretrained(folder).eval()
    height, width = image.shape[:2]
    boxes = torch.from_numpy(found.boxes) * 64 / torch.tensor([width, height, width, height])
    pixels = processor(images=image, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        said = network(pixels, input_boxes=boxes[None], multimask_output=several)
    best = said.iou_scores[0].argmax(-1)
    return said.pred_masks[0][torch.arange(len(best)), best]


@pytest.fixture(scope="module", params=KINDS)
def masker(request, make_open):
    return load_masker(str(make_open(request.param)[0]))


@pytest.fixture(scope="module")
def by_words(make_open):
    return load_masker(str(make_open("clipseg")[0]))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_masks_are_those_of_transformers(make_open, scene, kind, size):
    image, found = scene(*size), boxes_in(size)
    masker = load_masker(str(make_open(kind)[0]))
    if kind == "clipseg":
        expected = said_by_clipseg(make_open, image, found)
    else:
        expected = said_by_sam2(make_open, kind, image, found)
    maps, placement = masker.logits(image, found, WORDS)
    assert placement.image_hw == size
    torch.testing.assert_close(
        torch.stack(list(maps)).sigmoid(), expected.sigmoid(), atol=1e-3, rtol=0
    )
    assert (expected[0].sigmoid() - expected[1].sigmoid()).abs().max() > 0.01  # they do differ
    whole = interpolate(expected[:, None], size, mode="bilinear")[:, 0].numpy() > 0
    got = masker.masks(image, found, WORDS)
    assert (got.dtype, got.shape) == (bool, (4, *size))
    for mask, own, box in zip(got, whole, found.boxes, strict=True):
        area = inside(box, size)
        assert (mask != (own & area)).sum() <= 3
    for mask in got[:3]:
        assert 0.02 < mask.mean() < 0.98


def test_where_one_mask_is_not_stable_the_best_of_several_is_taken(make_open, scene):
    size = SIZES[0]
    image, found = scene(*size), boxes_in(size)
    masker = load_masker(str(make_open("sam2")[0]))
    one, _ = masker.logits(image, found, WORDS)
    masker._network.mask_decoder.dynamic_multimask_stability_thresh = 2.0
    best, _ = masker.logits(image, found, WORDS)
    expected = said_by_sam2(make_open, "sam2", image, found, several=True)
    torch.testing.assert_close(torch.stack(best).sigmoid(), expected.sigmoid(), atol=1e-3, rtol=0)
    assert (torch.stack(best) - torch.stack(one)).abs().max() > 0.1


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(*[st.floats(-20, 120, width=32)] * 4).map(
            lambda box: (*np.minimum(box[:2], box[2:]), *np.maximum(box[:2], box[2:]))
        ),
        max_size=5,
    )
)
def test_a_mask_is_never_outside_of_its_box(by_words, boxes):
    found = boxes_in((1, 1), boxes, [0] * len(boxes))
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    got = by_words.masks(image, found, WORDS)
    assert got.shape == (len(boxes), 60, 80)
    for mask, box in zip(got, found.boxes, strict=True):
        assert not (mask & ~inside(box, (60, 80))).any()


def test_no_boxes(masker, scene, monkeypatch):
    def run(*_):
        raise AssertionError("there is nothing to look for")

    monkeypatch.setattr(type(masker.model), "run", run)
    got = masker.masks(scene(60, 80), Detections.none(), WORDS)
    assert (got.dtype, got.shape) == (bool, (0, 60, 80))
    assert not masker.numbered(scene(60, 80), Detections.none(), WORDS).any()


def test_the_surest_is_on_top(masker, scene):
    image, found = scene(60, 80), boxes_in((60, 80))
    expected = np.zeros((60, 80), np.uint16)
    for number, mask in reversed([*enumerate(masker.masks(image, found, WORDS), start=1)]):
        expected[mask] = number
    got = masker.numbered(image, found, WORDS)
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, expected)
    assert {0, 1, 2} <= set(np.unique(got))


def test_batches_do_not_change_masks(masker, scene, monkeypatch):
    image, found = scene(60, 80), boxes_in((60, 80))
    together = torch.stack(list(masker.logits(image, found, WORDS)[0]))
    monkeypatch.setattr(clipseg, "BATCH", 1)
    monkeypatch.setattr(sam2, "BATCH", 1)
    alone, _ = masker.logits(image, found, WORDS)
    torch.testing.assert_close(
        torch.stack(list(alone)), torch.stack(list(together)), atol=1e-3, rtol=1e-4
    )


def test_so_many_boxes_have_masks_and_the_rest_has_none(masker, scene, monkeypatch):
    image, found = scene(60, 80), boxes_in((60, 80))
    everything = masker.masks(image, found, WORDS)
    monkeypatch.setattr(masks, "MOST", 2)
    some = masker.masks(image, found, WORDS)
    np.testing.assert_array_equal(some[:2], everything[:2])
    assert len(some) == 4
    assert not some[2:].any()
    assert masker.numbered(image, found, WORDS).max() == 2


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_says_about_the_same(make_open, scene, kind):
    image, found = scene(60, 80), boxes_in((60, 80))
    exact, rough = (
        load_masker(str(make_open(kind)[0]), Runtime("cpu", precision)).masks(image, found, WORDS)
        for precision in ("fp32", "bf16")
    )
    assert (exact != rough).mean() < 0.15  # random weights are touchy


def test_a_text_is_encoded_once_for_a_vocabulary(by_words, scene):
    image, found = scene(60, 80), boxes_in((60, 80))
    runs = []
    handle = by_words.texts._network.register_forward_hook(lambda *_: runs.append(1))
    others = Vocabulary.of("lamp", "sofa", "shelf")
    by_words.learn(others)
    first = by_words.masks(image, found, others)
    for seed in range(2):
        by_words.masks(scene(60, 80, seed), found, others)
    assert len(runs) == 1
    renamed = by_words.logits(image, found, Vocabulary.of("a", "b", "a wide wooden door"))[0]
    assert len(runs) == 2
    before = by_words.logits(image, found, others)[0]
    assert len(runs) == 3
    assert (renamed[0] - before[0]).abs().max() > 0.01
    np.testing.assert_array_equal(by_words.masks(image, found, others), first)
    handle.remove()


def test_the_decoder_runs_once_for_a_label(by_words, scene):
    rows = []
    decoder = by_words._decoder
    handle = decoder.register_forward_pre_hook(lambda _, given: rows.append(len(given[1])))
    maps, _ = by_words.logits(scene(60, 80), boxes_in((60, 80)), WORDS)
    handle.remove()
    assert rows == [2]
    assert maps[0].data_ptr() == maps[2].data_ptr()


def test_a_crop_is_seen_and_nothing_around_it(make_open, scene, tmp_path):
    folder = shutil.copytree(make_open("clipseg")[0], tmp_path / "model")
    path = folder / "preprocessor_config.json"
    crop = {"do_center_crop": True, "crop_size": {"height": 40, "width": 40}}
    path.write_text(json.dumps(json.loads(path.read_text()) | crop))
    got = load_masker(str(folder)).masks(scene(48, 48), boxes_in((48, 48)), WORDS)
    assert got[1, 4:44, 4:44].any()
    got[:, 4:44, 4:44] = False
    assert not got.any()


@pytest.mark.parametrize(
    "image", [np.zeros((60, 80), np.uint8), np.zeros((60, 80, 3), np.float32)], ids=str
)
def test_an_image_that_is_none(masker, image):
    with pytest.raises(InferenceError, match="expected uint8"):
        masker.masks(image, boxes_in((60, 80)), WORDS)


def test_a_name_that_is_too_long(by_words):
    with pytest.raises(OpenVocabularyError, match=r"tokens, the model takes 64; say it in fewer"):
        by_words.learn(Vocabulary.of("mug " * 40))


def test_what_fails_on_the_device(masker, scene, monkeypatch):
    part = masker._decoder if hasattr(masker, "_decoder") else masker._network.mask_decoder

    def fail(*_, **__):
        raise RuntimeError("CUDA error: an illegal memory access")

    monkeypatch.setattr(part, "forward", fail)
    with pytest.raises(InferenceError, match=r"masks on cpu: CUDA error: .*; close what else runs"):
        masker.masks(scene(60, 80), boxes_in((60, 80)), WORDS)


def test_models_that_mask_no_boxes(make_open):
    with pytest.raises(
        InferenceError, match="got 'owlv2', expected 'clipseg', 'sam2', 'sam2_video'"
    ):
        load_masker(str(make_open("owlv2")[0]))
    with pytest.raises(InferenceError, match="get it with: perception models pull hf:nobody/no"):
        load_masker("hf:nobody/nothing")


@pytest.mark.parametrize(
    ("kind", "file", "values", "expected"),
    [
        ("clipseg", "config", {"architectures": ["CLIPSegModel"]}, "CLIPSegForImageSegmentation;"),
        ("sam2", "config", {"architectures": ["Sam2VisionModel"]}, "expected Sam2Model;"),
        (
            "clipseg",
            "preprocessor_config",
            {"size": {"height": 48, "width": 64}},
            "size: got 64x48, expected a square;",
        ),
        (
            "sam2",
            "preprocessor_config",
            {"size": {"height": 96, "width": 96}},
            "size: got 96x96, expected 64x64;",
        ),
        ("sam2", "preprocessor_config", {"do_resize": False}, "got as they come, expected 64x64;"),
    ],
)
def test_checkpoints_that_do_not_fit(make_open, tmp_path, kind, file, values, expected):
    folder = shutil.copytree(make_open(kind)[0], tmp_path / "model")
    path = folder / f"{file}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    with pytest.raises(InferenceError, match=expected):
        load_masker(str(folder))


def test_without_its_tokenizer(make_open, tmp_path):
    folder = shutil.copytree(make_open("clipseg")[0], tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(InferenceError, match="has no tokenizer"):
        load_masker(str(folder))


def test_what_sam2_leaves_out_of_its_file(tmp_path):
    """As in Sam2ImageProcessor, which needs torchvision."""
    path = tmp_path / "preprocessor_config.json"
    path.write_text('{"image_processor_type": "Sam2ImageProcessorFast"}')
    assert read_preprocessing(tmp_path) == Preprocessing(
        whole_hw=(1024, 1024),
        mean=(0.485, 0.456, 0.406),
        deviation=(0.229, 0.224, 0.225),
    )


def test_the_model_commands_know_them(make_open, tmp_path, scene, capsys):
    """What a mask costs is measured; what is on an image, a detector has to find first."""
    Image.fromarray(scene(60, 80)).save(tmp_path / "a.png")
    for kind in ("clipseg", "sam2"):
        folder = str(make_open(kind)[0])
        assert tasks_of(Checkpoint.open(Path(folder)))[0].name == "masks of boxes"
        command = ["models", "check", folder, "--device", "cpu", "--image", str(tmp_path / "a.png")]
        assert main(command) == 2
        told = capsys.readouterr()
        assert "network alone" in told.out
        assert f"perception detect IMAGE --masks {folder}" in " ".join(told.err.split())
