"""Options that trainings on pictures and masks have in common."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add them; what is particular to a training is set with ``set_defaults``."""
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/")
    parser.add_argument("-o", "--output", type=Path, help="folder of the run")
    parser.add_argument("--epochs", type=int, help="through all training images")
    parser.add_argument("--stop-after", type=int, help="epochs of this call; the rest is for later")
    parser.add_argument("--batch", type=int, default=8, help="images at a time")
    parser.add_argument("--crop", type=int, nargs=2, help="height and width")
    parser.add_argument("--scales", type=float, nargs=2, help="of images before the crop")
    parser.add_argument(
        "--begin-with", type=Path, metavar="RUN", help="folder of another run, whose best to take"
    )
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate at the start")
    parser.add_argument(
        "--focus", type=float, help="share of crops around something, what is small rather"
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="in bfloat16, by torch.compile (two minutes at first): twice as fast where the "
        "processor has AMX",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="images of each split; all by default")
    parser.add_argument("--model", type=Path, help="folder for the trained model, when done")
    parser.add_argument("--about", type=Path, help="Markdown for its card: the data, its licence")


def checked(parser: argparse.ArgumentParser, given: list[str]) -> argparse.Namespace:
    """Parse, and end with what to do about options that make no sense."""
    arguments = parser.parse_args(given)
    arguments.crop, arguments.scales = tuple(arguments.crop), tuple(arguments.scales)
    if not 0 < arguments.scales[0] <= arguments.scales[1]:
        parser.error("--scales: give the smallest, above 0, then the largest")
    if not 0 <= arguments.focus <= 1:
        parser.error("--focus: give a share from 0 to 1")
    if bool(arguments.model) != bool(arguments.about):
        parser.error("--model needs --about, the text of its card, and the other way round")
    if arguments.about and not arguments.about.is_file():
        parser.error(f"--about: {arguments.about} is no file; write the text of the card")
    if arguments.about and arguments.about.read_text(encoding="utf-8").count("---\n") < 2:
        parser.error("--about: begin it with the licence: license: NAME between lines of ---")
    return arguments
