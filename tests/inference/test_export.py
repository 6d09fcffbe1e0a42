"""Every kind of network says the same in ONNX."""

import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")
transformers = pytest.importorskip("transformers")
pytest.importorskip("onnxruntime", reason="needs the group: pip install --group onnx")


from embodied_perception.classification.classifier import Classifier  # noqa: E402
from embodied_perception.errors import InferenceError  # noqa: E402
from embodied_perception.inference.export import export  # noqa: E402
from embodied_perception.inference.onnx import OnnxEngine  # noqa: E402
from embodied_perception.inference.runtime import Runtime  # noqa: E402
from embodied_perception.segmentation.segmenter import Segmenter  # noqa: E402

CPU = Runtime("cpu", "fp32")


@pytest.mark.parametrize("kind", ["segformer", "upernet", "mobilenet_v2", "mobilevit"])
def test_masks_are_those_of_pytorch(kind, tmp_path, make_segmentation, scene):
    source, folder = tmp_path / "source", tmp_path / "onnx"
    make_segmentation(kind, source)
    (source / "LICENSE").write_text("of the weights")
    (source / "README.md").write_text("a card")
    here = Segmenter.load(str(source), CPU)
    assert export(here.model, folder) < 1e-4
    assert {path.name for path in folder.iterdir()} == {
        "model.onnx", "config.json", "preprocessor_config.json", "LICENSE", "README.md",
    }  # fmt: skip
    there = Segmenter.load(str(folder), CPU)
    assert isinstance(there.model.backend, OnnxEngine)
    assert there.labels == here.labels
    images = [scene(100, 100), scene(61, 130, 1), scene(61, 130, 2)]
    for ours, theirs in zip(here.segment(images), there.segment(images), strict=True):
        assert (ours.mask != theirs.mask).mean() < 1e-3
        np.testing.assert_allclose(ours.confidence, theirs.confidence, atol=1e-3)


def test_our_network_takes_images_of_any_size(tmp_path, make_compact, scene):
    make_compact(tmp_path / "source")
    here = Segmenter.load(str(tmp_path / "source"), CPU)
    assert export(here.model, tmp_path / "onnx") < 1e-4
    there = Segmenter.load(str(tmp_path / "onnx"), CPU)
    images = [scene(45, 67), scene(64, 64), scene(64, 64, 1), scene(1, 9)]
    for ours, theirs in zip(here.segment(images), there.segment(images), strict=True):
        assert ours.mask.shape == theirs.mask.shape
        assert (ours.mask != theirs.mask).mean() < 1e-3


def test_a_network_whose_sizes_cannot_be_left_open(tmp_path, make_segmentation, scene):
    make_segmentation("mask2former", tmp_path / "source")
    here = Segmenter.load(str(tmp_path / "source"), CPU)
    with pytest.raises(InferenceError, match=r"ONNX for images of any size .*--size 640x480"):
        export(here.model, tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()
    assert export(here.model, tmp_path / "onnx", (96, 64)) < 1e-3
    there = Segmenter.load(str(tmp_path / "onnx"), CPU)
    (ours,), (theirs,) = (each.segment([scene(64, 96)]) for each in (here, there))
    assert (ours.mask != theirs.mask).mean() < 2e-3
    (other,) = there.segment([scene(50, 50)])  # warped
    assert other.mask.shape == (50, 50)


@pytest.mark.parametrize("kind", ["resnet", "vit"])
def test_labels_are_those_of_pytorch(kind, tmp_path, make_classification, scene):
    make_classification(kind, tmp_path / "source")
    here = Classifier.load(str(tmp_path / "source"), CPU)
    assert export(here.model, tmp_path / "onnx") < 1e-4
    there = Classifier.load(str(tmp_path / "onnx"), CPU)
    images = [scene(64, 64, seed) for seed in range(3)] + [scene(40, 90)]
    np.testing.assert_allclose(there.classify(images), here.classify(images), atol=1e-4)


def test_what_cannot_be_exported(tmp_path, make_compact):
    source, folder = tmp_path / "source", tmp_path / "onnx"
    make_compact(source, size=(64, 64))
    model = Segmenter.load(str(source), CPU).model
    with pytest.raises(InferenceError, match="makes all images 64x64; leave --size out"):
        export(model, folder, (640, 480))
    with pytest.raises(InferenceError, match=r"model\.safetensors is there already; give another"):
        export(model, source)
    export(model, folder)
    export(model, folder)  # over an earlier one
    with pytest.raises(InferenceError, match="is ONNX already; give a checkpoint"):
        export(Segmenter.load(str(folder), CPU).model, tmp_path / "again")
    half = Segmenter.load(str(source), Runtime("cpu", "bf16")).model
    with pytest.raises(InferenceError, match=r"runs in torch.bfloat16; load it in fp32"):
        export(half, folder)
    (tmp_path / "file").touch()
    with pytest.raises(InferenceError, match="file cannot be written"):
        export(model, tmp_path / "file")


def test_onnx_that_is_not_installed(tmp_path, make_compact, monkeypatch):
    make_compact(tmp_path / "source")
    model = Segmenter.load(str(tmp_path / "source"), CPU).model
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InferenceError, match=r"onnxruntime, and onnx to write it .*pip inst"):
        export(model, tmp_path / "onnx")


def test_a_network_that_says_something_else_is_not_written(tmp_path, make_compact):
    """What it does depends on the size in a way that a trace cannot see."""
    make_compact(tmp_path / "source")
    model = Segmenter.load(str(tmp_path / "source"), CPU).model
    network = model.backend.network

    class Odd(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network

        def forward(self, images):
            scores = self.inner(images)
            return scores if int(images.shape[-1]) < 300 else -scores

    model.backend.network = Odd()
    with pytest.raises(InferenceError, match=r"says something else in ONNX.*nothing was written"):
        export(model, tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()
