"""Makes the vocabulary of visual words that the package comes with, of the demo's recording.

    ./run shell -c 'python tools/vocabulary.py'

The same recording gives the same file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.progress import track

from embodied_perception.bags.images import frame_sets
from embodied_perception.features.extraction import Extractor
from embodied_perception.features.words import BUILTIN, Vocabulary

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "src/embodied_perception_bringup/demo/demo_room.mcap"
TOPIC = "/camera/color/image_raw/compressed"
EVERY = 4
FEATURES = 600
WORDS = 4000


def main() -> None:
    """Cluster the features of every so many images."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=BUILTIN, help="default: %(default)s")
    arguments = parser.parse_args()
    orb = Extractor("orb")
    frames = list(frame_sets(DEMO, [TOPIC], 0, print))[::EVERY]
    images = [orb.extract(frame.gray, FEATURES).descriptors for (frame,) in track(frames, "images")]
    vocabulary = Vocabulary.train(images, WORDS)
    vocabulary.save(arguments.output)
    print(f"{arguments.output}: {len(vocabulary)} words of {sum(map(len, images))} features")


if __name__ == "__main__":
    main()
