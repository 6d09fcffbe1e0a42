"""What is known of a kind of network besides its weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """A kind of network.

    Attributes:
        class_name: of transformers, or of ours.
        any_size: whether it takes images of any size.

    """

    class_name: str
    any_size: bool = True
