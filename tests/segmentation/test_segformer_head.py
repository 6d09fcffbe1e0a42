"""The fused head gives what transformers' own gives."""

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from embodied_perception.segmentation.segformer_head import FusedDecodeHead  # noqa: E402


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_logits(seed):
    torch.manual_seed(seed)
    config = transformers.SegformerConfig(
        hidden_sizes=[8, 12, 16, 24], decoder_hidden_size=20, num_labels=7
    )
    network = transformers.SegformerForSemanticSegmentation(config).eval()
    head = network.decode_head
    with torch.no_grad():
        for tensor in (head.batch_norm.running_mean, head.batch_norm.weight, head.batch_norm.bias):
            tensor.normal_()
        head.batch_norm.running_var.uniform_(0.5, 2.0)
        for parameter in head.parameters():
            parameter.normal_()
        images = torch.rand(2, 3, 72, 100)
        expected = network(images).logits
        network.decode_head = FusedDecodeHead(head)
        found = network(images).logits
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
