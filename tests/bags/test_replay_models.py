"""Segmentation over a recording: the same bytes twice, and nothing without a model."""

import pytest
from sensor_msgs.msg import Image
from vision_msgs.msg import LabelInfo

pytest.importorskip("torch")
pytest.importorskip("transformers")

from embodied_perception.bags import BagReader, BagWriter
from embodied_perception.bags.replay import Replay
from embodied_perception.errors import InferenceError
from embodied_perception.segmentation.segmenter import Segmenter
from embodied_perception.stages.image_messages import image_message
from embodied_perception.stages.segmentation import (
    SegmentationConfig,
    SegmentationStage,
)

START_NS = 1_700_000_000_000_000_000


@pytest.fixture
def bag(tmp_path, scene):
    path = tmp_path / "images.mcap"
    with BagWriter(path) as out:
        for number in range(3):
            stamp = START_NS + number * 100_000_000
            message = image_message(scene(32, 48, number), "rgb8", stamp, "optical")
            out.write("/camera/image_raw", message, stamp)
    return path


def test_the_same_bytes_twice(tmp_path, bag, make_compact, scene):
    make_compact(tmp_path / "model")
    config = SegmentationConfig(model=str(tmp_path / "model"))
    written = []
    for name in ("first.mcap", "second.mcap"):
        summary = Replay(bag, [(SegmentationStage, config)]).run(tmp_path / name, copy=False)
        assert summary.stages[0].processed == 3
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    with BagReader(tmp_path / "first.mcap") as out:
        found = [(topic, message) for topic, _, message in out.messages()]
    assert isinstance(found[0][1], LabelInfo)  # before any mask
    masks = [message for topic, message in found if topic == "/segmentation/mask"]
    segmenter = Segmenter.load(str(tmp_path / "model"))
    for number, mask in enumerate(masks):
        assert isinstance(mask, Image)
        (expected,) = segmenter.segment([scene(32, 48, number)])
        assert bytes(mask.data) == expected.mask.tobytes()


def test_nothing_is_written_where_the_model_is_missing(tmp_path, bag):
    config = SegmentationConfig(model=str(tmp_path / "nowhere"))
    with pytest.raises(InferenceError, match="nowhere is no folder"):
        Replay(bag, [(SegmentationStage, config)]).run(tmp_path / "out.mcap")
    assert not (tmp_path / "out.mcap").exists()
