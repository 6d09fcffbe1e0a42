"""Texts as points: those of transformers, and each computed once."""

import sqlite3

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")

from embodied_perception.errors import InferenceError, OpenVocabularyError  # noqa: E402
from embodied_perception.open_vocabulary.encoder import Encoder  # noqa: E402
from embodied_perception.open_vocabulary.text_cache import TextCache, usual_path  # noqa: E402
from embodied_perception.open_vocabulary.vocabulary import Label, Vocabulary  # noqa: E402

TEXTS = ["a red mug", "消火器", "x", "a photo of a fire extinguisher."]


def features(processor, network, texts, **padding):
    tokens = processor.tokenizer(texts, return_tensors="pt", **padding)
    with torch.inference_mode():
        points = network.get_text_features(**tokens).pooler_output
    return torch.nn.functional.normalize(points, dim=-1).numpy()


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_points_are_those_of_transformers(make_open, kind):
    folder, processor, network = make_open(kind)
    # SigLIP looks at the last token, which is why its texts are all filled up.
    padding = {"padding": "max_length"} if kind == "siglip" else {"padding": True}
    expected = features(processor, network, TEXTS, **padding)
    encoder = Encoder.load(str(folder))
    np.testing.assert_allclose(encoder.texts.encode(TEXTS), expected, atol=1e-5)
    # What else is encoded beside a text does not matter.
    alone = np.concatenate([encoder.texts.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(alone, expected, atol=1e-5)
    assert np.abs(expected[0] - expected[1]).max() > 0.05  # they do differ


def test_texts_are_encoded_once(make_open, tmp_path):
    folder, _, _ = make_open("clip")
    cache = TextCache(tmp_path / "deep" / "texts.sqlite")
    first = Encoder.load(str(folder), cache=cache)
    points = first.texts.encode([*TEXTS, *TEXTS])
    assert first.texts.encoded == len(TEXTS)
    np.testing.assert_array_equal(points[:4], points[4:])
    second = Encoder.load(str(folder), cache=cache)
    again = second.texts.encode(["new", *TEXTS])
    assert second.texts.encoded == 1
    np.testing.assert_array_equal(again[1:], points[:4])


def test_other_models_do_not_share(make_open, tmp_path):
    cache = TextCache(tmp_path / "texts.sqlite")
    points = {}
    for kind in ("clip", "siglip"):
        encoder = Encoder.load(str(make_open(kind)[0]), cache=cache)
        points[kind] = encoder.texts.encode(["red mug"])
        assert encoder.texts.encoded == 1
    assert np.abs(points["clip"] - points["siglip"]).max() > 0.05


def test_text_longer_than_the_context(make_open):
    encoder = Encoder.load(str(make_open("clip")[0]))
    with pytest.raises(OpenVocabularyError, match=r"has \d+ tokens, the model takes 64; say it"):
        encoder.texts.encode(["mug", "a mug " * 30])


def test_a_folder_without_a_tokenizer(make_open, tmp_path):
    folder, _, _ = make_open("clip")
    for name in ("config.json", "model.safetensors", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(InferenceError, match="has no tokenizer"):
        Encoder.load(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text('{"version": ')
    with pytest.raises(InferenceError, match="the tokenizer cannot be read"):
        Encoder.load(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_a_cache_that_is_broken_is_made_anew(tmp_path, content):
    path = tmp_path / "texts.sqlite"
    path.write_bytes(content)
    cache = TextCache(path)
    assert cache.read("model", ["mug"]) == {}
    cache.write("model", {"mug": np.arange(3.0)})
    cache.write("model", {"mug": np.arange(4.0)})
    np.testing.assert_array_equal(cache.read("model", ["cup", "mug"])["mug"], np.arange(4.0))


def test_a_cache_that_cannot_be_written_saves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    cache = TextCache(tmp_path / "file" / "texts.sqlite")
    cache.write("model", {"mug": np.arange(3.0)})
    assert cache.read("model", ["mug"]) == {}


def test_a_cache_that_is_locked_saves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "texts.sqlite"
    cache = TextCache(path)
    cache.write("model", {"mug": np.arange(3.0)})
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda name, **_: connect(name, timeout=0))
    with connect(path) as other:
        other.execute("BEGIN EXCLUSIVE")
        cache.write("model", {"cup": np.arange(3.0)})
        assert cache.read("model", ["mug"]) == {}
    assert list(cache.read("model", ["mug", "cup"])) == ["mug"]


def test_the_oldest_texts_go(tmp_path, monkeypatch):
    monkeypatch.setattr("embodied_perception.open_vocabulary.text_cache.MOST_TEXTS", 3)
    cache = TextCache(tmp_path / "texts.sqlite")
    for word in "abcde":
        cache.write("model", {word: np.ones(2)})
    assert list(cache.read("model", list("abcde"))) == ["c", "d", "e"]


def test_the_cache_lies_where_the_user_has_such_things(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert usual_path() == tmp_path / "embodied_perception" / "texts.sqlite"


def test_a_word_is_the_mean_of_its_templates(make_open):
    encoder = Encoder.load(str(make_open("clip")[0]))
    templates = ("a {}", "my {}")
    vocabulary = Vocabulary((Label("mug", ("cup",)), Label("door")), templates, ("a wall",))
    words = encoder.words(vocabulary)
    assert words.label_of_word.tolist() == [0, 0, 1]
    for point, word in zip(words.points, ("mug", "cup", "door"), strict=True):
        mean = encoder.texts.encode([f"a {word}", f"my {word}"]).mean(0)
        np.testing.assert_allclose(point, mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_allclose(words.background, encoder.texts.encode(["a wall"]), atol=1e-6)
    scores = np.array([[0.1, 0.4, 0.2], [0.5, 0.3, 0.9]])
    np.testing.assert_array_equal(words.best_of_label(scores), [[0.4, 0.2], [0.5, 0.9]])
