"""What a checkpoint is for, what it calls its classes, and weights that do not fit."""

import json
import pickle

import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")
pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402

from embodied_perception.errors import InferenceError  # noqa: E402
from embodied_perception.inference.checkpoint import Checkpoint  # noqa: E402
from embodied_perception.inference.runtime import Runtime  # noqa: E402
from embodied_perception.inference.tasks import tasks_of  # noqa: E402
from embodied_perception.segmentation.segmenter import Segmenter  # noqa: E402

CPU = Runtime("cpu")


@pytest.fixture
def folder(tmp_path, make_compact):
    make_compact(tmp_path)
    return tmp_path


def change(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("config", "task"),
    [
        ({"model_type": "compact_unet"}, "segmentation"),
        ({"model_type": "vgg16_bn"}, "classification"),
        ({"model_type": "vit", "architectures": ["ViTForImageClassification"]}, "classification"),
        ({"model_type": "segformer", "architectures": ["SegformerForSemanticSegmentation"]},
            "segmentation"),
        ({"model_type": "owlv2", "architectures": ["Owlv2ForObjectDetection"]},
            "detection by words"),
        ({"model_type": "siglip"}, "classification by words"),
        ({"model_type": "clip", "architectures": ["CLIPModel"]},
            "detection by words, classification by words"),
    ],
)  # fmt: skip
def test_what_a_checkpoint_is_for(config, task, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert [each.name for each in tasks_of(Checkpoint.open(tmp_path))] == task.split(", ")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "bert"}, "model_type: got 'bert', expected .*for segmentation: .*for cla"),
        ({"model_type": "clip", "architectures": ["CLIPTextModel"]},
            "expected CLIPModel; give a checkpoint for detection by words or classification by w"),
        ({}, "model_type: got None"),
        ({"model_type": "segformer", "architectures": ["SegformerForImageClassification"]},
            "architectures: got .*expected SegformerForSemanticSegmentation; give a checkpoint"),
        ({"model_type": "segformer", "architectures": "all"}, "architectures: got 'all'"),
    ],
)  # fmt: skip
def test_what_is_for_none_of_our_tasks(config, message, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InferenceError, match=message):
        tasks_of(Checkpoint.open(tmp_path))


def test_weights_for_another_task_are_not_loaded(tmp_path, make_segmentation):
    make_segmentation("segformer", tmp_path)
    change(tmp_path, architectures=["SegformerForImageClassification"])
    with pytest.raises(InferenceError, match=r"config\.json: architectures: got .*trained for thi"):
        Segmenter.load(str(tmp_path), CPU)


@pytest.mark.parametrize(
    "id2label", [None, {}, [], {"1": "a"}, {"0": "a", "2": "b"}, {"0": 3}, {"0": " "}]
)
def test_names_of_classes_that_are_none(id2label, folder):
    change(folder, id2label=id2label)
    with pytest.raises(InferenceError, match=r"config\.json: id2label: "):
        Segmenter.load(str(folder), CPU)


def test_as_many_names_as_weights(folder):
    change(folder, id2label={"0": "one", "1": "two"})
    with pytest.raises(
        InferenceError, match=r"got shape .*, expected .*id2label of config.json mu"
    ):
        Segmenter.load(str(folder), CPU)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda tensors: tensors.pop("stem.0.0.weight"), "has no stem.0.0.weight; give the wei"),
        (lambda tensors: tensors.update(more=torch.zeros(1)), "has more, which a compact_unet has"),
        (lambda tensors: tensors["stem.0.0.weight"].fill_(float("nan")), "is not finite"),
    ],
)
def test_weights_that_do_not_fit(spoil, message, folder):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    spoil(tensors)
    save_file(tensors, path)
    with pytest.raises(InferenceError, match=message):
        Segmenter.load(str(folder), CPU)


def test_weights_cut_off(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InferenceError, match=r"model\.safetensors cannot be read; copy it again"):
        Segmenter.load(str(folder), CPU)


def test_pickles_are_not_opened(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(InferenceError, match=r"pytorch_model\.bin is a pickle, which can run code"):
        Segmenter.load(str(folder), CPU)


def test_code_is_not_run(folder):
    change(folder, auto_map={"AutoModel": "evil.Model"})
    with pytest.raises(InferenceError, match="asks for code of its own, which is never run"):
        Segmenter.load(str(folder), CPU)
