"""What texts say of things: sentences to learn from, and of which things they are true."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np
from captioned_pictures import Thing

from demo_room.palette import HELD_OUT_PAIRS
from embodied_perception.open_vocabulary.templates import SLOT, TEMPLATES, expand
from embodied_perception.open_vocabulary.vocabulary import BACKGROUND

#: What a pixel shows that shows no thing: floor, wall, ceiling and what is on them.
NOTHING = Thing("nothing")
TRUE, FALSE, UNKNOWN = 1, 0, -1

_SYNONYMS = {
    "can": ("tin",),
    "cupboard": ("cabinet", "sideboard"),
    "cushion": ("pillow",),
    "gray": ("grey",),
    "laptop": ("computer",),
    "rug": ("carpet",),
    "shelf": ("bookcase", "bookshelf"),
    "sofa": ("couch",),
    "table": ("desk",),
}
_EVERY_TEMPLATE = expand(tuple(TEMPLATES))
_PLAIN_TEMPLATES = expand(("name", "photo"))
_PLAIN = 0.5  # share of sentences that are
_ANY_THING = ("something {}", "{} thing")


@dataclass(frozen=True)
class Claim:
    """There is something of a kind, of a colour, or of both."""

    kind: str | None
    color: str | None = None

    def of(self, thing: Thing) -> int:
        """Whether it is TRUE of a thing; UNKNOWN where the colour is all that is in doubt."""
        if self.kind is None and thing == NOTHING:
            return FALSE
        if self.kind not in (None, thing.kind):
            return FALSE
        if self.color in (None, thing.color):
            return TRUE
        return UNKNOWN if thing.color is None else FALSE


@dataclass(frozen=True)
class Language:
    """What can be said about the things of a training.

    Attributes:
        kinds: all that there are.
        colors: the same.

    """

    kinds: tuple[str, ...]
    colors: tuple[str, ...]

    @classmethod
    def about(cls, things: Sequence[Thing]) -> Language:
        """All kinds and colours of things, but no pair that is held out.

        Raises:
            SystemExit: one of the things is such a pair.

        """
        for thing in things:
            if (thing.color, thing.kind) in HELD_OUT_PAIRS:
                raise SystemExit(
                    f"there is a {thing.name} in the training data, which is to be held out; write "
                    "the data again with tools/demo_room --captions"
                )
        kinds = {thing.kind for thing in things}
        colors = {thing.color for thing in things if thing.color}
        return cls(tuple(sorted(kinds)), tuple(sorted(colors)))

    def words(self) -> Iterator[str]:
        """Texts with all words that are ever said, but those that mean nothing."""
        yield from _EVERY_TEMPLATE
        yield from _ANY_THING
        yield from BACKGROUND
        for word in (*self.kinds, *self.colors):
            yield from _ways_to_say(word)

    def claims(self, things: Collection[Thing], chance: random.Random) -> list[Claim]:
        """Claims to tell apart where there are these things: each of them, and about as many more.

        Of those that are not about these things, some are about what nobody knows.
        """
        true = dict.fromkeys(
            claim
            for thing in things
            for claim in (
                Claim(thing.kind, thing.color),
                Claim(thing.kind),
                *([Claim(None, thing.color)] if thing.color else []),
            )
        )
        others = dict.fromkeys(self._any(chance) for _ in true)
        return [
            *true,
            *(each for each in others if each not in true and _pair(each) not in HELD_OUT_PAIRS),
        ]

    def _any(self, chance: random.Random) -> Claim:
        kind, color = chance.choice(self.kinds), chance.choice(self.colors)
        draw = chance.random()
        if draw < 0.6:
            return Claim(kind, color)
        if draw < 0.7:
            return Claim(kind)
        if draw < 0.75:
            return Claim(None, color)
        nonsense = "".join(chance.choices(ascii_lowercase, k=chance.randint(4, 9)))
        return Claim(nonsense, color if draw < 0.9 else None)


def say(claim: Claim, chance: random.Random) -> str:
    """Put a claim into words, one way of many."""
    color = chance.choice(_ways_to_say(claim.color)) if claim.color else ""
    if claim.kind is None:
        name = chance.choice(_ANY_THING).format(color)
    else:
        name = f"{color} {chance.choice(_ways_to_say(claim.kind))}".strip()
    plain = chance.random() < _PLAIN
    return chance.choice(_PLAIN_TEMPLATES if plain else _EVERY_TEMPLATE).replace(SLOT, name)


def texts_and_truth(
    things: Sequence[Thing], language: Language, chance: random.Random
) -> tuple[list[str], np.ndarray]:
    """Texts to tell apart where there are these things, and whether each is true of each thing.

    Args:
        things: in a batch; NOTHING may be among them.
        language: to say it in.
        chance: decides on words.

    Returns:
        Texts, and (S, T) int8 of things and texts: TRUE, FALSE or UNKNOWN.

    """
    claims = language.claims([thing for thing in things if thing != NOTHING], chance)
    texts = [*(say(claim, chance) for claim in claims), *BACKGROUND]
    claims += [Claim(NOTHING.kind)] * len(BACKGROUND)
    return texts, np.array([[claim.of(thing) for claim in claims] for thing in things], np.int8)


def _pair(claim: Claim) -> tuple[str | None, str | None]:
    return claim.color, claim.kind


def _ways_to_say(word: str) -> tuple[str, ...]:
    return (word, *_SYNONYMS.get(word, ()))
