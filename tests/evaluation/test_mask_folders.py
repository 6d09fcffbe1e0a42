"""Tiny folders of each layout."""

import json

import cv2
import numpy as np
import pytest

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.mask_folders import CAMVID, CITYSCAPES, open_mask_folder
from embodied_perception.evaluation.mask_numbers import UNLABELLED


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), array)
    return path


def picture(height=2, width=4, value=0):
    return np.full((height, width, 3), value, np.uint8)


def mask(*rows, dtype=np.uint8):
    return np.array(rows, dtype)


def read(folder):
    return [pair.read() for pair in folder.pairs]


@pytest.fixture
def camvid(tmp_path):
    for split in ("train", "val"):
        write(tmp_path / split / "b.png", picture(value=9))
        write(tmp_path / split / "a.png", picture())
        write(tmp_path / f"{split}annot" / "a.png", mask([0, 1, 2, 11], [10, 3, 4, 255]))
        write(tmp_path / f"{split}annot" / "b.png", mask([5, 5, 5, 5], [5, 5, 5, 5]))
    return tmp_path


@pytest.fixture
def cityscapes(tmp_path):
    write(tmp_path / "leftImg8bit/val/ulm/ulm_000001_000019_leftImg8bit.png", picture())
    write(
        tmp_path / "gtFine/val/ulm/ulm_000001_000019_gtFine_labelIds.png",
        mask([7, 8, 33, 26], [0, 4, 11, 29]),
    )
    return tmp_path


@pytest.fixture
def ade20k(tmp_path):
    write(tmp_path / "images/validation/ADE_val_1.jpg", picture())
    write(tmp_path / "annotations/validation/ADE_val_1.png", mask([0, 1, 2, 150], [3, 3, 3, 3]))
    write(tmp_path / "images/training/ADE_train_1.jpg", picture())
    write(tmp_path / "annotations/training/ADE_train_1.png", mask([1] * 4, [1] * 4))
    return tmp_path


def test_camvid(camvid):
    folder = open_mask_folder(camvid)
    assert (folder.layout, folder.split, folder.classes) == ("CamVid", "val", CAMVID)
    first, second = read(folder)
    assert [first.name, second.name] == ["a.png", "b.png"]
    assert first.mask.tolist() == [[0, 1, 2, UNLABELLED], [10, 3, 4, UNLABELLED]]
    assert second.image_rgb.shape == (2, 4, 3)
    assert (second.image_rgb == 9).all()
    assert open_mask_folder(camvid, "train").split == "train"


def test_other_classes_by_a_list_of_names(camvid):
    (camvid / "labels.json").write_text(json.dumps([f"thing {k}" for k in range(12)]))
    folder = open_mask_folder(camvid, "val")
    assert folder.classes[11] == "thing 11"
    assert read(folder)[0].mask.tolist() == [[0, 1, 2, 11], [10, 3, 4, UNLABELLED]]


def test_camvid_with_jpeg_images_of_the_same_names(camvid):
    (camvid / "val" / "a.png").unlink()
    write(camvid / "val" / "a.jpg", picture(value=200))
    assert (read(open_mask_folder(camvid))[0].image_rgb == 200).all()


def test_cityscapes(cityscapes):
    folder = open_mask_folder(cityscapes)
    assert (folder.layout, folder.split, folder.classes) == ("Cityscapes", "val", CITYSCAPES)
    (image,) = read(folder)
    names = [[CITYSCAPES[each] if each < 19 else "" for each in row] for row in image.mask]
    assert names == [["road", "sidewalk", "bicycle", "car"], ["", "", "building", ""]]


def test_cityscapes_train_ids_go_first(cityscapes):
    ids = cityscapes / "gtFine/val/ulm/ulm_000001_000019_gtFine_labelTrainIds.png"
    write(ids, mask([0, 1, 18, 13], [255, 255, 2, 255]))
    (image,) = read(open_mask_folder(cityscapes))
    assert image.mask.tolist() == [[0, 1, 18, 13], [UNLABELLED, UNLABELLED, 2, UNLABELLED]]
    write(ids, mask([0, 1, 33, 13], [255, 255, 2, 255]))
    with pytest.raises(EvaluationError, match=r"labelTrainIds.png: got the class number 33"):
        read(open_mask_folder(cityscapes))


def test_ade20k(ade20k):
    folder = open_mask_folder(ade20k)
    assert (folder.layout, folder.split, folder.classes) == ("ADE20K", "validation", None)
    assert folder.class_count == 150
    assert read(folder)[0].mask[0].tolist() == [UNLABELLED, 0, 1, 149]
    rows = "\n".join(f"{k}\t0.1\t1\t2\tthing {k}, object {k} " for k in range(1, 151))
    (ade20k / "objectInfo150.txt").write_text(f"Idx\tRatio\tTrain\tVal\tName\n{rows}\n")
    assert open_mask_folder(ade20k).classes[149] == "thing 150, object 150"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{}", "expected a list of names"),
        ("[]", "expected a list of names"),
        ('["sky", 3]', "expected a list of names"),
        ('["sky", "Sky"]', "'sky' is there twice"),
        ("[", "cannot be read as JSON"),
    ],
)
def test_names_that_make_no_sense(camvid, content, why):
    (camvid / "labels.json").write_text(content)
    with pytest.raises(EvaluationError, match=f"labels.json: .*{why}"):
        open_mask_folder(camvid)


def test_ade20k_names_that_make_no_sense(ade20k):
    (ade20k / "objectInfo150.txt").write_text("Idx\tRatio\tTrain\tVal\tName\n1\t0\t0\t0\twall\n")
    with pytest.raises(EvaluationError, match=r"Info150.txt: expected a heading and 150 rows"):
        open_mask_folder(ade20k)


def test_ade20k_without_a_mask(ade20k):
    (ade20k / "annotations/validation/ADE_val_1.png").unlink()
    with pytest.raises(EvaluationError, match=r"ADE_val_1.jpg: has no mask"):
        open_mask_folder(ade20k)


def test_an_image_without_mask_and_a_mask_without_image(camvid):
    write(camvid / "val" / "c.png", picture())
    with pytest.raises(EvaluationError, match=r"val/c.png: has no mask; expected .*valannot/c.png"):
        open_mask_folder(camvid)
    (camvid / "val" / "c.png").unlink()
    write(camvid / "valannot" / "d.png", mask([0]))
    with pytest.raises(EvaluationError, match=r"valannot/d.png: has no image"):
        open_mask_folder(camvid)


def test_cityscapes_without_masks(cityscapes):
    (cityscapes / "gtFine/val/ulm/ulm_000001_000019_gtFine_labelIds.png").unlink()
    with pytest.raises(EvaluationError, match=r"leftImg8bit.png: has no mask; .*labelIds.png"):
        open_mask_folder(cityscapes)


def test_two_images_for_one_mask(camvid):
    write(camvid / "val" / "a.jpg", picture())
    with pytest.raises(EvaluationError, match=r"a.png: a.jpg is there too"):
        open_mask_folder(camvid)


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        (mask([0, 1, 2]), "got a mask of 3x1, its image a.png is 4x2"),
        (mask([0, 1, 2, 12], [0, 0, 0, 0]), "got the class number 12 in 1 pixels"),
        (np.zeros((2, 4, 3), np.uint8), "mode RGB"),
    ],
)
def test_a_mask_that_does_not_fit_names_its_file(camvid, stored, why):
    write(camvid / "valannot" / "a.png", stored)
    with pytest.raises(EvaluationError, match=f"valannot/a.png: .*{why}"):
        read(open_mask_folder(camvid))


def test_a_damaged_image_names_its_file(camvid):
    path = camvid / "val" / "b.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(EvaluationError, match=r"val/b.png: cannot be read"):
        read(open_mask_folder(camvid))


def test_splits(camvid):
    with pytest.raises(EvaluationError, match="no split 'test'; there are: train, val"):
        open_mask_folder(camvid, "test")
    for kind in ("", "annot"):
        (camvid / f"val{kind}").rename(camvid / f"monday{kind}")
    with pytest.raises(EvaluationError, match="splits monday, train: choose by --split"):
        open_mask_folder(camvid)
    assert open_mask_folder(camvid, "monday").split == "monday"


def test_no_known_layout(tmp_path):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(EvaluationError, match="got pictures/; expected SPLIT/ beside SPLITannot/"):
        open_mask_folder(tmp_path)
    with pytest.raises(EvaluationError, match="nowhere: no such folder"):
        open_mask_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("empty", ["images", "leftImg8bit"])
def test_empty_folders_of_a_layout(tmp_path, empty):
    for name in (empty, {"images": "annotations", "leftImg8bit": "gtFine"}[empty]):
        (tmp_path / name / "val").mkdir(parents=True)
    with pytest.raises(EvaluationError, match=r"no images in it|_leftImg8bit.png in it"):
        open_mask_folder(tmp_path)
    (tmp_path / empty / "val").rmdir()
    with pytest.raises(EvaluationError, match="there are no splits in it"):
        open_mask_folder(tmp_path)


def test_masks_folder_is_missing(ade20k):
    (ade20k / "annotations/validation").rename(ade20k / "elsewhere")
    with pytest.raises(EvaluationError, match=r"annotations/validation: no such folder"):
        open_mask_folder(ade20k)


def test_what_file_systems_leave_behind_is_no_image(camvid):
    (camvid / "val" / "._a.png").write_bytes(b"x")
    assert len(open_mask_folder(camvid).pairs) == 2
