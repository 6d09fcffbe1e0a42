"""What EXIF says of a photo: up, and the lens."""

import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import IFDRational

from embodied_perception.imaging.exif import Exif

PICTURE = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
ORIENTATION, EXPOSURE = 0x0112, 0x8769
FOCAL_MM, FOCAL_35MM, RESOLUTION, UNIT, WIDTH = 0x920A, 0xA405, 0xA20E, 0xA210, 0xA002


def photo(orientation=1, **exposure):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif.get_ifd(EXPOSURE).update({globals()[name]: value for name, value in exposure.items()})
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, "png", exif=exif)
    return Image.open(file)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_as_pillow_has_it(orientation):
    found = photo(orientation)
    expected = np.array(ImageOps.exif_transpose(found))
    assert Exif(found).orientation == orientation
    np.testing.assert_array_equal(Exif(found).upright(PICTURE), expected)


@pytest.mark.parametrize("orientation", [0, 9, 700])
def test_an_orientation_that_means_nothing_is_upright(orientation):
    np.testing.assert_array_equal(Exif(photo(orientation)).upright(PICTURE), PICTURE)


def test_the_equivalent_focal_length_compares_diagonals():
    """26 mm on 3:2 film: the horizontal field of view is that of a 36 mm wide film."""
    camera = Exif(photo(FOCAL_35MM=26)).camera(3000, 2000)
    assert camera.fx == camera.fy == pytest.approx(3000 * 26 / 36)
    assert (camera.cx, camera.cy) == (1499.5, 999.5)
    assert not camera.D.any()
    # On 4:3 the diagonals are equal, not the widths.
    assert Exif(photo(FOCAL_35MM=26)).camera(4000, 3000).fx == pytest.approx(
        26 * 5000 / math.hypot(36, 24)
    )


def test_upright_and_lying_photos_have_the_same_focal_length():
    lying, upright = (Exif(photo(FOCAL_35MM=26)).camera(*size) for size in ((40, 30), (30, 40)))
    assert lying.fx == upright.fx
    assert lying.resolution_wh == upright.resolution_wh[::-1]


def test_the_focal_length_from_the_sensors_pitch():
    """4.2 mm on a sensor of 250 pixels a millimetre."""
    for unit, a_unit in ((2, 6350.0), (3, 2500.0), (4, 250.0)):
        told = {"FOCAL_MM": IFDRational(42, 10), "RESOLUTION": a_unit, "UNIT": unit, "WIDTH": 4000}
        assert Exif(photo(**told)).camera(4000, 3000).fx == pytest.approx(1050)
        # Made smaller, it kept its tags.
        assert Exif(photo(**told)).camera(1000, 750).fx == pytest.approx(262.5)


@pytest.mark.parametrize(
    "exposure",
    [
        {},
        {"FOCAL_35MM": 0},
        {"FOCAL_35MM": 65535},
        {"FOCAL_MM": IFDRational(42, 10)},
        {"FOCAL_MM": IFDRational(1, 0), "RESOLUTION": 250.0, "UNIT": 4, "WIDTH": 4000},
        {"FOCAL_MM": 4.2, "RESOLUTION": 250.0, "UNIT": 9, "WIDTH": 4000},
        {"FOCAL_MM": 4.2, "RESOLUTION": 250.0, "UNIT": 4, "WIDTH": 0},
    ],
)
def test_without_a_lens_there_is_no_guess(exposure):
    assert Exif(photo(**exposure)).camera(4000, 3000) is None


@given(st.integers(8, 400), st.integers(16, 8000), st.integers(16, 8000))
def test_a_guess_sees_what_the_film_would(focal_mm, width, height):
    camera = Exif(photo(FOCAL_35MM=focal_mm)).camera(width, height)
    corner = camera.unproject([[-0.5, -0.5], [width - 0.5, height - 0.5]])
    cosine = corner[0] @ corner[1] / np.linalg.norm(corner, axis=1).prod()
    assert math.acos(cosine) == pytest.approx(2 * math.atan(math.hypot(36, 24) / 2 / focal_mm))
