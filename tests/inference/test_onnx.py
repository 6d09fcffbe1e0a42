"""Networks in ONNX: run as in PyTorch, and files that are none of ours."""

import json
import sys
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")
pytest.importorskip("onnxruntime", reason="needs the group: pip install --group onnx")

from embodied_perception.errors import InferenceError  # noqa: E402
from embodied_perception.inference.onnx import OnnxEngine  # noqa: E402
from embodied_perception.inference.runtime import Runtime  # noqa: E402
from embodied_perception.segmentation.segmenter import Segmenter  # noqa: E402

CPU = Runtime("cpu")


class Mean(torch.nn.Module):
    def forward(self, images):
        return torch.cat([images.mean(1, keepdim=True), images.amax(1, keepdim=True)], 1)


def write(path, names=("images", "scores"), dtype=torch.float32, sizes=(0, 2, 3)):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Mean(), (torch.zeros(2, 3, 8, 6, dtype=dtype),), str(path),
            input_names=names[:1], output_names=names[1:], dynamo=False,
            dynamic_axes={names[0]: {axis: f"size_{axis}" for axis in sizes}},
        )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write(tmp_path_factory.mktemp("onnx") / "model.onnx")


@pytest.mark.parametrize("shape", [(1, 3, 8, 6), (3, 3, 5, 9), (2, 3, 8, 6), (1, 3, 1, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_any_shape_gives_what_the_network_gives(file, shape, layout):
    engine = OnnxEngine(file, CPU, "mean")
    for seed in range(2):  # the second finds the shape of the scores known
        torch.manual_seed(seed)
        batch = torch.rand(shape).contiguous(memory_format=layout)
        torch.testing.assert_close(engine(batch), Mean()(batch))


def test_earlier_scores_stay_as_they_were(file):
    engine = OnnxEngine(file, CPU, "mean")
    first, kept = engine(torch.ones(1, 3, 4, 4)), torch.ones(1, 2, 4, 4)
    engine(torch.zeros(1, 3, 4, 4))
    torch.testing.assert_close(first, kept)


def test_what_is_not_as_it_was_asked_for_is_said(file):
    assert OnnxEngine(file, CPU, "mean").place.note == ""
    note = OnnxEngine(file, Runtime("cpu", "bf16"), "mean").place.note
    assert note == "bf16 is not in model.onnx: runs in fp32"
    if not torch.cuda.is_available():
        engine = OnnxEngine(file, Runtime("cuda", "fp16"), "mean")
        assert engine.place.device.type == "cpu"
        assert "PyTorch finds no cuda here: runs on the CPU" in engine.place.note


def test_another_size_than_the_file_is_for(tmp_path):
    engine = OnnxEngine(write(tmp_path / "model.onnx", sizes=(0,)), CPU, "mean")
    assert engine(torch.zeros(5, 3, 8, 6)).shape == (5, 2, 8, 6)
    with pytest.raises(InferenceError, match=r"got images \(1, 3, 9, 6\), expected \(size_0, 3, 8"):
        engine(torch.zeros(1, 3, 9, 6))


@pytest.mark.parametrize("names", [("pixel_values", "scores"), ("images", "logits")])
def test_other_inputs_and_outputs_are_named(names, tmp_path):
    path = write(tmp_path / "model.onnx", names)
    with pytest.raises(InferenceError, match=f"{names[0]} .* to {names[1]} .*expected images"):
        OnnxEngine(path, CPU, "mean")


def test_another_type_of_numbers(tmp_path):
    path = write(tmp_path / "model.onnx", dtype=torch.float64)
    with pytest.raises(InferenceError, match="in float32; export it with"):
        OnnxEngine(path, CPU, "mean")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_file_cut_off(file, tmp_path, share):
    data = file.read_bytes()
    path = tmp_path / "model.onnx"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InferenceError, match=r"model\.onnx cannot be read: .*; copy it again"):
        OnnxEngine(path, CPU, "mean")


def test_garbage(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(np.random.default_rng(0).bytes(500))
    with pytest.raises(InferenceError, match="copy it again, or export it again"):
        OnnxEngine(path, CPU, "mean")


def test_onnxruntime_that_is_not_installed(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InferenceError, match="pip install onnxruntime onnx"):
        OnnxEngine(file, CPU, "mean")


def test_as_many_names_as_classes(tmp_path):
    write(tmp_path / "model.onnx")
    config = {"model_type": "compact_unet", "id2label": {"0": "a", "1": "b"}}
    (tmp_path / "preprocessor_config.json").write_text('{"do_resize": false}')
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert isinstance(Segmenter.load(str(tmp_path), CPU).model.backend, OnnxEngine)
    config["id2label"]["2"] = "c"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InferenceError, match="id2label has 3 names, the network has 2 classes"):
        Segmenter.load(str(tmp_path), CPU)
