"""CameraInfo fields to cameras and back, with what drivers leave at zero."""

from types import SimpleNamespace

import numpy as np
import pytest

from embodied_perception.camera import Camera, camera_from_info, info_fields
from embodied_perception.errors import CameraError


def info(**changes):
    roi = {"x_offset": 0, "y_offset": 0, "width": 0, "height": 0, "do_rectify": False}
    fields = {
        "header": SimpleNamespace(frame_id="camera_color_optical_frame"),
        "width": 640,
        "height": 480,
        "distortion_model": "plumb_bob",
        "d": [0.1, -0.2, 0.001, 0.002, 0.05],
        "k": [500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0],
        "r": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        "p": [480.0, 0.0, 319.0, -24.0, 0.0, 480.0, 241.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "binning_x": 0,
        "binning_y": 0,
    }
    roi |= changes.pop("roi", {})
    return SimpleNamespace(**(fields | changes), roi=SimpleNamespace(**roi))


def test_all_fields_arrive():
    camera = camera_from_info(info(binning_x=2, roi={"x_offset": 8, "width": 320, "height": 200}))
    assert camera.resolution_wh == (640, 480)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (500, 510, 320, 240)
    np.testing.assert_array_equal(camera.D, [0.1, -0.2, 0.001, 0.002, 0.05])
    assert camera.P[0, 3] == -24
    assert (camera.binning_x, camera.binning_y, camera.roi) == (2, 1, (8, 0, 320, 200))
    assert camera.delivered().resolution_wh == (160, 200)


def test_zeros_have_their_meaning():
    camera = camera_from_info(info(r=np.zeros(9), p=np.zeros(12)))
    assert (camera.binning_x, camera.binning_y, camera.roi) == (1, 1, None)
    np.testing.assert_array_equal(camera.R, np.eye(3))
    np.testing.assert_array_equal(camera.P[:, :3], camera.K)


def test_a_region_of_the_whole_image_is_none():
    assert camera_from_info(info(roi={"width": 640, "height": 480})).roi is None


@pytest.mark.parametrize("d", [[], [0.0] * 5])
def test_no_model_and_no_coefficients_is_no_distortion(d):
    camera = camera_from_info(info(distortion_model="", d=d))
    np.testing.assert_array_equal(camera.unproject([820, 750])[:2], [1, 1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": [0.0] * 9}, "'camera_color_optical_frame'.*uncalibrated.*camera_info_url"),
        ({"k": []}, "uncalibrated"),
        ({"distortion_model": ""}, "distortion_model: got ''"),
        ({"distortion_model": "ftheta"}, "'ftheta', expected one of"),
        ({"d": [0.1, 0.2]}, "0 or 4 or 5"),
        ({"width": 0}, "0 x 480"),
        ({"roi": {"x_offset": 600, "width": 100, "height": 10}}, "roi"),
    ],
)
def test_messages_that_calibrate_nothing_are_refused(changes, message):
    with pytest.raises(CameraError, match=message):
        camera_from_info(info(**changes))


def test_fields_of_the_wrong_length_are_refused():
    with pytest.raises(CameraError, match=r"r: got 8 values, expected 9"):
        camera_from_info(info(r=[1.0] * 8))


def test_fields_make_the_same_camera_again():
    camera = camera_from_info(
        info(binning_x=2, binning_y=2, roi={"x_offset": 8, "width": 320, "height": 200})
    )
    fields = info_fields(camera)
    assert fields["roi"]["do_rectify"]
    assert all(type(value) is float for key in "dkrp" for value in fields[key])
    assert [len(fields[key]) for key in "krp"] == [9, 9, 12]
    again = camera_from_info(
        SimpleNamespace(**(fields | {"roi": SimpleNamespace(**fields["roi"]), "header": None}))
    )
    for name in ("K", "D", "R", "P"):
        np.testing.assert_array_equal(getattr(again, name), getattr(camera, name))
    assert again.roi == camera.roi
    assert again.resolution_wh == camera.resolution_wh


def test_a_whole_image_has_an_empty_region():
    fields = info_fields(Camera.pinhole(640, 480, 500, 500, 320, 240))
    assert fields["roi"] == {
        "x_offset": 0,
        "y_offset": 0,
        "width": 0,
        "height": 0,
        "do_rectify": False,
    }
    assert fields["d"] == []
