"""Masks of folders and bags against the truth, from the command line."""

import json

import cv2
import numpy as np
import pytest
from vision_msgs.msg import LabelInfo, VisionClass

from embodied_perception.bags import BagWriter
from embodied_perception.cli.main import main
from embodied_perception.evaluation.mask_folders import CAMVID
from embodied_perception.stages.image_messages import compressed_image_message, image_message

SECOND = 10**9
NAMES = ("floor", "wall", "mug")


def label_info(*names):
    return LabelInfo(
        class_map=[VisionClass(class_id=n, class_name=name) for n, name in enumerate(names)]
    )


@pytest.fixture
def recording(tmp_path):
    """True masks, and what was said: as the truth, but two rows of ten are a wall."""
    path = tmp_path / "room.mcap"
    rng = np.random.default_rng(0)
    with BagWriter(path) as bag:
        bag.write("/ground_truth/label_info", label_info(*NAMES), SECOND, latched=True)
        bag.write("/segmentation/label_info", label_info("mug", "Wall", "cup", "floor"), SECOND)
        for k in range(1, 5):
            stamp = k * SECOND
            true = rng.choice([0, 0, 2, 255], (10, 20)).astype(np.uint8)
            said = np.array([3, 1, 0], np.uint8)[np.minimum(true, 2)]
            said[:2] = 1
            image = rng.integers(0, 255, (10, 20, 3)).astype(np.uint8)
            confidence = np.full((10, 20), 204, np.uint8)
            bag.write(
                "/ground_truth/labels/compressed",
                compressed_image_message(true, stamp, "camera", "png"),
                stamp,
            )
            bag.write("/image", image_message(image, "rgb8", stamp, "camera"), stamp)
            if k < 4:
                for name, array in (("mask", said), ("confidence", confidence)):
                    message = image_message(array, "mono8", stamp, "camera")
                    bag.write(f"/segmentation/{name}", message, stamp)
    return path


def test_what_a_bag_says_already(recording, tmp_path, capsys):
    words = ["evaluate", "segmentation", str(recording), "--estimate-topic", "/segmentation/mask"]
    report = tmp_path / "report"
    assert main([*words, "--topic", "/image", "-o", str(report)]) == 0
    told = capsys.readouterr()
    assert "room.mcap: 3 images" in told.out
    assert "1 of /ground_truth/labels/compressed: nothing of the same stamp" in told.err
    metrics = json.loads((report / "metrics.json").read_text())
    counts = np.array(metrics["confusion"])
    assert counts[0, 1] > 0
    assert counts[0, 2] == counts[:, 3].sum() == 0
    assert metrics["images"] == 3
    assert metrics["iou"]["wall"] == 0
    right = counts[[0, 1, 2], [0, 1, 2]].sum() / counts.sum()
    assert metrics["pixel_accuracy"] == pytest.approx(right)
    assert 0.7 < right < 0.9
    assert metrics["ece"] == pytest.approx(abs(right - 0.8), abs=1e-6)
    pictures = {path.name for path in report.iterdir()}
    assert {"confusion.png", "iou.png", "reliability.png", "worst_3.jpg", "index.html"} <= pictures
    assert cv2.imread(str(report / "worst_1.jpg")).std() > 20
    assert "worst_3.jpg" in (report / "index.html").read_text()


def test_the_truth_against_itself(recording, capsys):
    topic = "/ground_truth/labels/compressed"
    words = ["evaluate", "segmentation", str(recording), "--estimate-topic", topic]
    assert main([*words, "--limit", "2"]) == 0
    told = capsys.readouterr().out
    assert "2 images" in told
    assert "100.00 %" in told
    assert "not known" in told  # no confidences
    assert "not there" in told  # no wall


@pytest.fixture
def camvid(tmp_path):
    folder = tmp_path / "camvid"
    rng = np.random.default_rng(1)
    for name in ("val", "valannot"):
        (folder / name).mkdir(parents=True)
    for k in range(3):
        image = rng.integers(0, 255, (24, 40, 3)).astype(np.uint8)
        true = rng.integers(0, 12, (24, 40)).astype(np.uint8)
        cv2.imwrite(str(folder / "val" / f"{k}.png"), image)
        cv2.imwrite(str(folder / "valannot" / f"{k}.png"), true)
    return folder


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["{bag}", "--estimate-topic", "/nowhere"], "no topic /nowhere with images"),
        (["{bag}", "--estimate-topic", "/image"], "no image could be compared"),
        (
            ["{bag}", "--estimate-topic", "/segmentation/mask", "--mask-topic", "/truth"],
            "no topic /truth with images",
        ),
        (["{bag}", "--estimate-topic", "/segmentation/mask", "--split", "val"], "has no splits"),
        (["{bag}", "--model", "builtin:demo", "--topic", "/nowhere"], "no topic /nowhere"),
        (["{bag}", "--model", "builtin:demo"], "choose by --topic"),
        (["{camvid}", "--estimate-topic", "/mask"], "--estimate-topic: {camvid} is no bag"),
        (["{camvid}", "--model", "x", "--mask-topic", "/m"], "--mask-topic: {camvid} is no bag"),
        (["{camvid}", "--model", "x", "--split", "test"], "no split 'test'; there are: val"),
        (["{camvid}/val", "--model", "x"], "expected SPLIT/ beside SPLITannot/"),
        (["nowhere", "--model", "x"], "nowhere: no such folder"),
        (["{camvid}", "--model", "x", "--limit", "0"], "--limit: got 0"),
        (["{camvid}", "--model", "x", "-o", "{bag}/report"], "cannot be written to"),
    ],
)
def test_errors(recording, camvid, capsys, words, expected):
    places = {"bag": recording, "camvid": camvid}
    assert main(["evaluate", "segmentation", *(word.format(**places) for word in words)]) == 2
    assert expected.format(**places) in capsys.readouterr().err


def test_a_model_or_a_topic_is_needed(camvid, capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", "segmentation", str(camvid)])
    assert "--model --estimate-topic is required" in capsys.readouterr().err


def test_masks_without_names(tmp_path, capsys):
    path = tmp_path / "a.mcap"
    with BagWriter(path) as bag:
        for topic in ("/true", "/said"):
            mask = image_message(np.zeros((4, 4), np.uint8), "mono8", SECOND, "camera")
            bag.write(topic, mask, SECOND)
    words = ["evaluate", "segmentation", str(path), "--mask-topic", "/true"]
    assert main([*words, "--estimate-topic", "/said"]) == 2
    assert (
        "no vision_msgs/LabelInfo tells what the numbers in /true mean" in capsys.readouterr().err
    )


@pytest.fixture
def make_model(tmp_path):
    """A checkpoint of the compact U-Net with random weights, and the network itself."""
    pytest.importorskip("embodied_perception.segmentation.segmenter")
    import torch
    from safetensors.torch import save_file

    from embodied_perception.segmentation.compact_unet import CompactUNet

    def make(names):
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        torch.manual_seed(0)
        network = CompactUNet(len(names)).eval()
        labels = {str(n): name for n, name in enumerate(names)}
        config = {"model_type": "compact_unet", "id2label": labels}
        (folder / "config.json").write_text(json.dumps(config))
        preprocessor = {
            "do_resize": False, "do_rescale": True, "rescale_factor": 0.00392156862745098,
            "do_normalize": False,
        }  # fmt: skip
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
        save_file(network.state_dict(), folder / "model.safetensors")
        return folder, network

    return make


def said_by(network, image_rgb):
    import torch

    tensor = torch.from_numpy(image_rgb).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        return network(tensor)[0].softmax(0).numpy()


def test_a_model_on_a_folder(make_model, camvid, tmp_path, capsys):
    names = list(CAMVID[::-1])
    folder, network = make_model(names)
    report = tmp_path / "report"
    words = ["evaluate", "segmentation", str(camvid), "--model", str(folder), "-o", str(report)]
    assert main(words) == 0
    assert "CamVid val: 3 images" in capsys.readouterr().out
    right, labelled = 0, 0
    for k in range(3):
        image = cv2.imread(str(camvid / "val" / f"{k}.png"))[..., ::-1].copy()
        true = cv2.imread(str(camvid / "valannot" / f"{k}.png"), cv2.IMREAD_UNCHANGED)
        said = 10 - said_by(network, image).argmax(0)
        right += (said == true).sum()
        labelled += (true < 11).sum()
    metrics = json.loads((report / "metrics.json").read_text())
    assert np.sum(metrics["confusion"]) == labelled
    assert metrics["pixel_accuracy"] == pytest.approx(right / labelled, abs=0.01)
    assert 0 <= metrics["ece"] <= 1
    assert (report / "reliability.png").is_file()


def test_a_model_on_a_bag(make_model, recording, capsys):
    folder, _ = make_model(["mug", "wall", "floor", "sofa"])
    words = ["evaluate", "segmentation", str(recording), "--model", str(folder)]
    assert main([*words, "--topic", "/image"]) == 0
    assert "room.mcap: 4 images" in capsys.readouterr().out


def test_a_model_of_other_classes(make_model, camvid, capsys):
    folder, _ = make_model(["sky", "road"])
    assert main(["evaluate", "segmentation", str(camvid), "--model", str(folder)]) == 2
    told = capsys.readouterr().err
    assert "no label for building, pole, pavement" in told
    assert "the model has the labels sky, road" in told
