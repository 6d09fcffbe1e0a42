"""Boxes in messages: by their middles, the centre of the first pixel is 0 as in camera models."""

from __future__ import annotations

import numpy as np
from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
    Point2D,
    Pose2D,
)

from embodied_perception.open_vocabulary.detections import Detections

#: Of the first pixel, where its edge is 0, as it is everywhere but in messages.
FIRST_CENTRE = 0.5


def detections_message(
    found: Detections, names: tuple[str, ...], ids: np.ndarray | None, head: Header
) -> Detection2DArray:
    """Boxes as vision_msgs has them, with names for labels.

    Args:
        found: N boxes; an image spans (0, 0, W, H).
        names: of the labels.
        ids: (N,) of the things; None: they have none.
        head: of the image.

    """
    centres, sizes = (
        (found.boxes[:, :2] + found.boxes[:, 2:]) / 2 - FIRST_CENTRE,
        found.boxes[:, 2:] - found.boxes[:, :2],
    )
    return Detection2DArray(
        header=head,
        detections=[
            Detection2D(
                header=head,
                id="" if ids is None else str(ids[index]),
                results=[
                    ObjectHypothesisWithPose(
                        hypothesis=ObjectHypothesis(
                            class_id=names[found.labels[index]], score=float(found.scores[index])
                        )
                    )
                ],
                bbox=BoundingBox2D(
                    center=Pose2D(position=Point2D(x=x, y=y)), size_x=width, size_y=height
                ),
            )
            for index, ((x, y), (width, height)) in enumerate(
                zip(centres.tolist(), sizes.tolist(), strict=True)
            )
        ],
    )
