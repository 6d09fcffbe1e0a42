"""What a model's name leads to: a folder with its checkpoint.

``builtin:NAME`` comes with the package, ``hf:OWNER/REPO`` from Hugging Face once it was pulled, and
everything else is a folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from embodied_perception.errors import InferenceError

BUILTIN, HUB = "builtin:", "hf:"
_BUILTIN_FOLDER = Path(__file__).with_name("builtin")
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w.-]+)?")
#: What is downloaded of a repository: numbers and texts, no pickles, no code.
_PATTERNS = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.md", "*.onnx")


def folder_of(source: str) -> Path:
    """Where a model lies on this machine; nothing is downloaded.

    Raises:
        InferenceError: it is not here; the message says how to get it.

    """
    if source.startswith(BUILTIN):
        folder = _BUILTIN_FOLDER / source.removeprefix(BUILTIN)
        if folder not in builtin_folders():
            known = ", ".join(BUILTIN + each.name for each in builtin_folders())
            raise InferenceError(f"no model is called {source!r}; there are: {known}")
        return folder
    if source.startswith(HUB):
        return _pulled(source)
    if not source:
        raise InferenceError("no model was given: builtin:NAME, hf:OWNER/REPO, or a folder")
    return Path(source).expanduser()


def builtin_folders() -> list[Path]:
    """Folders of the models that come with the package."""
    return sorted(path.parent for path in _BUILTIN_FOLDER.glob("*/config.json"))


def pulled() -> Iterator[tuple[str, Path]]:
    """Sources and folders of the models that were pulled."""
    hub = _hub()
    try:
        repositories = hub.scan_cache_dir().repos
    except hub.errors.CacheNotFound:
        return
    for repository in sorted(repositories, key=lambda each: each.repo_id):
        newest = max(repository.revisions, key=lambda each: each.last_modified, default=None)
        if repository.repo_type == "model" and newest is not None:
            yield HUB + repository.repo_id, newest.snapshot_path


def pull(source: str) -> Path:
    """Download a model from Hugging Face, without pickles and code.

    Args:
        source: ``hf:OWNER/REPO`` or ``hf:OWNER/REPO@REVISION``.

    Raises:
        InferenceError: there is no such model, or no way to it.

    """
    repository, revision = _repository(source)
    hub = _hub()
    try:
        return Path(
            hub.snapshot_download(repository, revision=revision, allow_patterns=list(_PATTERNS))
        )
    except Exception as error:  # of many kinds, from release to release
        raise InferenceError(
            f"{source} cannot be downloaded: {error}; copy its folder here by hand and give that"
        ) from error


def _pulled(source: str) -> Path:
    repository, revision = _repository(source)
    hub = _hub()
    try:
        return Path(hub.snapshot_download(repository, revision=revision, local_files_only=True))
    except Exception as error:
        raise InferenceError(
            f"{source} is not on this machine; get it with: perception models pull {source}"
        ) from error


def _repository(source: str) -> tuple[str, str | None]:
    name = source.removeprefix(HUB)
    if not source.startswith(HUB) or not _REPOSITORY.fullmatch(name):
        raise InferenceError(f"got {source!r}, expected hf:OWNER/REPO or hf:OWNER/REPO@REVISION")
    repository, _, revision = name.partition("@")
    return repository, revision or None


def _hub() -> ModuleType:
    try:
        import huggingface_hub
    except ImportError as error:
        raise InferenceError(
            f"models of Hugging Face need its library ({error}): pip install huggingface_hub"
        ) from error
    return huggingface_hub
