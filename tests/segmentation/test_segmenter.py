"""From an image to a mask, as transformers' own processors and networks do it."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from embodied_perception.segmentation.segmenter import UNLABELLED, Segmenter  # noqa: E402

KINDS = ("segformer", "upernet", "mask2former", "mobilenet_v2", "mobilevit")


def reference(processor, network, image):
    """Mask (H, W) and shares (C, H, W) of transformers' own way."""
    with torch.inference_mode():
        given = processor(image, return_tensors="pt", input_data_format="channels_last")
        output = network(given["pixel_values"])
    (result,) = processor.post_process_semantic_segmentation(
        output, target_sizes=[image.shape[:2]], return_segmentation_scores=True
    )
    return result.segmentation.numpy(), result.segmentation_scores


@pytest.mark.parametrize("kind", KINDS)
def test_square_images_give_the_mask_of_transformers(kind, tmp_path, make_segmentation, scene):
    crops = {"mobilenet_v2": 80, "mobilevit": 72}
    values = {}
    if kind in crops:  # the whole of the image, which is what transformers takes a mask to be of
        values = {"crop_size": {"height": crops[kind], "width": crops[kind]}}
    processor, network = make_segmentation(kind, tmp_path, **values)
    segmenter = Segmenter.load(str(tmp_path))
    image = scene(100, 100)
    (found,) = segmenter.segment([image])
    mask, _ = reference(processor, network, image)
    assert len(np.unique(mask)) > 1
    assert found.mask.dtype == np.uint8
    assert (found.mask != mask).mean() < 1e-3  # but for pixels where two classes are even


@pytest.mark.parametrize("kind", ["segformer", "upernet", "mask2former"])
@pytest.mark.parametrize("size", [(48, 130), (131, 67), (1, 5)])
def test_images_of_any_shape_give_the_mask_of_transformers(
    kind, size, tmp_path, make_segmentation, scene
):
    if kind == "mask2former" and min(size) == 1:
        pytest.skip("transformers' own processor makes no image of 1 pixel of it")
    processor, network = make_segmentation(kind, tmp_path)
    image = scene(*size)
    (found,) = Segmenter.load(str(tmp_path)).segment([image])
    mask, _ = reference(processor, network, image)
    assert found.mask.shape == size
    assert (found.mask != mask).mean() < 2e-3


def test_confidence_is_the_probability_of_the_class(tmp_path, make_segmentation, scene):
    processor, network = make_segmentation("segformer", tmp_path)
    image = scene(64, 96)
    (found,) = Segmenter.load(str(tmp_path)).segment([image])
    _, scores = reference(processor, network, image)
    expected = scores.softmax(0).amax(0)
    np.testing.assert_allclose(found.confidence, expected, atol=1e-4)


def test_what_a_crop_leaves_out_is_unlabelled(tmp_path, make_segmentation, scene):
    """80 pixels of the shorter side, 72 of them seen: a tenth is not."""
    make_segmentation("mobilenet_v2", tmp_path)
    (found,) = Segmenter.load(str(tmp_path)).segment([scene(160, 320)])
    seen = found.mask != UNLABELLED
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (8, 151, 88, 231)
    assert seen[8:152, 88:232].all()
    assert (found.confidence[~seen] == 0).all()
    assert (found.confidence[seen] >= 0.2).all()


def test_a_crop_is_put_where_it_came_from(tmp_path, make_segmentation, scene):
    processor, network = make_segmentation("mobilenet_v2", tmp_path)
    image = scene(80, 80, seed=3)  # not resized: only cut
    (found,) = Segmenter.load(str(tmp_path)).segment([image])
    with torch.inference_mode():
        output = network(processor(image, return_tensors="pt")["pixel_values"])
    (mask,) = processor.post_process_semantic_segmentation(output, target_sizes=[(72, 72)])
    assert (found.mask[4:76, 4:76] != mask.numpy()).mean() < 1e-3


def test_images_of_several_sizes_come_back_in_their_order(tmp_path, make_compact, scene):
    make_compact(tmp_path)
    segmenter = Segmenter.load(str(tmp_path))
    images = [scene(40, 64, 1), scene(56, 48, 2), scene(40, 64, 3)]
    together = segmenter.segment(images)
    for image, found in zip(images, together, strict=True):
        (alone,) = segmenter.segment([image])
        assert found.mask.shape == image.shape[:2]
        np.testing.assert_allclose(found.confidence, alone.confidence, atol=1e-5)
    assert segmenter.segment([]) == []


def test_our_network_is_run_as_it_is(tmp_path, make_compact, scene):
    network = make_compact(tmp_path)
    image = scene(45, 67)
    (found,) = Segmenter.load(str(tmp_path)).segment([image])
    with torch.inference_mode():
        batch = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
        expected = network(batch)[0].softmax(0)
    confidence, mask = expected.max(0)
    np.testing.assert_allclose(found.confidence, confidence, atol=1e-5)
    assert (found.mask == mask.numpy()).mean() > 0.999


def test_more_classes_than_a_byte_holds(tmp_path, make_compact, scene):
    make_compact(tmp_path, labels=[f"kind {index}" for index in range(300)])
    (found,) = Segmenter.load(str(tmp_path)).segment([scene(24, 24)])
    assert found.mask.dtype == np.uint16
    assert found.mask.max() < 300
