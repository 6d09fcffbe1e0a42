"""Images out of messages and back, at 1080p: ours, OpenCV alone, and a plain memory copy.

For every encoding a message becomes a BGR array, and a BGR array a message. OpenCV alone does the
same on arrays whose shape is known beforehand, without any check, and copies the result into the
memory of a message. Where the encoding is BGR already, nothing is to be done but that copy. All are
timed in turn; times and ratios are the medians of many rounds.

    ./run benchmark imaging
"""

from __future__ import annotations

import argparse
import array
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from embodied_perception.bags import BagReader
from embodied_perception.imaging.bayer import METHODS, demosaic, mosaic
from embodied_perception.imaging.encodings import ENCODINGS, PICTURES, encode
from embodied_perception.stages.image_messages import (
    compressed_image_message,
    frame_from_compressed,
    frame_from_image,
    image_message,
)

WIDTH, HEIGHT = 1920, 1080
DEMO_BAG = Path(__file__).parents[1] / "src/embodied_perception_bringup/demo/demo_room.mcap"
TARGET_RATIO = 1.2
JPEG_QUALITY = 90

#: OpenCV's own conversions; where there is none back, the way there alone is compared.
TO_BGR: dict[str, list[int]] = {
    "mono8": [cv2.COLOR_GRAY2BGR], "8UC1": [cv2.COLOR_GRAY2BGR], "mono16": [cv2.COLOR_GRAY2BGR],
    "8UC4": [cv2.COLOR_BGRA2BGR], "rgb8": [cv2.COLOR_RGB2BGR], "rgba8": [cv2.COLOR_RGBA2BGR],
    "bgra8": [cv2.COLOR_BGRA2BGR], "rgb16": [cv2.COLOR_RGB2BGR], "bgr16": [],
    "rgba16": [cv2.COLOR_RGBA2BGR], "bgra16": [cv2.COLOR_BGRA2BGR],
    "uyvy": [cv2.COLOR_YUV2BGR_UYVY], "yuv422": [cv2.COLOR_YUV2BGR_UYVY],
    "yuyv": [cv2.COLOR_YUV2BGR_YUY2], "yuv422_yuy2": [cv2.COLOR_YUV2BGR_YUY2],
    "nv12": [cv2.COLOR_YUV2BGR_NV12], "nv21": [cv2.COLOR_YUV2BGR_NV21],
}  # fmt: skip
FROM_BGR: dict[str, list[int]] = {
    "mono8": [cv2.COLOR_BGR2GRAY], "8UC1": [cv2.COLOR_BGR2GRAY], "mono16": [cv2.COLOR_BGR2GRAY],
    "8UC4": [cv2.COLOR_BGR2BGRA], "rgb8": [cv2.COLOR_BGR2RGB], "rgba8": [cv2.COLOR_BGR2RGBA],
    "bgra8": [cv2.COLOR_BGR2BGRA], "rgb16": [cv2.COLOR_BGR2RGB], "bgr16": [],
    "rgba16": [cv2.COLOR_BGR2RGBA], "bgra16": [cv2.COLOR_BGR2BGRA],
    "uyvy": [cv2.COLOR_BGR2YUV_UYVY], "yuv422": [cv2.COLOR_BGR2YUV_UYVY],
    "yuyv": [cv2.COLOR_BGR2YUV_YUY2], "yuv422_yuy2": [cv2.COLOR_BGR2YUV_YUY2],
}  # fmt: skip
BAYER_TO_BGR = {
    "rggb": cv2.COLOR_BayerBG2BGR,
    "bggr": cv2.COLOR_BayerRG2BGR,
    "gbrg": cv2.COLOR_BayerGR2BGR,
    "grbg": cv2.COLOR_BayerGB2BGR,
}
ALREADY_BGR = ("bgr8", "8UC3")
TO_16_BIT = np.arange(256, dtype=np.uint16) * 257


@dataclass
class Case:
    """One encoding: what each way does, there and back."""

    name: str
    ours_there: Callable[[], Any]
    ours_back: Callable[[], Any]
    opencv_there: Callable[[], Any] | None
    opencv_back: Callable[[], Any] | None
    stored_bytes: int


def fill_message(pixels: np.ndarray) -> array.array:
    """The memory of a message, with the pixels in it."""
    data = array.array("B")
    data.frombytes(memoryview(pixels).cast("B"))
    return data


def raw_case(name: str, bgr: np.ndarray) -> Case:
    """A raw image of an encoding."""
    stored = encode(bgr, "BGR", name)
    message = image_message(stored, name, 1, "camera")
    wide = stored.dtype == np.uint16
    there = TO_BGR.get(name)
    if name.startswith("bayer"):
        there = [BAYER_TO_BGR[name[6:10]]]
    back = FROM_BGR.get(name)

    def opencv_there() -> np.ndarray:
        image = np.frombuffer(message.data, stored.dtype).reshape(stored.shape)
        image = cv2.convertScaleAbs(image, alpha=1 / 257) if wide else image
        for code in there or ():
            image = cv2.cvtColor(image, code)
        return image

    def opencv_back() -> array.array:
        image = bgr
        for code in back or ():
            image = cv2.cvtColor(image, code)
        return fill_message(cv2.LUT(image, TO_16_BIT) if wide else image)

    if name not in ALREADY_BGR:
        assert there is not None
        difference = np.abs(opencv_there().astype(int) - frame_from_image(message).bgr)
        assert difference.max() <= 1, name  # both do the same
    return Case(
        name,
        lambda: frame_from_image(message).bgr,
        lambda: image_message(encode(bgr, "BGR", name), name, 1, "camera"),
        None if name in ALREADY_BGR else opencv_there,
        None if name in ALREADY_BGR or back is None else opencv_back,
        stored.nbytes,
    )


def file_case(format: str, bgr: np.ndarray) -> Case:
    """A JPEG or a PNG."""
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    message = compressed_image_message(rgb, 1, "camera", format)
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if format == "jpeg" else []
    data = np.frombuffer(message.data, np.uint8)

    def opencv_back() -> array.array:
        as_bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        return fill_message(cv2.imencode(f".{format}", as_bgr, options)[1])

    return Case(
        format,
        lambda: frame_from_compressed(message).bgr,
        lambda: compressed_image_message(rgb, 1, "camera", format, JPEG_QUALITY),
        lambda: cv2.imdecode(data, cv2.IMREAD_COLOR),
        opencv_back,
        len(message.data),
    )


def times_ms(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, np.ndarray]:
    """Milliseconds (rounds,) of each way; each round has another order, for the caches' sake."""
    spent = {name: np.empty(rounds) for name in ways}
    order = np.random.default_rng(0)
    for place in range(rounds):
        for name in order.permutation(list(ways)).tolist():
            start = time.perf_counter()
            ways[name]()
            spent[name][place] = (time.perf_counter() - start) * 1e3
    return spent


def measure(case: Case, rounds: int) -> dict[str, Any]:
    """Times of one encoding, and how they compare."""
    source = np.zeros(case.stored_bytes, np.uint8)
    target = np.empty_like(source)
    ways: dict[str, Callable[[], Any]] = {
        "to_bgr_ms": case.ours_there,
        "from_bgr_ms": case.ours_back,
        "copy_ms": lambda: np.copyto(target, source),
    }
    if case.opencv_there is not None:
        ways["opencv_to_bgr_ms"] = case.opencv_there
    if case.opencv_back is not None:
        ways["opencv_from_bgr_ms"] = case.opencv_back
    times = times_ms(ways, rounds)
    result: dict[str, Any] = {name: float(np.median(spent)) for name, spent in times.items()}
    result["zero_copy"] = case.name in ALREADY_BGR
    compared = [way for way in ("to_bgr_ms", "from_bgr_ms") if f"opencv_{way}" in times]
    if compared:
        ours, opencv = (sum(times[f"{who}{way}"] for way in compared) for who in ("", "opencv_"))
        # Of each round, since what disturbs the machine disturbs neighbours alike.
        result["ratio_to_opencv"] = float(np.median(ours / opencv))
    return result


def demosaicing() -> dict[str, dict[str, float]]:
    """How near each method comes to the truth on a picture of the demo, and how long it takes."""
    with BagReader(DEMO_BAG) as bag:
        messages = bag.messages(["/camera/color/image_raw/compressed"])
        picture = frame_from_compressed(next(messages)[2]).rgb
    seen = mosaic(picture, "RGB", "RGGB")
    large = np.tile(seen, (3, 3))[:HEIGHT, :WIDTH]
    result = {}
    for method in METHODS:
        error = (demosaic(seen, "RGGB", "RGB", method).astype(float) - picture)[4:-4, 4:-4]
        ms = times_ms({"it": lambda m=method: demosaic(large, "RGGB", "RGB", m)}, 7)["it"]
        psnr_db = 10 * np.log10(255**2 / np.mean(error**2))
        result[method] = {"psnr_db": psnr_db, "ms": float(np.median(ms))}
    return result


def show(console: Console, results: dict[str, dict[str, Any]]) -> None:
    """The times as a table."""
    table = Table(
        "encoding", "to BGR", "OpenCV", "from BGR", "OpenCV", "copy", "ours / OpenCV",
        title=f"{WIDTH}x{HEIGHT}, milliseconds",
    )  # fmt: skip

    def text(times: dict[str, Any], key: str) -> str:
        return f"{times[key]:.2f}" if key in times else "-"

    for name, times in results.items():
        ratio = "no copy to BGR" if times["zero_copy"] else text(times, "ratio_to_opencv")
        keys = ("to_bgr_ms", "opencv_to_bgr_ms", "from_bgr_ms", "opencv_from_bgr_ms", "copy_ms")
        table.add_row(name, *(text(times, key) for key in keys), ratio)
    console.print(table)


def main() -> int:
    """Measure, and print a table and one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=150, help="default: %(default)s")
    parser.add_argument("--no-peers", action="store_true", help="leave out OpenCV alone")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    bgr = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    cases = [raw_case(name, bgr) for name in PICTURES]
    cases += [file_case(name, bgr) for name in ("jpeg", "png")]
    results = {}
    for case in track(cases, "encodings", console=console, transient=True):
        if arguments.no_peers:
            case.opencv_there = case.opencv_back = None
        rounds = arguments.rounds if case.name in ENCODINGS else max(5, arguments.rounds // 20)
        results[case.name] = measure(case, rounds)
    show(console, results)
    quality = demosaicing()
    for method, figures in quality.items():
        console.print(
            f"demosaicing {method}: {figures['psnr_db']:.1f} dB, {figures['ms']:.1f} ms at 1080p"
        )
    ratios = {name: r["ratio_to_opencv"] for name, r in results.items() if "ratio_to_opencv" in r}
    ours: dict[str, Any] = {"encodings": results, "demosaicing": quality}
    if ratios:
        worst = max(ratios, key=lambda name: ratios[name])
        ours = {"worst_ratio_to_opencv": ratios[worst], "worst_encoding": worst, **ours}
        verdict = "within" if ratios[worst] <= TARGET_RATIO else "above"
        console.print(f"worst: {worst}, {ratios[worst]:.2f}x OpenCV, {verdict} {TARGET_RATIO}x")
    print(json.dumps({"ours": ours, "peers": {} if arguments.no_peers else {"opencv": {}}}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
