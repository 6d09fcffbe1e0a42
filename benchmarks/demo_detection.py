"""Detection by words in a drawn room that training never saw, some pairs never trained on.

What is looked for: the coloured objects of the held-out room, and as many pairs of a colour and a
kind that it does not have; each by itself, as one asks for a thing, and all at once, where the
surest label takes a place. Of a label's colour and kind training saw both, but of
HELD_OUT_PAIRS never the two together. A true box goes around what is seen of an object, if that is
64 pixels or more. An object that is not there is found falsely wherever it is found.

    ./run benchmark demo_detection
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from embodied_perception.evaluation.detection import DetectionScores
from embodied_perception.inference.runtime import AUTO, PRECISIONS, Runtime
from embodied_perception.open_vocabulary.detections import suppress
from embodied_perception.open_vocabulary.detector import Detector
from embodied_perception.open_vocabulary.finding import MOST_OVERLAP
from embodied_perception.open_vocabulary.loading import load_detector
from embodied_perception.open_vocabulary.vocabulary import BACKGROUND, Vocabulary

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "tools"), str(ROOT / "training")]

from box_confidence import pairs_to_ask_for, true_boxes  # noqa: E402
from captioned_pictures import CaptionedPictures  # noqa: E402

from demo_room.palette import HELD_OUT_PAIRS  # noqa: E402

BY_ITSELF, AT_ONCE = "each by itself", "all at once"
SPLIT, IMAGES = "test", 30
LEAST_SCORE = 1e-4
RECALL = 0.5


def render(data: Path) -> None:
    """Draw the held-out room, where nobody has yet."""
    try:
        from demo_room.captions import render_captions, write_split
        from demo_room.rooms import HELDOUT
    except ImportError as error:
        raise SystemExit(
            f"{data}: not there, and drawing it needs MuJoCo: pip install --group render ({error})"
        ) from error
    frames = render_captions(HELDOUT, IMAGES)
    write_split(data, SPLIT, track(frames, "drawing", IMAGES, console=Console(stderr=True)))


def score(
    detector: Detector,
    pictures: CaptionedPictures,
    labels: Sequence[str],
    background: tuple[str, ...],
    console: Console,
) -> tuple[dict[str, DetectionScores], float]:
    """Look for labels in all pictures, in two ways; and the median seconds that one takes."""
    vocabulary = Vocabulary.of(*labels, background=background)
    words = detector.words(vocabulary)
    scores = {way: DetectionScores(labels) for way in (BY_ITSELF, AT_ONCE)}
    seconds = []
    each = zip(pictures.images, pictures.numbers, pictures.things, strict=True)
    total = len(pictures.images)
    for index, (image, numbers, things) in enumerate(
        track(each, "looking", total, console=console, transient=True)
    ):
        start = time.perf_counter()
        (found,) = detector.detect([image], words, LEAST_SCORE)
        seconds.append(time.perf_counter() - start)
        true = true_boxes(numbers, {number: each.name for number, each in things.items()}, labels)
        scores[AT_ONCE].add(f"image {index}", *true, suppress(found, MOST_OVERLAP))
        scores[BY_ITSELF].add(f"image {index}", *true, found)
    return scores, float(np.median(seconds))


def figures(scores: DetectionScores, absent: Sequence[str]) -> dict[str, Any]:
    """AP50 of trained and of held-out pairs, and what is said of things that are not there."""
    of_label = scores.average_precision[:, 0]
    held_out_names = {" ".join(pair) for pair in HELD_OUT_PAIRS}
    is_held_out = np.array([name in held_out_names for name in scores.labels])
    is_there = scores.true_counts > 0
    is_absent = np.isin(scores.labels, absent)
    point = scores.at_recall(RECALL)
    return {
        "ap50_trained": float(of_label[is_there & ~is_held_out].mean()),
        "ap50_held_out_pairs": float(of_label[is_there & is_held_out].mean()),
        "true_boxes_trained": int(scores.true_counts[~is_held_out].sum()),
        "true_boxes_held_out_pairs": int(scores.true_counts[is_held_out].sum()),
        "recall": RECALL,
        "most_recall": scores.most_recall,
        "precision": None if point is None else point.precision,
        "threshold": None if point is None else point.threshold,
        "false_positives_per_frame_absent": None
        if point is None
        else float(point.absent_per_image[is_absent].sum()),
    }


def main() -> int:
    """Print a table for people, and JSON for machines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("out/rooms/captions"))
    parser.add_argument("--model", default="builtin:demo-clip", help="default: %(default)s")
    parser.add_argument("--device", default=AUTO)
    parser.add_argument("--precision", default=AUTO, choices=[AUTO, *PRECISIONS])
    arguments = parser.parse_args()
    console = Console(stderr=True)
    if not (arguments.data / f"{SPLIT}things").is_dir():
        render(arguments.data)
    pictures = CaptionedPictures.read(arguments.data, SPLIT)
    present, absent = pairs_to_ask_for(pictures)
    detector = load_detector(arguments.model, Runtime(arguments.device, arguments.precision))
    labels = [*present, *absent]
    columns, ours = {}, {}
    for name, background in (("with background", BACKGROUND), ("without", ())):
        scores, seconds = score(detector, pictures, labels, background, console)
        for way in scores:
            columns[f"{way}, {name}"] = figures(scores[way], absent)
        ours[f"ms_per_image_{name.replace(' ', '_')}"] = 1000 * seconds
    table = Table(f"{arguments.model}, {len(labels)} labels")
    for column in columns:
        table.add_column(column, justify="right")
    for key in next(iter(columns.values())):
        values = (each[key] for each in columns.values())
        table.add_row(key, *("-" if value is None else f"{value:.3g}" for value in values))
    console.print(table)
    first, *others = columns.items()
    ours |= first[1] | {
        column.replace(", ", "_").replace(" ", "_"): each for column, each in others
    }
    print(json.dumps({"ours": ours, "peers": {}}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
