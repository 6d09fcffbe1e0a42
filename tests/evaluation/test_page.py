"""Pages of reports: whole HTML, nothing from elsewhere, every word as it was given."""

from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from embodied_perception.errors import EvaluationError
from embodied_perception.evaluation.page import Illustration, write_page, write_picture

VOID = {"meta", "img", "br", "hr", "link", "input"}
NASTY = """</title><script>alert("x")</script> & 'it' "is" <b>5 < 6</b> {0} {rows} °é写"""


class Page(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.texts, self.words = [], [], [], {}
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.words.setdefault(tag, []).append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(((self.open or [""])[-1], data))

    def inside(self, tag):
        return [text for place, text in self.texts if place == tag]


@pytest.fixture
def page(tmp_path):
    def write(title="T", summary="S", figures=None, pictures=(), **more):
        path = tmp_path / "new" / "index.html"
        write_page(path, title, summary, figures or {}, pictures, **more)
        return Page(path)

    return write


def test_everything_is_where_it_belongs(page):
    made = page(
        "Calibration of left",
        "12 views.",
        {"fx": "431.7 px", "fy": "430.9 px"},
        [Illustration("a.png", "Errors."), Illustration("b.jpg", "Corners.")],
        remarks=["only half of the image was covered"],
        closing_html="<ul><li>03.png: blurred</li></ul>",
    )
    assert made.inside("title") == made.inside("h1") == ["Calibration of left"]
    assert made.inside("p") == ["12 views.", "only half of the image was covered"]
    assert made.words["p"][1] == {"class": "remark"}
    assert made.inside("td") == ["fx", "431.7 px", "fy", "430.9 px"]
    assert [(each["src"], each["alt"]) for each in made.words["img"]] == [
        ("a.png", "Errors."),
        ("b.jpg", "Corners."),
    ]
    assert made.inside("figcaption") == ["Errors.", "Corners."]
    assert made.inside("li") == ["03.png: blurred"]


def test_words_are_words_whatever_they_look_like(page):
    made = page(NASTY, NASTY, {NASTY: NASTY}, [Illustration('a&b "c".png', NASTY)], remarks=[NASTY])
    for tag in ("title", "h1", "p", "td", "figcaption"):
        assert set(made.inside(tag)) == {NASTY}, tag
    assert made.words["img"] == [{"src": 'a&b "c".png', "alt": NASTY}]
    assert "script" not in made.tags


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@settings(max_examples=30, deadline=None)
@given(title=words, figures=st.dictionaries(words, words, max_size=4), remark=words)
def test_any_words_come_back(tmp_path_factory, title, figures, remark):
    path = tmp_path_factory.mktemp("page") / "index.html"
    write_page(path, title, "S", figures, [], remarks=[remark])
    made = Page(path)
    assert "".join(made.inside("h1")) == title
    cells = [text for pair in figures.items() for text in pair if text]
    assert made.inside("td") == cells
    assert made.tags.count("td") == 2 * len(figures)
    assert "".join(made.inside("p")) == "S" + remark


def test_nothing_is_fetched_from_elsewhere(page, tmp_path):
    page(pictures=[Illustration("a.png", "A")])
    text = (tmp_path / "new" / "index.html").read_text()
    assert "//" not in text
    assert "url(" not in text
    assert "@import" not in text
    assert "<script" not in text


def test_a_page_says_its_language_and_encoding(page, tmp_path):
    made = page()
    assert (tmp_path / "new" / "index.html").read_text().startswith("<!doctype html>\n")
    assert made.words["html"] == [{"lang": "en"}]
    assert made.words["meta"] == [{"charset": "utf-8"}]


def test_a_page_with_nothing_on_it_is_whole(page):
    made = page("", "")
    assert {"img", "figure", "td"}.isdisjoint(made.tags)


def test_a_page_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "index.html", tmp_path / "folder"):
        with pytest.raises(EvaluationError, match=f"{path}: cannot write: "):
            write_page(path, "T", "S", {}, [])


@pytest.fixture
def picture():
    """Red on the left, green on the right, with a blue line."""
    rgb = np.zeros((40, 60, 3), np.uint8)
    rgb[:, :30, 0], rgb[:, 30:, 1] = 250, 200
    rgb[10:14] = (0, 0, 240)
    return rgb


def test_a_png_is_the_picture(tmp_path, picture):
    path = tmp_path / "new" / "a.png"
    write_picture(path, picture)
    np.testing.assert_array_equal(np.array(Image.open(path)), picture)


def test_a_jpeg_looks_like_the_picture(tmp_path, picture):
    smooth = cv2.GaussianBlur(picture, (0, 0), 4)
    write_picture(tmp_path / "a.jpg", smooth)
    read = np.array(Image.open(tmp_path / "a.jpg")).astype(int)
    assert read.shape == smooth.shape
    assert np.abs(read - smooth).mean() < 4


def test_a_picture_that_cannot_be_written(tmp_path, picture):
    path = tmp_path / "folder.png"
    path.mkdir()
    with pytest.raises(EvaluationError, match=f"{path}: cannot write"):
        write_picture(path, picture)


@pytest.mark.parametrize("name", ["a.xyz", "taken/a.png"])
def test_pictures_that_have_no_format_or_no_folder(tmp_path, picture, name):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(EvaluationError, match="cannot write"):
        write_picture(tmp_path / name, picture)
