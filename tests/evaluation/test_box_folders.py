"""Tiny data sets in COCO's layout, and what can be wrong with them."""

import json

import cv2
import numpy as np
import pytest

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.box_folders import open_box_folder


def dataset():
    return {
        "info": {"year": 2024},
        "images": [
            {"id": 7, "file_name": "a.png", "width": 40, "height": 30},
            {"id": 3, "file_name": "more/b.png", "width": 20, "height": 10},
            {"id": 5, "file_name": "c.png", "width": 20, "height": 10},
        ],
        "annotations": [
            {"id": 1, "image_id": 3, "category_id": 90, "bbox": [1, 2, 3.5, 4]},
            {"id": 2, "image_id": 7, "category_id": 18, "bbox": [0, 0, 40, 30], "iscrowd": 0},
            {"id": 3, "image_id": 3, "category_id": 18, "bbox": [-2, 5, 4, 50]},
            {"id": 4, "image_id": 7, "category_id": 18, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        ],
        "categories": [{"id": 90, "name": "red mug"}, {"id": 18, "name": "book"}],
    }


def write(folder, content):
    for name, (wide, high) in {"a": (40, 30), "more/b": (20, 10), "c": (20, 10)}.items():
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((high, wide, 3), (10, 20, 30), np.uint8))
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "boxes.json").write_text(text)
    return folder


def test_images_with_their_boxes(tmp_path):
    folder = open_box_folder(write(tmp_path, dataset()))
    assert folder.labels == ("red mug", "book")
    assert folder.crowds == 1
    assert folder.file == tmp_path / "boxes.json"
    first, second, empty = folder.images
    assert [image.name for image in folder.images] == ["a.png", "more/b.png", "c.png"]
    assert first.boxes.tolist() == [[0, 0, 40, 30]]
    assert first.labels.tolist() == [1]
    assert second.boxes.tolist() == [[1, 2, 4.5, 6], [-2, 5, 2, 55]]  # one leaves its image
    assert second.labels.tolist() == [0, 1]
    assert (empty.boxes.shape, empty.labels.shape) == ((0, 4), (0,))
    assert first.read().shape == (30, 40, 3)
    assert first.read()[0, 0].tolist() == [30, 20, 10]


def test_one_of_several_files_is_named(tmp_path):
    write(tmp_path, dataset())
    (tmp_path / "._boxes.json").write_text("x")  # what file systems leave behind
    assert len(open_box_folder(tmp_path).images) == 3
    (tmp_path / "train.json").write_text("{}")
    with pytest.raises(EvaluationError, match=r"got boxes.json, train.json: name one"):
        open_box_folder(tmp_path)
    assert open_box_folder(tmp_path / "boxes.json").labels == ("red mug", "book")


def test_a_folder_without_a_file(tmp_path):
    with pytest.raises(EvaluationError, match=r"no \*.json in it; expected COCO's layout"):
        open_box_folder(tmp_path)
    with pytest.raises(EvaluationError, match="nowhere: no such folder"):
        open_box_folder(tmp_path / "nowhere")


WHOLE = json.dumps(dataset())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (WHOLE[:-60], "cannot be read as JSON: .*: is the file whole"),
        ("", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("[]", "images is no list of entries; expected COCO's layout"),
        ('{"images": [], "annotations": 3}', "annotations is no list of entries"),
        ('{"images": [7], "annotations": [], "categories": []}', "images is no list of entries"),
        ('{"images": [], "annotations": [], "categories": []}', "categories: got 0 with 0 ids"),
    ],
)
def test_files_that_are_no_data_set_name_themselves(tmp_path, content, why):
    write(tmp_path, content)
    with pytest.raises(EvaluationError, match=f"boxes.json: .*{why}"):
        open_box_folder(tmp_path)


@pytest.mark.parametrize(
    ("key", "place", "change", "why"),
    [
        ("images", 1, {"file_name": "d.png"}, r"images\[1\]: d.png is not there; expected .*d.png"),
        ("images", 1, {"file_name": ""}, r"images\[1\]: file_name: got '', expected a text"),
        ("images", 1, {"id": 7}, "images: got 3 with 2 ids"),
        ("images", 1, {"id": "3"}, r"images\[1\]: id: got '3', expected a whole number"),
        ("images", 0, {"width": None}, r"images\[0\]: width: got None"),
        ("images", 0, {"height": 0}, r"images\[0\]: got a size of 40x0"),
        ("annotations", 2, {"category_id": 1}, r"\[2\]: category_id: got 1, which none of the cat"),
        ("annotations", 2, {"category_id": True}, "category_id: got True"),
        ("annotations", 2, {"image_id": 4}, r"\[2\]: image_id: got 4, which none of the images"),
        ("annotations", 0, {"bbox": [1, 2, -3, 4]}, r"\[0\]: bbox: got a size of -3 x 4"),
        ("annotations", 0, {"bbox": [1, 2, 3, 0]}, "got a size of 3 x 0, expected more than 0"),
        ("annotations", 0, {"bbox": [1, 2, 3]}, r"got \[1, 2, 3\], expected \[left, top, width"),
        ("annotations", 0, {"bbox": [1, 2, 3, float("nan")]}, r"\[1, 2, 3, nan\], expected"),
        ("annotations", 0, {"bbox": [1, 2, 3, 10**400]}, r"expected \[left, top, width, height"),
        ("annotations", 0, {"bbox": None}, "bbox: got None"),
        ("annotations", 0, {"bbox": [20, 2, 3, 4]}, "20, 2 to 23, 6, outside of its image"),
        ("annotations", 0, {"bbox": [1, -9, 3, 9]}, "outside of its image of 20x10"),
        ("categories", 1, {"id": 90}, "categories: got 2 with 1 ids"),
        ("categories", 1, {"name": "Red Mug"}, "'redmug' is there twice"),
        ("categories", 1, {"name": 3}, r"categories\[1\]: name: got 3, expected a text"),
    ],
)  # fmt: skip
def test_entries_that_make_no_sense_are_named(tmp_path, key, place, change, why):
    content = dataset()
    content[key][place] |= change
    write(tmp_path, content)
    with pytest.raises(EvaluationError, match=f"boxes.json: .*{why}"):
        open_box_folder(tmp_path)


def test_an_image_of_another_size(tmp_path):
    content = dataset()
    content["images"][0] |= {"width": 30, "height": 40}
    image = open_box_folder(write(tmp_path, content)).images[0]
    with pytest.raises(EvaluationError, match=r"a.png: got an image of 40x30, its boxes .* 30x40"):
        image.read()


def test_a_damaged_image_names_its_file(tmp_path):
    image = open_box_folder(write(tmp_path, dataset())).images[0]
    data = image.path.read_bytes()
    for left in (data[:60], b"no image at all"):
        image.path.write_bytes(left)
        with pytest.raises(EvaluationError, match=r"a.png: .*cannot be read"):
            image.read()
