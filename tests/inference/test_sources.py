"""What a model's name leads to."""

import pytest

pytest.importorskip("torch", reason="needs the group: pip install --group learned")
pytest.importorskip("huggingface_hub")

from embodied_perception.errors import InferenceError
from embodied_perception.inference.sources import builtin_folders, folder_of, pull


def test_a_folder_is_itself(tmp_path, monkeypatch):
    assert folder_of(str(tmp_path)) == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder_of("~/models") == tmp_path / "models"


def test_what_comes_with_the_package():
    for folder in builtin_folders():
        assert folder_of(f"builtin:{folder.name}") == folder


@pytest.mark.parametrize("source", ["builtin:nothing", "builtin:", "builtin:../inference"])
def test_a_name_that_is_not_built_in(source):
    with pytest.raises(InferenceError, match=f"no model is called '{source}'; there are:"):
        folder_of(source)


def test_nothing_at_all():
    with pytest.raises(InferenceError, match="no model was given: builtin:NAME, hf:OWNER/REPO, or"):
        folder_of("")


def test_what_was_not_pulled_is_not_downloaded():
    with pytest.raises(InferenceError, match="get it with: perception models pull hf:nobody/has"):
        folder_of("hf:nobody/has-this@v1")


@pytest.mark.parametrize(
    "source", ["hf:", "hf:one", "hf:a/b/c", "hf:../x", "hf:a/b@", "hf:a b/c", "a/b", "hf:-a/b"]
)
def test_names_that_are_no_repositories(source):
    with pytest.raises(InferenceError, match="expected hf:OWNER/REPO or hf:OWNER/REPO@REVISION"):
        pull(source)
