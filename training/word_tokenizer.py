"""A tokenizer of whole words, as transformers loads it from a folder."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import NFC, Lowercase, Replace, Sequence
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

#: What every text begins with, so that none is empty.
_START = "<start>"
_PADDING, _UNKNOWN = "<padding>", "<unknown>"


def make_tokenizer(texts: Iterable[str], context: int) -> PreTrainedTokenizerFast:
    """A tokenizer that knows the words of texts: lower case, no punctuation, no articles.

    Args:
        texts: with all words that it shall know.
        context: how many tokens the model takes.

    """
    normalizer = Sequence(
        [
            NFC(),
            Lowercase(),
            Replace(Regex(r"[^\w\s]"), " "),
            Replace(Regex(r"\b(a|an|the)\b"), " "),
        ]
    )
    words = sorted({word for text in texts for word in normalizer.normalize_str(text).split()})
    numbers = {word: number for number, word in enumerate((_PADDING, _UNKNOWN, _START, *words))}
    tokenizer = Tokenizer(WordLevel(numbers, _UNKNOWN))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(
        single=f"{_START} $A", special_tokens=[(_START, numbers[_START])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=_UNKNOWN,
        pad_token=_PADDING,
        bos_token=_START,
        model_max_length=context,
        model_input_names=["input_ids", "attention_mask"],
    )
