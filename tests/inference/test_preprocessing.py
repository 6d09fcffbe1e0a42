"""From an image to a network's input, against transformers' own processors."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")
transformers = pytest.importorskip("transformers")

from checkpoints import processor_class  # noqa: E402

from embodied_perception.errors import InferenceError  # noqa: E402
from embodied_perception.inference.preprocessing import Preprocessing  # noqa: E402
from embodied_perception.inference.preprocessor_file import (  # noqa: E402
    read_preprocessing,
    write_fixed,
)

KINDS = (
    *("Segformer", "Mask2Former", "MobileNetV2", "MobileViT", "ConvNext", "ViT"),
    *("CLIP", "Siglip", "OwlViT", "Owlv2", "GroundingDino"),
)
#: Height and width of images: cameras', odd ones, and hardly any.
SIZES = ((48, 64), (64, 48), (97, 131), (33, 32), (200, 30))
SMALL = {
    "Segformer": {"size": {"height": 40, "width": 56}},
    "Mask2Former": {"size": {"shortest_edge": 50, "longest_edge": 90}},
    "MobileNetV2": {"size": {"shortest_edge": 50}, "crop_size": {"height": 44, "width": 40}},
    "MobileViT": {"size": {"shortest_edge": 40}, "crop_size": {"height": 48, "width": 48}},
    "ConvNext": {"size": {"shortest_edge": 56}},
    "ViT": {"size": {"height": 56, "width": 56}},
    "CLIP": {"size": {"shortest_edge": 40}, "crop_size": {"height": 40, "width": 40}},
    "Siglip": {"size": {"height": 48, "width": 48}},
    "OwlViT": {"size": {"height": 64, "width": 64}},
    "Owlv2": {"size": {"height": 64, "width": 64}},
    "GroundingDino": {"size": {"shortest_edge": 50, "longest_edge": 90}},
}
ODD = {
    "Segformer": [
        {"do_resize": False},
        {"do_rescale": False},
        {"rescale_factor": 1 / 127.5, "resample": 0},
        {"do_normalize": False, "resample": 3},
        {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.9, 0.8, 0.7], "resample": 1},
    ],
    "Mask2Former": [
        {"size": {"shortest_edge": 70, "longest_edge": 71}},
        {"size_divisor": 0},
        {"size_divisor": 7, "do_normalize": False},
        {"size": {"height": 50, "width": 41}, "size_divisor": 16},
    ],
    "MobileNetV2": [
        {"do_center_crop": False},
        {"crop_size": {"height": 60, "width": 90}},
        {"do_resize": False, "crop_size": {"height": 39, "width": 41}},
        {"size": {"height": 30, "width": 50}, "crop_size": {"height": 31, "width": 31}},
    ],
    "MobileViT": [{"do_flip_channel_order": False}, {"do_normalize": True}, {"do_rescale": False}],
    "ConvNext": [{"crop_pct": 0.9}, {"size": {"shortest_edge": 384}}, {"do_resize": False}],
    "ViT": [{"resample": 5}, {"resample": 4}, {"do_resize": False}],
    "CLIP": [{"size": {"shortest_edge": 60}}, {"do_center_crop": False}],
    "Siglip": [{"resample": 2}],
    "OwlViT": [{"resample": 2}],
    "Owlv2": [{"size": {"height": 200, "width": 200}}, {"size": {"height": 20, "width": 20}}],
    "GroundingDino": [{"size": {"shortest_edge": 70, "longest_edge": 71}}],
}
CASES = [(kind, SMALL[kind]) for kind in KINDS]
CASES += [(kind, SMALL[kind] | odd) for kind in KINDS for odd in ODD[kind]]


def write(folder, **values):
    (folder / "preprocessor_config.json").write_text(json.dumps(values))


def both(kind, values, folder, image):
    """Ours, by the file that transformers writes, and its own."""
    processor = processor_class(transformers, kind)(**values)
    processor.save_pretrained(folder)
    expected = processor(image, return_tensors="np", input_data_format="channels_last")
    got = read_preprocessing(folder).prepare([image], "cpu")
    return got.numpy(), expected["pixel_values"]


@pytest.mark.parametrize(("kind", "values"), CASES, ids=lambda value: str(value)[:60])
@pytest.mark.parametrize("size", SIZES)
def test_inputs_are_those_of_transformers(kind, values, size, tmp_path, scene):
    got, expected = both(kind, values, tmp_path, scene(*size))
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_file_leaves_out_is_as_in_transformers(kind, tmp_path, scene):
    image = scene(120, 161)
    processor = processor_class(transformers, kind)()
    expected = processor(image, return_tensors="np", input_data_format="channels_last")
    for name in (f"{kind}ImageProcessor", f"{kind}FeatureExtractor", f"{kind}ImageProcessorFast"):
        write(tmp_path, image_processor_type=name)
        got = read_preprocessing(tmp_path).prepare([image], "cpu")
        np.testing.assert_allclose(got, expected["pixel_values"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("Segformer", {"size": 40}, {"size": {"height": 40, "width": 40}}),
        ("ViT", {"size": 56}, {"size": {"height": 56, "width": 56}}),
        ("MobileNetV2", {"size": 50, "crop_size": 44}, SMALL["MobileNetV2"]
            | {"crop_size": {"height": 44, "width": 44}}),
        ("ConvNext", {"size": 56}, SMALL["ConvNext"]),
        ("Mask2Former", {"size": 50, "max_size": 90}, SMALL["Mask2Former"]),
    ],
)  # fmt: skip
def test_sizes_of_one_number_mean_what_they_meant(kind, old, new, tmp_path):
    write(tmp_path, image_processor_type=f"{kind}ImageProcessor", **old)
    from_old = read_preprocessing(tmp_path)
    write(tmp_path, image_processor_type=f"{kind}ImageProcessor", **new)
    assert from_old == read_preprocessing(tmp_path)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_placement_has_the_size_of_the_input(kind, size, tmp_path, scene):
    write(tmp_path, image_processor_type=f"{kind}ImageProcessor", **SMALL[kind])
    preprocessing = read_preprocessing(tmp_path)
    batch = preprocessing.prepare([scene(*size)] * 2, "cpu")
    assert preprocessing.placement(size[::-1]).input_hw == batch.shape[-2:]
    assert preprocessing.fixed_hw in (None, tuple(batch.shape[-2:]))
    assert (preprocessing.fixed_hw is None) == (kind in ("Mask2Former", "GroundingDino"))
    assert batch.is_contiguous(memory_format=torch.channels_last)


def test_padding_fills_up_on_the_right_and_below(scene):
    image = scene(20, 30)
    preprocessing = Preprocessing(pad_hw=(32, 40), mean=(0.5,) * 3, deviation=(0.5,) * 3)
    (got,) = preprocessing.prepare([image], "cpu").numpy()
    expected = (image / 255 - 0.5) / 0.5
    np.testing.assert_allclose(got[:, :20, :30], expected.transpose(2, 0, 1), atol=1e-6)
    assert (got[:, 20:] == 0).all()
    assert (got[:, :, 30:] == 0).all()
    assert preprocessing.fixed_hw == (32, 40)


def test_a_fixed_size_is_otherwise_the_same(tmp_path, scene):
    write(tmp_path, image_processor_type="Mask2FormerImageProcessor", **SMALL["Mask2Former"])
    open_size = read_preprocessing(tmp_path)
    size_hw = open_size.placement((64, 48)).input_hw
    write_fixed(tmp_path, open_size, size_hw)
    fixed = read_preprocessing(tmp_path)
    assert fixed.fixed_hw == size_hw
    image = scene(48, 64)
    torch.testing.assert_close(fixed.prepare([image], "cpu"), open_size.prepare([image], "cpu"))
    assert fixed.prepare([scene(90, 31)], "cpu").shape[-2:] == size_hw


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([np.zeros((4, 4), np.uint8)], r"got an image of uint8 and shape \(4, 4\)"),
        ([np.zeros((4, 4, 4), np.uint8)], r"shape \(4, 4, 4\), expected uint8 \(H, W, 3\), RGB"),
        ([np.zeros((4, 4, 3), np.float32)], "got an image of float32"),
        ([np.zeros((0, 4, 3), np.uint8)], r"shape \(0, 4, 3\)"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)], "in one batch"),
    ],
)
def test_images_that_are_none(images, message):
    with pytest.raises(InferenceError, match=message):
        Preprocessing().prepare(images, "cpu")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 0}, "size: got 0, expected height and width of 1 to 8192 pixels"),
        ({"size": {"height": 64}}, "size: got {'height': 64}"),
        ({"size": {"height": 64, "width": 9000}}, "expected height and width of 1 to 8192"),
        ({"size": {"height": 64, "width": True}}, "size: got"),
        ({"size": {"shortest_edge": "64"}}, "size: got .*expected shortest_edge"),
        ({"size": {"shortest_edge": 64, "longest_edge": -1}}, "expected shortest_edge"),
        ({"size": None}, "size: got None"),
        ({"do_center_crop": True}, "crop_size: got None"),
        ({"do_center_crop": True, "crop_size": {"height": 3.5, "width": 4}}, "crop_size: got"),
        ({"do_resize": "yes"}, "do_resize: got 'yes', expected true or false"),
        ({"do_normalize": 1}, "do_normalize: got 1, expected true or false"),
        ({"resample": 7}, "resample: got 7, expected 0 to 5"),
        ({"resample": "bilinear"}, "resample: got 'bilinear'"),
        ({"size_divisor": -1}, "size_divisor: got -1, expected 0 to 1024"),
        ({"rescale_factor": 0}, "rescale_factor: got 0, expected more than 0"),
        ({"rescale_factor": float("nan")}, "rescale_factor: got nan"),
        ({"image_std": [0.2, 0.0, 0.2]}, "image_std: got"),
        ({"image_std": [0.2, 0.2]}, "image_std: got .*expected three numbers"),
        ({"image_mean": [0.2, "x", 0.2]}, "image_mean: got"),
        ({"image_mean": 0.5}, "image_mean: got 0.5, expected three numbers"),
        ({"do_pad": True, "pad_size": {"height": 0, "width": 4}}, "pad_size: got"),
        ({"image_processor_type": "BlipImageProcessor"}, "image_processor_type: got Blip, expect"),
        ({"image_processor_type": "ConvNextImageProcessor", "size": {"height": 2, "width": 2}},
            "size: got .*expected shortest_edge"),
        ({"image_processor_type": "ConvNextImageProcessor", "size": 64, "crop_pct": 0},
            "crop_pct: got 0, expected 0.1 to 1"),
    ],
)  # fmt: skip
def test_values_that_make_no_sense_are_refused_with_file_and_key(values, message, tmp_path):
    write(tmp_path, **values)
    with pytest.raises(InferenceError, match=message) as caught:
        read_preprocessing(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / "preprocessor_config.json"))


def test_a_folder_without_the_file(tmp_path):
    with pytest.raises(InferenceError, match=r"has no preprocessor_config\.json; copy it from"):
        read_preprocessing(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"size": 1e999}'])
def test_files_that_are_none(content, tmp_path):
    (tmp_path / "preprocessor_config.json").write_text(content)
    with pytest.raises(InferenceError, match=r"preprocessor_config\.json"):
        read_preprocessing(tmp_path)
