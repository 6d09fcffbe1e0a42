"""Sentences that a name is put into before it is encoded: text encoders learnt from captions.

One name in several sentences is encoded several times, and the mean is taken (A. Radford et al.,
CLIP, 2021, section 3.1.4).
"""

from __future__ import annotations

from collections.abc import Sequence

from embodied_perception.errors import OpenVocabularyError

SLOT = "{}"
_LONGEST = 200

#: Sets of templates by their names. ``clip7`` are the seven of CLIP's eighty that a search over
#: ImageNet kept; the published figures of OWL-ViT take them too.
TEMPLATES: dict[str, tuple[str, ...]] = {
    "name": ("{}",),
    "photo": ("a photo of a {}.",),
    "clip7": (
        "itap of a {}.",
        "a bad photo of the {}.",
        "a origami {}.",
        "a photo of the large {}.",
        "a {} in a video game.",
        "art of the {}.",
        "a photo of the small {}.",
    ),
    "robot": (
        "a photo of a {}.",
        "a photo of the {}.",
        "a close-up photo of a {}.",
        "a {} in a room.",
        "a {} on a table.",
        "a small {} seen from afar.",
        "a blurry photo of a {}.",
        "a dark photo of a {}.",
        "a partly hidden {}.",
    ),
}


def expand(given: Sequence[str]) -> tuple[str, ...]:
    """Templates, where names of sets among them stand for what is in the set; each once.

    Raises:
        OpenVocabularyError: one has no slot, or several, or is too long.

    """
    found: dict[str, None] = {}
    for text in given:
        for template in TEMPLATES.get(text, (text,)):
            found[_checked(template)] = None
    return tuple(found)


def _checked(template: str) -> str:
    if template.count(SLOT) != 1:
        raise OpenVocabularyError(
            f"template {template!r} has {template.count(SLOT) or 'no'} slots, expected one "
            f"{SLOT} where the name goes, such as 'a photo of a {SLOT}.', or one of the sets "
            f"{', '.join(TEMPLATES)}"
        )
    if len(template) > _LONGEST:
        raise OpenVocabularyError(
            f"a template has {len(template)} characters, expected at most {_LONGEST}: "
            f"{template[:40]!r}..."
        )
    return template
