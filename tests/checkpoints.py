"""Tiny checkpoints of every kind of segmentation network, with random weights."""

import json

import numpy as np
import pytest

#: Of the classes of tiny checkpoints.
LABELS = ("floor", "wall", "person", "door", "table")


@pytest.fixture(scope="session")
def make_segmentation():
    """Write a tiny checkpoint of a kind into a folder; gives transformers' processor and model."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")

    def make(kind, folder, **preprocessor):
        torch.manual_seed(sum(map(ord, kind)))
        config, network_class, processor_class, values = KINDS[kind](transformers)
        network = network_class(config).eval()
        # Random weights say next to nothing: each pixel should have a clear favourite.
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if "queries" in name:  # else all of them say the same
                    parameter.mul_(30.0)
                elif parameter.ndim > 1:
                    parameter.mul_(40.0 if "class_predictor" in name else 3.0)
        network.save_pretrained(folder)
        processor = processor_class(**(values | preprocessor))
        processor.save_pretrained(folder)
        return processor, network

    return make


def names(labels=LABELS):
    """id2label and label2id of a tiny checkpoint."""
    return {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }


def processor_class(transformers, name):
    """transformers' own image processor, of those that do without torchvision."""
    return getattr(transformers, f"{name}ImageProcessorPil", None) or getattr(
        transformers, f"{name}ImageProcessor"
    )


def _segformer(transformers):
    config = transformers.SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 16, 16, 24],
        num_attention_heads=[1, 2, 2, 4],
        decoder_hidden_size=16,
        **names(),
    )
    return (
        config,
        transformers.SegformerForSemanticSegmentation,
        processor_class(transformers, "Segformer"),
        {"size": {"height": 64, "width": 96}},
    )


def _mobilenet(transformers):
    config = transformers.MobileNetV2Config(depth_multiplier=0.25, output_stride=8, **names())
    return (
        config,
        transformers.MobileNetV2ForSemanticSegmentation,
        processor_class(transformers, "MobileNetV2"),
        {"size": {"shortest_edge": 80}, "crop_size": {"height": 72, "width": 72}},
    )


def _mobilevit(transformers):
    config = transformers.MobileViTConfig(
        hidden_sizes=[16, 24, 32],
        neck_hidden_sizes=[8, 12, 16, 16, 16, 24, 32],
        num_attention_heads=2,
        aspp_out_channels=16,
        output_stride=8,
        **names(),
    )
    return (
        config,
        transformers.MobileViTForSemanticSegmentation,
        processor_class(transformers, "MobileViT"),
        {"size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64}},
    )


def _upernet(transformers):
    backbone = transformers.ConvNextConfig(
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = transformers.UperNetConfig(
        backbone_config=backbone,
        hidden_size=16,
        pool_scales=[1, 2],
        use_auxiliary_head=False,
        **names(),
    )
    return (
        config,
        transformers.UperNetForSemanticSegmentation,
        processor_class(transformers, "Segformer"),
        {"size": {"height": 64, "width": 64}},
    )


def _mask2former(transformers):
    backbone = transformers.SwinConfig(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 2, 2, 2],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = transformers.Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        dim_feedforward=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=8,
        **names(),
    )
    return (
        config,
        transformers.Mask2FormerForUniversalSegmentation,
        processor_class(transformers, "Mask2Former"),
        {"size": {"shortest_edge": 70, "longest_edge": 110}},
    )


KINDS = {
    "segformer": _segformer,
    "mobilenet_v2": _mobilenet,
    "mobilevit": _mobilevit,
    "upernet": _upernet,
    "mask2former": _mask2former,
}


@pytest.fixture(scope="session")
def make_compact():
    """Write a tiny random checkpoint of our own network into a folder; gives the network."""
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    from embodied_perception.segmentation.compact_unet import CompactUNet

    def make(folder, labels=LABELS, size=None):
        torch.manual_seed(5)
        folder.mkdir(parents=True, exist_ok=True)
        network = CompactUNet(len(labels)).eval()
        safetensors.save_file(network.state_dict(), folder / "model.safetensors")
        config = {"model_type": "compact_unet", "id2label": dict(enumerate(labels))}
        (folder / "config.json").write_text(json.dumps(config))
        preprocessor = {"do_resize": size is not None, "do_normalize": False}
        if size is not None:
            preprocessor["size"] = {"height": size[0], "width": size[1]}
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
        return network

    return make


@pytest.fixture(scope="session")
def scene():
    """Smooth colours (H, W, 3) uint8 of any size."""
    cv2 = pytest.importorskip("cv2")

    def make(height, width, seed=0):
        random = np.random.default_rng(seed)
        coarse = random.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), np.uint8)
        return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)

    return make


@pytest.fixture(scope="session")
def make_classification():
    """Write a tiny ResNet or ViT into a folder; gives transformers' processor and model."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")

    def make(kind, folder, labels=LABELS, **preprocessor):
        torch.manual_seed(3)
        if kind == "resnet":
            config = transformers.ResNetConfig(
                embedding_size=8,
                hidden_sizes=[8, 16],
                depths=[1, 2],
                layer_type="basic",
                **names(labels),
            )
            network = transformers.ResNetForImageClassification(config)
            processor = processor_class(transformers, "ConvNext")(
                **({"size": {"shortest_edge": 56}} | preprocessor)
            )
        else:
            config = transformers.ViTConfig(
                hidden_size=24,
                num_hidden_layers=2,
                num_attention_heads=3,
                intermediate_size=32,
                image_size=48,
                patch_size=8,
                **names(labels),
            )
            network = transformers.ViTForImageClassification(config)
            size = {"size": {"height": 48, "width": 48}}
            processor = processor_class(transformers, "ViT")(**(size | preprocessor))
        # Random weights say next to nothing: an image should have a clear favourite.
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(2.0 if kind == "resnet" else 8.0)
        network.eval().save_pretrained(folder)
        processor.save_pretrained(folder)
        return processor, network

    return make


@pytest.fixture(scope="session")
def make_words():
    """Write a random classifier by visual words into a folder: left or right."""
    from embodied_perception.classification.word_pyramid import CELLS
    from embodied_perception.classification.words import WordsClassifier

    def make(folder, words=6):
        random = np.random.default_rng(4)
        centres = random.random((words, 128), np.float32)
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        coefficients = random.normal(size=(1, CELLS * words)).astype(np.float32)
        WordsClassifier(
            ("left", "right"),
            centres,
            np.concatenate([coefficients, -coefficients]),
            np.zeros(2, np.float32),
            np.ones(1, np.float32),
        ).save(folder)

    return make
