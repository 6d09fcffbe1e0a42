"""Devices and precisions that are asked for, and those that there are."""

import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")

from embodied_perception.errors import InferenceError  # noqa: E402
from embodied_perception.inference.runtime import Runtime  # noqa: E402

HAS_GPU = torch.cuda.is_available()


def test_the_best_is_taken():
    place = Runtime().place()
    assert place.device.type == ("cuda" if HAS_GPU else "cpu")
    assert place.dtype == (torch.float16 if HAS_GPU else torch.float32)
    assert place.note == ""


@pytest.mark.parametrize(
    ("precision", "dtype", "note"),
    [
        ("auto", torch.float32, ""),
        ("fp32", torch.float32, ""),
        ("bf16", torch.bfloat16, ""),
        ("fp16", torch.float32, "fp16 is for GPUs: the CPU runs in fp32"),
    ],
)
def test_precisions_of_the_cpu(precision, dtype, note):
    place = Runtime("cpu", precision).place()
    assert (place.device.type, place.dtype, place.note) == ("cpu", dtype, note)


@pytest.mark.parametrize("device", ["cuda:99", "xpu", "mps:3"])
def test_a_device_that_is_not_there_is_said(device):
    place = Runtime(device).place()
    assert place.device.type == "cpu"
    assert place.note == f"PyTorch finds no {device} here: runs on the CPU"


@pytest.mark.skipif(HAS_GPU, reason="there is a GPU")
def test_two_notes_are_one_line():
    place = Runtime("cuda", "fp16").place()
    assert place.note == (
        "PyTorch finds no cuda here: runs on the CPU; fp16 is for GPUs: the CPU runs in fp32"
    )


@pytest.mark.parametrize("device", ["gpu", "", "cuda:x", "cpu:-3"])
def test_a_device_that_nobody_knows(device):
    with pytest.raises(InferenceError, match=r"device: got .*expected auto, cpu, cuda"):
        Runtime(device).place()


@pytest.mark.parametrize("precision", ["int8", "", "FP16", "float16"])
def test_a_precision_that_nobody_knows(precision):
    with pytest.raises(InferenceError, match=r"precision: got .*expected auto, fp32, fp16, bf16"):
        Runtime("cpu", precision).place()
