"""Colours of classes: those that data sets have made usual, and distinct ones for all others."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

#: Cityscapes' nineteen classes.
CITYSCAPES = {
    "road": "804080", "sidewalk": "f423e8", "building": "464646", "wall": "66669c",
    "fence": "be9999", "pole": "999999", "traffic light": "faaa1e", "traffic sign": "dcdc00",
    "vegetation": "6b8e23", "terrain": "98fb98", "sky": "4682b4", "person": "dc143c",
    "rider": "ff0000", "car": "00008e", "truck": "000046", "bus": "003c64", "train": "005064",
    "motorcycle": "0000e6", "bicycle": "770b20",
}  # fmt: skip
#: CamVid's eleven classes.
CAMVID = {
    "sky": "808080", "building": "800000", "pole": "c0c080", "road": "804080",
    "pavement": "3c28de", "tree": "808000", "sign": "c08080", "fence": "404080", "car": "400080",
    "pedestrian": "404000", "bicyclist": "0080c0",
}  # fmt: skip
#: ADE20K's hundred and fifty classes, in their order.
ADE20K = bytes.fromhex(
    """
    787878 b47878 06e6e6 503232 04c803 787850 8c8c8c cc05ff e6e6e6 04fa07 e005ff ebff07
    96053d 787846 08ff33 ff0652 8fff8c ccff04 ff3307 cc4603 0066c8 3de6fa ff0633 0b66ff
    ff0747 ff09e0 0907e6 dcdcdc ff095c 7009ff 08ffd6 07ffe0 ffb806 0aff47 ff290a 07ffff
    e0ff08 6608ff ff3d06 ffc207 ff7a08 00ff14 ff0829 ff0599 0633ff eb0cff a09614 00a3ff
    8c8c8c fa0a0f 14ff00 1fff00 ff1f00 ffe000 99ff00 0000ff ff4700 00ebff 00adff 1f00ff
    0bc8c8 ff5200 00fff5 003dff 00ff70 00ff85 ff0000 ffa300 ff6600 c2ff00 008fff 33ff00
    0052ff 00ff29 00ffad 0a00ff adff00 00ff99 ff5c00 ff00ff ff00f5 ff0066 ffad00 ff0014
    ffb8b8 001fff 00ff3d 0047ff ff00cc 00ffc2 00ff52 000aff 0070ff 3300ff 00c2ff 007aff
    00ffa3 ff9900 00ff0a ff7000 8fff00 5200ff a3ff00 ffeb00 08b8aa 8500ff 00ff5c b800ff
    ff001f 00b8ff 00d6ff ff0070 5cff00 00e0ff 70e0ff 46b8a0 a300ff 9900ff 47ff00 ff00a3
    ffcc00 ff008f 00ffeb 85ff00 ff00eb f500ff ff007a fff500 0abed4 d6ff00 00ccff 1400ff
    ffff00 0099ff 0029ff 00ffcc 2900ff 29ff00 ad00ff 00f5ff 4700ff 7a00ff 00ffb8 005cff
    b8ff00 0085ff ffd600 19c2c2 66ff00 5c00ff
    """
)
_GOLDEN_TURN = 0.618033988749895


def colors_of(labels: Sequence[str]) -> np.ndarray:
    """A colour (C, 3) uint8 RGB for each class.

    Args:
        labels: what the classes are called: Cityscapes' or CamVid's own, or a hundred and fifty,
            have the usual colours.

    """
    names = [label.lower().replace("_", " ").replace("-", " ") for label in labels]
    for palette in (CITYSCAPES, CAMVID):
        if all(name in palette for name in names):
            return _from_hex([palette[name] for name in names])
    ade20k = np.frombuffer(ADE20K, np.uint8).reshape(-1, 3)
    return ade20k.copy() if len(labels) == len(ade20k) else _distinct(len(labels))


def _from_hex(colors: Sequence[str]) -> np.ndarray:
    return np.array([list(bytes.fromhex(color)) for color in colors], np.uint8)


def _distinct(count: int) -> np.ndarray:
    """Hues a golden turn apart, so that neighbours differ most; lighter and darker in turns."""
    index = np.arange(count)
    hue = 360 * ((0.07 + index * _GOLDEN_TURN) % 1)
    saturation, value = (
        np.array([0.75, 0.55, 0.9])[index % 3],
        np.array([0.9, 0.7, 0.55])[index % 3],
    )
    hsv = np.stack([hue, saturation, value], 1).astype(np.float32)[None]
    return np.rint(255 * cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0]).astype(np.uint8)
