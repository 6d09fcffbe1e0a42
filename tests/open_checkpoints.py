"""Tiny checkpoints of models that take words, with random weights."""

import re
from functools import partial

import pytest
from checkpoints import processor_class

_CONTEXT = 64
_SIZES = (("layers", 2), ("ffn_dim", 32), ("attention_heads", 4))
_IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
#: Whose images another kind's processor makes: SAM 2's own needs torchvision.
_IMAGES_LIKE = {"CLIPSeg": "ViT", "Sam2": "ViT", "Sam2Video": "ViT"}
#: Of the vocabulary of BERT that Grounding DINO knows.
_SPECIAL = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 1012: ".", 1029: "?"}


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


def _bert_tokenizer(transformers):
    """BERT's tokenizer with letters alone; what ends a phrase has the numbers it has there."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [f"[unused{number}]" for number in range(1030)]
    words[200:252] = [*letters, *("##" + letter for letter in letters)]
    for number, word in _SPECIAL.items():
        words[number] = word
    return transformers.BertTokenizer(vocab={word: number for number, word in enumerate(words)})


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


def _grounding_dino(transformers, tokenizer):
    sizes = {f"{half}_{name}": size for half in ("encoder", "decoder") for name, size in _SIZES}
    config = transformers.GroundingDinoConfig(
        backbone_config=transformers.SwinConfig(
            image_size=32, embed_dim=8, depths=[1] * 4, num_heads=[1, 1, 2, 2], window_size=2,
            out_indices=[2, 3, 4],
        ),
        text_config=transformers.BertConfig(
            vocab_size=len(tokenizer), hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
            intermediate_size=32,
        ),
        d_model=32, num_queries=30, max_text_len=256, **sizes,
    )  # fmt: skip
    network = transformers.GroundingDinoForObjectDetection(config)
    # New networks keep words and image apart, propose the same boxes, and are all too sure.
    for name, parameter in network.named_parameters():
        if name.endswith((".vision_param", ".text_param")):
            parameter.data.fill_(0.5)
        elif "bbox_embed" in name and name.endswith("layers.2.weight"):
            parameter.data.normal_(std=0.05)
        elif name == "model.decoder.layer_norm.weight":
            parameter.data.fill_(0.1)
    return network, "GroundingDino", {"size": {"shortest_edge": 72, "longest_edge": 120}}


def _clipseg(transformers, tokenizer):
    config = transformers.CLIPSegConfig(
        text_config=_text(tokenizer), vision_config=_vision(num_hidden_layers=3),
        projection_dim=24, extract_layers=[0, 1], reduce_dim=16, decoder_num_attention_heads=2,
        decoder_intermediate_size=16, use_complex_transposed_convolution=True,
    )  # fmt: skip
    values = _IMAGENET | {"size": {"height": 48, "width": 48}}
    network = transformers.CLIPSegForImageSegmentation(config)
    # New networks are all too sure, whatever the text says.
    for name, parameter in network.decoder.named_parameters():
        parameter.data.mul_(5.0 if name.startswith("film") else 0.2)
    return network, "CLIPSeg", values


def _sam2(transformers, _tokenizer, video):
    vision = transformers.Sam2VisionConfig(
        backbone_config=transformers.Sam2HieraDetConfig(
            hidden_size=8, image_size=[64, 64], embed_dim_per_stage=[8, 16, 32, 64],
            num_attention_heads_per_stage=[1, 2, 2, 2], blocks_per_stage=[1, 2, 2, 1],
            window_size_per_stage=[4, 2, 2, 2], global_attention_blocks=[4],
            window_positional_embedding_background_size=[4, 4],
        ),
        backbone_channel_list=[64, 32, 16, 8], backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
        fpn_hidden_size=32,
    )  # fmt: skip
    name = "Sam2Video" if video else "Sam2"
    prompts = getattr(transformers, f"{name}PromptEncoderConfig")(hidden_size=32, image_size=64)
    decoder = getattr(transformers, f"{name}MaskDecoderConfig")(
        hidden_size=32, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=16
    )
    halves = {
        "vision_config": vision, "prompt_encoder_config": prompts, "mask_decoder_config": decoder,
    }  # fmt: skip
    if video:
        halves |= {
            "image_size": 64, "memory_attention_hidden_size": 32, "memory_encoder_hidden_size": 32,
            "memory_attention_feed_forward_hidden_size": 32, "memory_encoder_output_channels": 16,
            "memory_attention_rope_feat_sizes": [4, 4], "mask_downsampler_embed_dim": 32,
            "memory_fuser_embed_dim": 32, "memory_fuser_intermediate_dim": 16,
        }  # fmt: skip
    network = getattr(transformers, f"{name}Model")(
        getattr(transformers, f"{name}Config")(**halves)
    )
    # New networks are in doubt of each pixel.
    for part, parameter in network.mask_decoder.named_parameters():
        if part.startswith("output_hypernetworks_mlps"):
            parameter.data.mul_(8.0)
    return network, name, _IMAGENET | {"size": {"height": 64, "width": 64}}


KINDS = {
    "clip": _clip,
    "siglip": _siglip,
    "owlvit": partial(_owl, name="OwlViT"),
    "owlv2": partial(_owl, name="Owlv2"),
    "grounding-dino": _grounding_dino,
    "clipseg": _clipseg,
    "sam2": partial(_sam2, video=False),
    "sam2_video": partial(_sam2, video=True),
}


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    """Texts are kept in a folder of the test's own, and not in the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


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
            make_tokenizer = {"grounding-dino": _bert_tokenizer}.get(kind, _tokenizer)
            tokenizer = make_tokenizer(transformers)
            network, name, size = KINDS[kind](transformers, tokenizer)
            # Random weights say next to nothing: images and texts should differ.
            with torch.no_grad():
                for name_of, parameter in network.named_parameters():
                    if name_of == "class_head.logit_scale.bias":
                        parameter.fill_(4.0)
                    elif parameter.ndim > 1:
                        calm = name_of.startswith(("box_", "class_head.logit"))
                        parameter.mul_(0.2 if calm else 4.0)
            image_processor = processor_class(transformers, _IMAGES_LIKE.get(name, name))(**size)
            folder = tmp_path_factory.mktemp(kind)
            network.eval().save_pretrained(folder)
            image_processor.save_pretrained(folder)
            if name.startswith("Sam2"):
                processor, path = image_processor, folder / "preprocessor_config.json"
                path.write_text(
                    re.sub('"ViTImage\\w+"', '"Sam2ImageProcessorFast"', path.read_text())
                )
            else:
                processor = getattr(transformers, f"{name}Processor")(image_processor, tokenizer)
                tokenizer.save_pretrained(folder)
            made[kind] = folder, processor, network
        return made[kind]

    return make
