"""Labels of a folder of folders against the truth, from the command line."""

import json

import cv2
import numpy as np
import pytest

from embodied_perception.cli.main import main

NAMES = ["mug", "cup", "bowl", "plate", "vase", "teapot", "can"]


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("bowl", "cup", "mug"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for k in range(3):
            image = rng.integers(0, 255, (32, 32, 3)).astype(np.uint8)
            cv2.imwrite(str(tmp_path / "data" / name / f"{k}.png"), image)
    return tmp_path / "data"


@pytest.fixture
def model(tmp_path):
    """A tiny ResNet of transformers with random weights."""
    pytest.importorskip("embodied_perception.classification.classifier")
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic",
        id2label=dict(enumerate(NAMES)), label2id={name: n for n, name in enumerate(NAMES)},
    )  # fmt: skip
    network = transformers.ResNetForImageClassification(config)
    with torch.no_grad():
        network.classifier[1].weight.mul_(20)
    network.save_pretrained(tmp_path / "model")
    preprocessor = {"do_resize": False, "do_rescale": True, "do_normalize": False}
    preprocessor["rescale_factor"] = 0.00392156862745098
    (tmp_path / "model" / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return tmp_path / "model"


def test_a_model_on_a_folder(model, data, tmp_path, capsys):
    from embodied_perception.classification.classifier import Classifier

    report = tmp_path / "report"
    words = ["evaluate", "classification", str(data), "--model", str(model), "-o", str(report)]
    assert main(words) == 0
    assert "data: 9 images" in capsys.readouterr().out
    classifier = Classifier.load(str(model))
    ranks = []
    for path in sorted(data.rglob("*.png")):
        (said,) = classifier.classify([cv2.imread(str(path))[..., ::-1].copy()])
        ranks.append(np.argsort(-said).tolist().index(NAMES.index(path.parent.name)))
    metrics = json.loads((report / "metrics.json").read_text())
    assert metrics["top_1"] == pytest.approx(np.mean(np.array(ranks) == 0))
    assert metrics["top_5"] == pytest.approx(np.mean(np.array(ranks) < 5))
    assert metrics["classes"] == ["bowl", "cup", "mug"]
    assert np.sum(metrics["confusion"]) == 9
    assert len(metrics["wrong"]) == sum(rank > 0 for rank in ranks)
    for name in ("confusion.png", "recall.png", "reliability.png", "index.html"):
        assert (report / name).is_file()


def test_a_limit_takes_some_of_each_class(model, data, capsys):
    words = ["evaluate", "classification", str(data), "--model", str(model), "--limit", "3"]
    assert main(words) == 0
    assert "data: 3 images" in capsys.readouterr().out


def test_a_broken_image_is_named(model, data, capsys):
    (data / "cup" / "1.png").write_bytes(b"no image")
    assert main(["evaluate", "classification", str(data), "--model", str(model)]) == 2
    assert "cup/1.png: cannot be read" in capsys.readouterr().err


def test_a_class_that_the_model_lacks(model, data, capsys):
    (data / "cup").rename(data / "spoon")
    assert main(["evaluate", "classification", str(data), "--model", str(model)]) == 2
    assert (
        "no label for spoon; the data has the classes bowl, mug, spoon" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["{data}/cup"], "no folders in it; expected one for each class"),
        (["{data}", "--limit", "-1"], "--limit: got -1"),
    ],
)
def test_errors(data, capsys, words, expected):
    words = [word.format(data=data) for word in words]
    assert main(["evaluate", "classification", *words, "--model", "x"]) == 2
    assert expected in capsys.readouterr().err
