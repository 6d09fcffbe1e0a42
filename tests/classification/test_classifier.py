"""From an image to classes and evidence, as transformers' own processors and networks do it."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the group: pip install --group learned")
pytest.importorskip("transformers")

from embodied_perception.classification.classifier import Classifier  # noqa: E402
from embodied_perception.classification.evidence import attention_rollout  # noqa: E402
from embodied_perception.classification.networks import network_named  # noqa: E402
from embodied_perception.errors import InferenceError  # noqa: E402

KINDS = ("resnet", "vit")


def reference(processor, network, image):
    """Probabilities (C,) of transformers' own way."""
    with torch.inference_mode():
        given = processor(image, return_tensors="pt", input_data_format="channels_last")
        return network(**given).logits[0].softmax(0).numpy()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(56, 56), (120, 160), (131, 67), (1, 1)])
def test_probabilities_are_those_of_transformers(kind, size, tmp_path, make_classification, scene):
    processor, network = make_classification(kind, tmp_path)
    image = scene(*size)
    found = Classifier.load(str(tmp_path)).classify([image])
    assert found.dtype == np.float32
    expected = reference(processor, network, image)
    assert expected.max() > 0.25  # of five classes
    np.testing.assert_allclose(found, expected[None], atol=1e-3)


def test_a_large_resnet_input_is_warped_as_transformers_does(tmp_path, make_classification, scene):
    processor, network = make_classification("resnet", tmp_path, size={"shortest_edge": 384})
    image = scene(90, 200)
    found = Classifier.load(str(tmp_path)).classify([image])
    np.testing.assert_allclose(found[0], reference(processor, network, image), atol=1e-3)


def test_images_of_several_sizes_come_back_in_their_order(tmp_path, make_classification, scene):
    processor, network = make_classification("resnet", tmp_path)
    images = [scene(64, 80, 1), scene(80, 64, 2), scene(64, 80, 3)]
    classifier = Classifier.load(str(tmp_path))
    expected = [reference(processor, network, image) for image in images]
    np.testing.assert_allclose(classifier.classify(images), expected, atol=1e-3)
    assert classifier.labels == tuple(network.config.id2label.values())
    assert classifier.classify([]).shape == (0, 5)


# AlexNet and VGG


PREPROCESSOR = {
    "size": {"height": 64, "width": 64},
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}


def write_torchvision(folder, kind, labels=3):
    """A checkpoint with torchvision's names, in fp16; gives the plain network."""
    from safetensors.torch import save_file

    torch.manual_seed(1)
    with torch.device("meta"):
        network = network_named(kind, labels)
    network = network.to_empty(device="cpu").eval()
    with torch.no_grad():
        for name, values in network.state_dict().items():
            if name.endswith("running_var"):
                values.uniform_(0.5, 2.0)
            elif values.ndim > 1:
                values.normal_(0, 1.4 / values[0].numel() ** 0.5)
            elif values.ndim == 1:
                values.uniform_(0.4, 0.6) if values.is_floating_point() else values.zero_()
            else:
                values.zero_()
    weights = {name: each.half() for name, each in network.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    network.load_state_dict({name: each.float() for name, each in weights.items()})
    names = {str(number): f"thing {number}" for number in range(labels)}
    (folder / "config.json").write_text(json.dumps({"model_type": kind, "id2label": names}))
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return network


@pytest.mark.parametrize("kind", ["alexnet", pytest.param("vgg11_bn", marks=pytest.mark.slow)])
def test_torchvisions_weights_give_what_the_plain_network_gives(kind, tmp_path, scene):
    network = write_torchvision(tmp_path, kind)
    image = scene(64, 64)
    classifier = Classifier.load(str(tmp_path))
    mean, deviation = (torch.tensor(PREPROCESSOR[key]) for key in ("image_mean", "image_std"))
    with torch.inference_mode():
        batch = ((torch.from_numpy(image) / 255 - mean) / deviation).permute(2, 0, 1)[None]
        expected = network(batch)[0].softmax(0).numpy()
    assert 0.34 < expected.max() < 0.999
    found = classifier.classify([image])[0]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    heat = classifier.evidence(image, int(expected.argmax()))
    assert heat.shape == (64, 64)
    assert heat.max() == pytest.approx(1)
    with pytest.raises(InferenceError, match=f"a {kind} has no cam; set auto"):
        classifier.evidence(image, 0, "cam")


# Evidence


@pytest.fixture
def colour_blind(tmp_path, make_classification):
    """A ResNet whose class 0 is red, 1 is green, and all else nothing."""
    _, network = make_classification("resnet", tmp_path, size={"shortest_edge": 56}, crop_pct=0.875)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.fill_(1.0)
        stem = network.resnet.embedder.embedder.convolution.weight
        stem[0, 0, 3, 3] = stem[1, 1, 3, 3] = 1.0
        second = network.resnet.encoder.stages[1]
        for channel in (0, 1):
            # What the residuals are added to: the only way through.
            second.layers[0].shortcut.convolution.weight[channel, channel] = 1.0
            network.classifier[1].weight[channel, channel] = 8.0
    network.save_pretrained(tmp_path)
    return Classifier.load(str(tmp_path))


def red_and_green():
    """Black, with a red square on the upper left and a green one on the lower right.

    Their middles are where features look: in the input 8 pixels apart, which are 20 in the image.
    """
    image = np.zeros((160, 240, 3), np.uint8)
    image[41:61, 61:81, 0] = image[101:121, 141:161, 1] = 255
    return image


@pytest.mark.parametrize("method", ["auto", "grad_cam", "cam"])
def test_evidence_lies_where_the_colour_is(colour_blind, method):
    red, green = (colour_blind.evidence(red_and_green(), label, method) for label in (0, 1))
    for heat, centre_yx in ((red, (51, 71)), (green, (111, 151))):
        assert heat.shape == (160, 240)
        assert heat.dtype == np.float32
        assert heat.max() == pytest.approx(1)
        assert heat.min() == 0
        rows, columns = np.indices(heat.shape)
        middle = (heat * rows).sum() / heat.sum(), (heat * columns).sum() / heat.sum()
        np.testing.assert_allclose(middle, centre_yx, atol=3)  # features are 20 pixels apart
    assert red[111, 151] == green[51, 71] == 0


def test_what_the_network_does_not_see_is_no_evidence(colour_blind):
    """Of 240 columns the middle 140 are seen; the red on the left is not."""
    image = np.zeros((160, 240, 3), np.uint8)
    image[:, :30, 0] = 255
    assert (colour_blind.evidence(image, 0) == 0).all()
    image[:, :, 0] = 255
    assert (colour_blind.evidence(image, 0)[:, :45] == 0).all()


def test_where_nothing_speaks_for_a_class_there_is_no_evidence(colour_blind):
    assert (colour_blind.evidence(red_and_green(), 4) == 0).all()


def test_a_transformer_shows_what_it_attended_to(tmp_path, make_classification, scene):
    _, network = make_classification("vit", tmp_path)
    classifier, image = Classifier.load(str(tmp_path)), scene(48, 48)
    heat = classifier.evidence(image, 1)
    network.set_attn_implementation("eager")
    with torch.inference_mode():
        batch = torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1
        expected = attention_rollout(network(batch, output_attentions=True).attentions)
    expected = torch.nn.functional.interpolate(
        expected.reshape(1, 1, 6, 6), (48, 48), mode="bilinear"
    )[0, 0]
    np.testing.assert_allclose(heat, expected / expected.max(), atol=1e-3)
    with pytest.raises(InferenceError, match="a vit has no grad_cam; set auto"):
        classifier.evidence(image, 1, "grad_cam")


def test_attention_that_is_the_same_everywhere_shows_nothing_in_particular():
    uniform = torch.full((2, 3, 10, 10), 0.1)
    torch.testing.assert_close(attention_rollout([uniform] * 4), torch.full((2, 9), 1 / 9))


def test_attention_is_followed_through_the_layers():
    """The class token looks at token 1, which had looked at token 3 before."""
    first, second = torch.eye(5).repeat(1, 1, 1, 1), torch.eye(5).repeat(1, 1, 1, 1)
    first[0, 0, 1] = torch.tensor([0.0, 0, 0, 1, 0])
    second[0, 0, 0] = torch.tensor([0.0, 1, 0, 0, 0])
    (shares,) = attention_rollout([first, second])
    torch.testing.assert_close(shares, torch.tensor([0.5, 0, 0.5, 0]))


# Bad input


@pytest.fixture
def folder(tmp_path, make_classification):
    make_classification("resnet", tmp_path)
    return tmp_path


def change(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refused(folder):
    with pytest.raises(InferenceError) as caught:
        Classifier.load(str(folder))
    return str(caught.value)


def test_missing_weights_are_named(folder):
    (folder / "model.safetensors").unlink()
    assert f"{folder} has no model.safetensors" in refused(folder)


def test_a_pickle_is_not_opened(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    message = refused(folder)
    assert str(folder / "pytorch_model.bin") in message
    assert "pickle" in message


@pytest.mark.parametrize("length", [0, 7, 100, 4000])
def test_truncated_weights_are_refused(folder, length):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    message = refused(folder)
    assert "model.safetensors" in message
    assert str(folder) in message


def test_a_missing_tensor_is_named(folder):
    from safetensors.torch import load_file, save_file

    path, name = folder / "model.safetensors", "classifier.1.weight"
    tensors = load_file(path)
    del tensors[name]
    save_file(tensors, path, metadata={"format": "pt"})
    message = refused(folder)
    assert str(path) in message
    assert name in message


def test_a_tensor_of_torchvisions_names_is_named_where_it_is_missing_or_does_not_fit(tmp_path):
    from safetensors.torch import save_file

    path, config = tmp_path / "model.safetensors", {"model_type": "alexnet", "id2label": {"0": "x"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    kernels = torch.zeros(64, 3, 11, 11)
    save_file({"features.0.weight": kernels}, path)
    assert f"{path} has no features.0.bias" in refused(tmp_path)
    save_file({"features.0.weight": kernels[..., 1:].contiguous()}, path)
    message = refused(tmp_path)
    assert f"{path}: features.0.weight: got shape (64, 3, 11, 10), expected" in message


def test_another_architecture_is_refused(folder):
    change(folder, model_type="segformer")
    message = refused(folder)
    assert f"{folder / 'config.json'}: model_type: got 'segformer', expected 'resnet'" in message


def test_labels_must_be_as_many_as_classes(folder):
    change(folder, id2label={"0": "one", "1": "two"})
    message = refused(folder)
    assert f"{folder / 'model.safetensors'}: classifier.1." in message
    assert "got shape (5" in message
    assert "expected (2" in message
    assert "id2label of config.json" in message


def test_classes_without_a_name_are_refused(folder):
    change(folder, id2label={"0": "one", "2": "three"})
    assert f'{folder / "config.json"}: id2label: of 2 classes, "1" has no name' in refused(folder)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 1), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
    ],
)
def test_what_is_no_colour_image_is_refused(folder, image):
    classifier = Classifier.load(str(folder))
    with pytest.raises(InferenceError, match=r"expected uint8 \(H, W, 3\), RGB"):
        classifier.classify([image])
    with pytest.raises(InferenceError, match=r"expected uint8 \(H, W, 3\), RGB"):
        classifier.evidence(image, 0)


def test_evidence_of_a_single_pixel_is_the_pixel(colour_blind):
    image = np.array([[[255, 0, 0]]], np.uint8)
    np.testing.assert_array_equal(colour_blind.evidence(image, 0), [[1.0]])
