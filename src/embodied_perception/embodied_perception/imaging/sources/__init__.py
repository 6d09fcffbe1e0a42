"""Images besides topics: a folder of photos, a video file, a camera of the kernel."""

from __future__ import annotations

from pathlib import Path

from embodied_perception.errors import SourceError
from embodied_perception.imaging.sources.photos import PhotoFolder
from embodied_perception.imaging.sources.source import Packet, Source, SourceImage
from embodied_perception.imaging.sources.video import VideoDevice, VideoFile, is_device

__all__ = [
    "Packet",
    "PhotoFolder",
    "Source",
    "SourceImage",
    "VideoDevice",
    "VideoFile",
    "open_source",
]


def open_source(
    path: Path, size_wh: tuple[int, int] | None = None, rate_hz: float | None = None
) -> Source:
    """Open whatever a path is.

    Args:
        path: a folder of photos, a video file, or ``/dev/videoN``.
        size_wh: of a camera's images; other sources have theirs.
        rate_hz: images a second, of a camera or of photos (1 if not given).

    Raises:
        SourceError: it is none of these, or cannot be opened.

    """
    if is_device(path):
        return VideoDevice(path, size_wh, rate_hz)
    if not path.exists():
        raise SourceError(f"{path}: no such file, folder or camera")
    if size_wh is not None:
        raise SourceError(f"{path}: a size can be asked of a camera only (/dev/videoN)")
    if path.is_dir():
        return PhotoFolder(path, rate_hz or 1.0)
    if rate_hz is not None:
        raise SourceError(f"{path}: a video has its own rate; leave it out")
    return VideoFile(path)
