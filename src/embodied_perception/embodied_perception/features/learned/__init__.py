"""Features that were learned: SuperPoint finds and describes them, LightGlue matches them.

PyTorch and transformers are imported when a checkpoint is loaded, not before.
"""

from embodied_perception.features.learned.lightglue import LightGlue
from embodied_perception.features.learned.superpoint import SuperPoint

__all__ = ["LightGlue", "SuperPoint"]
