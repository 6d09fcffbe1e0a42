"""Reports: a page of HTML with figures in words, and pictures beside it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from embodied_perception.errors import EvaluationError

_JPEG_QUALITY = 88

_PAGE = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff }}
img {{ width: 100%; border-radius: 6px }}
table {{ border-collapse: collapse }} td {{ padding: .15rem 1.2rem .15rem 0 }}
td + td {{ text-align: right; font-variant-numeric: tabular-nums }}
figure {{ margin: 2rem 0 }} figcaption {{ color: #666 }} code {{ background: #f3f3f3 }}
.remark {{ background: #fff6dd; border-left: 4px solid #e0a800; padding: .4rem .8rem }}
</style>
<h1>{title}</h1>
<p>{summary}</p>
{remarks}<table>{rows}</table>
{pictures}{closing}</html>
"""


@dataclass(frozen=True)
class Illustration:
    """A picture in a report's folder, with what it shows."""

    file: str
    caption: str


def write_page(
    path: Path,
    title: str,
    summary: str,
    figures: Mapping[str, str],
    illustrations: Sequence[Illustration],
    *,
    remarks: Sequence[str] = (),
    closing_html: str = "",
) -> None:
    """Write a report's page.

    Args:
        path: the page; pictures lie beside it.
        title: of the page.
        summary: what was done, in a sentence or two.
        figures: name to value, as a table.
        illustrations: in this order.
        remarks: what the reader must not overlook.
        closing_html: goes below everything, as it is.

    Raises:
        EvaluationError: it cannot be written.

    """
    text = _PAGE.format(
        title=html.escape(title),
        summary=html.escape(summary),
        remarks="".join(f'<p class="remark">{html.escape(each)}</p>\n' for each in remarks),
        rows="".join(
            f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>"
            for name, value in figures.items()
        ),
        pictures="".join(
            f'<figure><img src="{html.escape(each.file)}" alt="{html.escape(each.caption)}">\n'
            f"<figcaption>{html.escape(each.caption)}</figcaption></figure>\n"
            for each in illustrations
        ),
        closing=closing_html,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EvaluationError(f"{path}: cannot write: {error}") from error


def write_picture(path: Path, image_rgb: np.ndarray) -> None:
    """Write an RGB image (H, W, 3) uint8; the suffix says the format. Its folder is made.

    Raises:
        EvaluationError: it cannot be written.

    """
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if path.suffix == ".jpg" else []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        written = cv2.imwrite(str(path), cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), options)
    except (OSError, cv2.error) as error:
        raise EvaluationError(f"{path}: cannot write: {error}") from error
    if not written:
        raise EvaluationError(f"{path}: cannot write")
