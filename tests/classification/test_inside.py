"""What is seen of a network inside, against what its parts compute by themselves."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")
pytest.importorskip("transformers")

from embodied_perception.classification.classifier import Classifier  # noqa: E402
from embodied_perception.classification.inside import (  # noqa: E402
    first_kernels,
    last_features,
    responses,
)


@pytest.fixture(scope="module", params=["resnet", "vit"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def pair(kind, tmp_path_factory, make_classification):
    folder = tmp_path_factory.mktemp(kind)
    _, network = make_classification(kind, folder)
    return Classifier.load(str(folder)), network


def test_kernels_are_the_weights_of_the_first_layer(pair, kind):
    classifier, network = pair
    first = {
        "resnet": lambda: network.resnet.embedder.embedder.convolution,
        "vit": lambda: network.vit.embeddings.patch_embeddings.projection,
    }[kind]()
    np.testing.assert_array_equal(first_kernels(classifier), first.weight.detach().numpy())


def test_the_last_layer_scores_the_features(pair, kind, scene):
    classifier, network = pair
    images = [scene(64, 90, 1), scene(50, 50, 2), scene(64, 90, 3)]
    features = last_features(classifier, images)
    last = network.classifier[1] if kind == "resnet" else network.classifier
    with torch.inference_mode():
        probabilities = last(torch.from_numpy(features)).softmax(1).numpy()
    np.testing.assert_allclose(probabilities, classifier.classify(images), atol=1e-4)


def test_responses_go_from_fine_to_coarse(tmp_path, make_classification, scene):
    _, network = make_classification("resnet", tmp_path)
    classifier, image = Classifier.load(str(tmp_path)), scene(56, 56)
    found = responses(classifier, image)
    assert [each.maps.shape for each in found] == [(8, 28, 28), (8, 14, 14), (16, 7, 7)]
    assert found[-1].layer == "resnet.encoder.stages.1"
    with torch.inference_mode():
        (batch, _) = classifier.model.prepare([image])
        states = network(batch, output_hidden_states=True).hidden_states
    for each, state in zip(found[1:], states[1:], strict=True):
        np.testing.assert_allclose(each.maps, state[0].numpy(), atol=1e-4)


def test_a_transformer_has_maps_of_its_patches_only(tmp_path, make_classification, scene):
    make_classification("vit", tmp_path)
    (found,) = responses(Classifier.load(str(tmp_path)), scene(48, 48))
    assert found.maps.shape == (24, 6, 6)


def test_no_hooks_are_left_behind(pair, scene):
    classifier, _ = pair
    responses(classifier, scene(32, 32))
    last_features(classifier, [scene(32, 32)])
    for module in classifier.network.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
