"""Folders that hold no network, not all of one, or more than numbers."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from embodied_perception.errors import InferenceError
from embodied_perception.features.learned import LightGlue, SuperPoint

WEIGHTS, CONFIG = "model.safetensors", "config.json"


@pytest.fixture
def folder(tmp_path, make_superpoint):
    make_superpoint(tmp_path)
    return tmp_path


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refusal(load, folder):
    with pytest.raises(InferenceError) as caught:
        load(folder)
    return str(caught.value)


@pytest.mark.parametrize("load", [SuperPoint.load, LightGlue])
def test_folders_without_a_checkpoint(tmp_path, load):
    missing = tmp_path / "missing"
    assert refusal(load, missing) == (
        f"{missing} is no folder; give one with config.json and model.safetensors"
    )
    assert refusal(load, tmp_path).startswith(f"{tmp_path} has no config.json; give a folder")
    file = tmp_path / "file"
    file.touch()
    assert "is no folder" in refusal(load, file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "cannot be read: Expecting property name"),
        (b"\xff\xfe\x00", "cannot be read: "),
        (b"[" * 100_000, "cannot be read: "),
        (b"[]", "got list, expected an object"),
        (b"{}", "model_type: got None, expected 'superpoint'"),
        (b'{"model_type": "clip"}', "got 'clip', expected 'superpoint'; give the folder of a sup"),
        (b'{"model_type": ["superpoint"]}', "got \\['superpoint'\\], expected 'superpoint'"),
    ],
)
def test_configs_that_are_none(folder, content, message):
    (folder / CONFIG).write_bytes(content)
    with pytest.raises(InferenceError, match=message) as caught:
        SuperPoint.load(folder)
    assert str(caught.value).startswith(str(folder / CONFIG))


def test_one_network_in_place_of_the_other(tmp_path, make_superpoint, make_lightglue):
    make_superpoint(tmp_path / "superpoint")
    make_lightglue(tmp_path / "lightglue")
    assert "got 'superpoint', expected 'lightglue'" in refusal(LightGlue, tmp_path / "superpoint")
    assert "got 'lightglue', expected 'superpoint'" in refusal(
        SuperPoint.load, tmp_path / "lightglue"
    )


@pytest.mark.parametrize("detector", [{"model_type": "disk"}, {}, None, "superpoint.json"])
def test_a_lightglue_for_other_features(tmp_path, make_lightglue, detector):
    make_lightglue(tmp_path)
    change(tmp_path / CONFIG, keypoint_detector_config=detector)
    assert "keypoint_detector_config: model_type: got" in refusal(LightGlue, tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        {"auto_map": {"AutoModel": "elsewhere--code.Network"}},
        {"trust_remote_code": True},
        {"keypoint_detector_config": {"model_type": "superpoint", "auto_map": {}}},
        {"keypoint_detector_config": [{"trust_remote_code": 1}]},
    ],
)
def test_checkpoints_that_ask_for_their_own_code(tmp_path, make_lightglue, values):
    make_lightglue(tmp_path)
    change(tmp_path / CONFIG, **values)
    assert refusal(LightGlue, tmp_path) == (
        f"{tmp_path / CONFIG} asks for code of its own, which is never run; use a checkpoint of "
        "transformers' own architectures"
    )


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "superpoint_v1.pth"])
def test_pickles_are_not_opened(folder, name):
    (folder / WEIGHTS).unlink()
    (folder / name).write_bytes(pickle.dumps(Touch(folder / "touched")))
    assert refusal(SuperPoint.load, folder) == (
        f"{folder / name} is a pickle, which can run code, and is not opened; put "
        "model.safetensors into the folder (save_pretrained of transformers writes it)"
    )
    assert not (folder / "touched").exists()


def test_pickles_beside_the_weights_are_not_opened(folder):
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Touch(folder / "touched")))
    SuperPoint.load(folder)
    assert not (folder / "touched").exists()


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_weights_that_were_cut_off(folder, kept):
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:kept])
    said = refusal(SuperPoint.load, folder)
    assert said.startswith(f"{folder}: config.json and model.safetensors give no superpoint; copy")


def test_weights_that_are_something_else(folder):
    (folder / WEIGHTS).write_bytes(pickle.dumps(Touch(folder / "touched")))
    assert "give no superpoint; copy the checkpoint again: " in refusal(SuperPoint.load, folder)
    assert not (folder / "touched").exists()
    (folder / WEIGHTS).unlink()
    assert refusal(SuperPoint.load, folder).startswith(f"{folder} has no model.safetensors; copy")


def test_weights_of_other_sizes(folder):
    change(folder / CONFIG, decoder_hidden_size=48)
    assert refusal(SuperPoint.load, folder).startswith(
        f"{folder / WEIGHTS}: descriptor_decoder.conv_descriptor_a.bias: got shape (32,), expected "
    )


def test_weights_that_lack_some(tmp_path, make_superpoint, make_lightglue):
    make_superpoint(tmp_path / "superpoint")
    make_lightglue(tmp_path / "lightglue")
    shutil.copy(tmp_path / "superpoint" / WEIGHTS, tmp_path / "lightglue" / WEIGHTS)
    said = refusal(LightGlue, tmp_path / "lightglue")
    assert "tensors of lightglue, such as keypoint_detector." in said


def test_weights_that_are_not_numbers(folder):
    torch = pytest.importorskip("safetensors.torch")
    weights = torch.load_file(folder / WEIGHTS)
    name = "encoder.conv_blocks.1.conv_a.weight"
    weights[name][0, 0, 0, 0] = float("nan")
    torch.save_file(weights, folder / WEIGHTS, {"format": "pt"})
    assert refusal(SuperPoint.load, folder) == (
        f"{folder / WEIGHTS}: {name} is not finite; use another checkpoint"
    )


@pytest.mark.parametrize("module", ["torch", "transformers"])
def test_where_pytorch_or_transformers_are_missing(folder, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    said = refusal(SuperPoint.load, folder)
    assert said.startswith("networks need PyTorch and transformers (")
    assert ": pip install 'torch>=2.6' 'transformers>=5' safetensors, or ./run shell" in said
    assert module in said


def test_they_are_imported_only_when_needed():
    script = (
        "import sys, embodied_perception.cli.features, embodied_perception.features.learned\n"
        "print([name for name in ('torch', 'transformers', 'safetensors') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout == "[]\n", result.stderr


def test_loading_prints_nothing_and_leaves_transformers_as_it_was(folder, capfd):
    logging = pytest.importorskip("transformers").utils.logging
    before = (logging.get_verbosity(), logging.is_progress_bar_enabled())
    capfd.readouterr()
    SuperPoint.load(folder)
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
