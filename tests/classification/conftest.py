"""Small checkpoints of every kind of classifier, with random weights."""

import numpy as np
import pytest

LABELS = ("mug", "bowl, dish", "book", "clock", "apple")


@pytest.fixture(scope="session")
def make_classification():
    """Write a tiny ResNet or ViT into a folder; gives transformers' processor and model."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    names = {
        "id2label": dict(enumerate(LABELS)),
        "label2id": {label: index for index, label in enumerate(LABELS)},
    }

    def processor_of(name, values):
        kind = getattr(transformers, f"{name}ImageProcessorPil", None) or getattr(
            transformers, f"{name}ImageProcessor"
        )
        return kind(**values)

    def make(kind, folder, **preprocessor):
        torch.manual_seed(3)
        if kind == "resnet":
            config = transformers.ResNetConfig(
                embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], layer_type="basic", **names
            )
            network = transformers.ResNetForImageClassification(config)
            processor = processor_of("ConvNext", {"size": {"shortest_edge": 56}} | preprocessor)
        else:
            config = transformers.ViTConfig(
                hidden_size=24,
                num_hidden_layers=2,
                num_attention_heads=3,
                intermediate_size=32,
                image_size=48,
                patch_size=8,
                **names,
            )
            network = transformers.ViTForImageClassification(config)
            size = {"size": {"height": 48, "width": 48}}
            processor = processor_of("ViT", size | preprocessor)
        # Random weights say next to nothing: an image should have a clear favourite.
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(3.0 if kind == "resnet" else 8.0)
        network.eval().save_pretrained(folder)
        processor.save_pretrained(folder)
        return processor, network

    return make


@pytest.fixture(scope="session")
def scene():
    """Smooth colours (H, W, 3) uint8 of any size."""
    cv2 = pytest.importorskip("cv2")

    def make(height, width, seed=0):
        random = np.random.default_rng(seed)
        coarse = random.integers(0, 256, (height // 12 + 2, width // 12 + 2, 3), np.uint8)
        return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)

    return make
