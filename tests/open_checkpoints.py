"""Tiny checkpoints of models that take words, with random weights."""

from functools import partial

import pytest
from checkpoints import processor_class

_CONTEXT = 64


def _tokenizer(transformers):
    """CLIP's tokenizer with letters alone: what is not joined by merges."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return transformers.CLIPTokenizer(
        vocab={word: number for number, word in enumerate(words)},
        merges=[],
        model_max_length=_CONTEXT,
    )


def _text(tokenizer, **values):
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 24,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "max_position_embeddings": _CONTEXT,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "projection_dim": 24,
    } | values


def _vision(**values):
    return {
        "hidden_size": 24,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "image_size": 48,
        "patch_size": 8,
        "projection_dim": 24,
    } | values


def _clip(transformers, tokenizer):
    config = transformers.CLIPConfig(
        text_config=_text(tokenizer), vision_config=_vision(), projection_dim=24
    )
    size = {"size": {"shortest_edge": 48}, "crop_size": {"height": 48, "width": 48}}
    return transformers.CLIPModel(config), "CLIP", size


def _siglip(transformers, tokenizer):
    config = transformers.SiglipConfig(
        text_config=_text(tokenizer, projection_size=24), vision_config=_vision()
    )
    return transformers.SiglipModel(config), "Siglip", {"size": {"height": 48, "width": 48}}


def _owl(transformers, tokenizer, name):
    config = getattr(transformers, f"{name}Config")(
        text_config=_text(tokenizer), vision_config=_vision(), projection_dim=24
    )
    network = getattr(transformers, f"{name}ForObjectDetection")(config)
    return network, name, {"size": {"height": 48, "width": 48}}


KINDS = {
    "clip": _clip,
    "siglip": _siglip,
    "owlvit": partial(_owl, name="OwlViT"),
    "owlv2": partial(_owl, name="Owlv2"),
}


@pytest.fixture(scope="session")
def make_open(tmp_path_factory):
    """Write a tiny checkpoint of a kind; gives its folder, and transformers' processor and model.

    The same folder for the same kind.
    """
    torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")
    transformers = pytest.importorskip("transformers")
    made = {}

    def make(kind):
        if kind not in made:
            torch.manual_seed(sum(map(ord, kind)))
            tokenizer = _tokenizer(transformers)
            network, name, size = KINDS[kind](transformers, tokenizer)
            # Random weights say next to nothing: images and texts should differ.
            with torch.no_grad():
                for name_of, parameter in network.named_parameters():
                    if name_of == "class_head.logit_scale.bias":
                        parameter.fill_(4.0)
                    elif parameter.ndim > 1:
                        calm = name_of.startswith(("box_", "class_head.logit"))
                        parameter.mul_(0.2 if calm else 4.0)
            image_processor = processor_class(transformers, name)(**size)
            processor_name = {"Siglip": "SiglipProcessor"}.get(name, f"{name}Processor")
            processor = getattr(transformers, processor_name)(image_processor, tokenizer)
            folder = tmp_path_factory.mktemp(kind)
            network.eval().save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            image_processor.save_pretrained(folder)
            made[kind] = folder, processor, network
        return made[kind]

    return make
