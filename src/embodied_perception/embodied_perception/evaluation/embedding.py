"""Many numbers of many things, as places in a plane: like ones lie together."""

from __future__ import annotations

import numpy as np

from embodied_perception.errors import EvaluationError

LEAST = 4  #: things that can be laid out
_COMPONENTS = 50
_PERPLEXITY = 30.0


def tsne(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """Lay out things by their neighbours among the 50 strongest principal components.

    Source: L. van der Maaten and G. Hinton, Visualizing Data using t-SNE, 2008.

    Args:
        features: (N, D) of N things.
        seed: of the same one comes the same plane.

    Returns:
        (N, 2) from 0 to 1; only which ones are near each other means something.

    Raises:
        EvaluationError: there are too few, a number is not finite, or scikit-learn is missing.

    """
    if features.ndim != 2 or len(features) < LEAST:
        raise EvaluationError(
            f"features: got shape {features.shape}, expected (N, D) of {LEAST} or more things"
        )
    if not np.isfinite(features).all():
        raise EvaluationError("features: got a number that is not finite")
    try:
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise EvaluationError(
            f"t-SNE needs scikit-learn ({error}): pip install scikit-learn"
        ) from error
    count = min(_COMPONENTS, *features.shape)
    strongest = PCA(count, random_state=seed).fit_transform(features.astype(np.float64))
    # Neighbourhoods of few things are small.
    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    # Things that are all alike have no components to begin with.
    init = "pca" if min(strongest.shape) > 1 and strongest.std() > 0 else "random"
    layout = TSNE(2, perplexity=perplexity, init=init, random_state=seed)
    places = layout.fit_transform(strongest.astype(np.float32))
    low, high = places.min(0), places.max(0)
    return (places - low) / np.maximum(high - low, 1e-9)
