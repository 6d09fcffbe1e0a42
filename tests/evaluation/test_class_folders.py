"""Folders of folders of images."""

import pytest

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.class_folders import open_class_folder


def make(folder, **counts):
    for name, count in counts.items():
        (folder / name).mkdir()
        for number in range(count):
            (folder / name / f"{number:03}.jpg").touch()
    return folder


def test_classes_in_the_order_of_the_alphabet(tmp_path):
    (make(tmp_path, dog=2, cat=1) / "cat" / "deeper").mkdir()
    (tmp_path / "cat" / "deeper" / "9.PNG").touch()
    (tmp_path / "cat" / "notes.txt").touch()
    (tmp_path / "dog" / "._000.jpg").touch()
    (tmp_path / ".cache").mkdir()
    found = open_class_folder(tmp_path)
    assert found.classes == ("cat", "dog")
    named = [(path.relative_to(tmp_path).as_posix(), number) for path, number in found.images]
    assert named == [("cat/000.jpg", 0), ("cat/deeper/9.PNG", 0), ("dog/000.jpg", 1),
                     ("dog/001.jpg", 1)]  # fmt: skip


def test_some_are_taken_evenly(tmp_path):
    found = open_class_folder(make(tmp_path, a=40, b=20, c=20))
    numbers = [number for _, number in found.spread(8)]
    assert numbers == [0, 0, 0, 0, 1, 1, 2, 2]
    assert found.spread(80) == list(found.images) == found.spread(1000)


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(EvaluationError, match="nowhere: no such folder"):
        open_class_folder(tmp_path / "nowhere")
    with pytest.raises(EvaluationError, match="no folders in it; expected one for each class"):
        open_class_folder(tmp_path)
    make(tmp_path, cat=1, dog=0)
    with pytest.raises(EvaluationError, match="dog: no images in it"):
        open_class_folder(tmp_path)
    make(tmp_path, Cat=1)
    with pytest.raises(EvaluationError, match="'cat' is there twice"):
        open_class_folder(tmp_path)
