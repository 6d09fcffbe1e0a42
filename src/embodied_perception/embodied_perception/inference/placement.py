"""Where an image lies in a network's input, and the way back for what the network says of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

_ALL = slice(None)


@dataclass(frozen=True)
class Placement:
    """An image that was resized, and the part of it that the network sees.

    Attributes:
        image_hw: height and width of the image.
        resized_hw: of it resized; in fractions of pixels where it was resized with a border.
        offset_yx: where the network's input begins in the resized image; negative where it is
            wider.
        input_hw: height and width of the network's input.

    """

    image_hw: tuple[int, int]
    resized_hw: tuple[float, float]
    offset_yx: tuple[int, int]
    input_hw: tuple[int, int]

    @property
    def is_whole(self) -> bool:
        """Whether the network sees the image, the whole of it, and nothing else."""
        return self.resized_hw == self.input_hw and self.offset_yx == (0, 0)

    def to_image(self, maps: Tensor, rows: slice = _ALL, columns: slice = _ALL) -> Tensor:
        """Maps (B, C, h, w) over the network's input, as maps (B, C, H, W) over the image.

        Beyond the rim of what the network saw, the nearest that it saw is repeated;
        :meth:`seen` tells where.

        Args:
            maps: of any size, over the whole input.
            rows: of the image that are wanted; H is their number.
            columns: likewise, and W.

        """
        if self.is_whole and rows == columns == _ALL:
            if maps.shape[-2:] == self.image_hw:
                return maps
            return interpolate(maps, self.image_hw, mode="bilinear", align_corners=False)
        down, right = self._coordinates(maps.device)
        # grid_sample counts from -1 to 1, from rim to rim.
        grid = torch.stack(
            torch.broadcast_tensors(right[None, columns] * 2 - 1, down[rows, None] * 2 - 1), -1
        ).to(maps.dtype)
        grid = grid.expand(len(maps), -1, -1, -1)
        return grid_sample(maps, grid, "bilinear", "border", align_corners=False)

    def boxes_to_image(self, boxes: Tensor) -> Tensor:
        """Boxes (..., 4) left, top, right, bottom, in shares of the input, as pixels of the image.

        What lies outside of the image is cut off.
        """
        scale, offset, to_image, limit = (
            boxes.new_tensor([x, y, x, y])
            for y, x in (
                self.input_hw,
                self.offset_yx,
                (self.image_hw[0] / self.resized_hw[0], self.image_hw[1] / self.resized_hw[1]),
                self.image_hw,
            )
        )
        return ((boxes * scale + offset) * to_image).clamp(min=0).minimum(limit)

    def boxes_to_input(self, boxes: Tensor) -> Tensor:
        """The way back of :meth:`boxes_to_image`; beyond 0 to 1 is what the network did not see."""
        to_resized, offset, scale = (
            boxes.new_tensor([x, y, x, y])
            for y, x in (
                (self.resized_hw[0] / self.image_hw[0], self.resized_hw[1] / self.image_hw[1]),
                self.offset_yx,
                self.input_hw,
            )
        )
        return (boxes * to_resized - offset) / scale

    def seen(self, device: torch.device | str = "cpu") -> Tensor:
        """(H, W) bool: which pixels of the image the network saw."""
        rows, columns = (
            (shares >= 0) & (shares <= 1) for shares in self._coordinates(torch.device(device))
        )
        return rows[:, None] & columns[None, :]

    def _coordinates(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Where the middles of the image's rows and columns are in the input, as shares of it."""
        rows, columns = (
            ((torch.arange(size, device=device) + 0.5) * (resized / size) - offset) / side
            for size, resized, offset, side in zip(
                self.image_hw, self.resized_hw, self.offset_yx, self.input_hw, strict=True
            )
        )
        return rows, columns
