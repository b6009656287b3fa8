"""Networks with random batch norms, shared by the tests."""

import torch


def randomise_batch_norms(net, seed=0):
    """Random batch-norm statistics, so that folding has something to get wrong."""
    g = torch.Generator().manual_seed(seed)
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.3, generator=g)
            layer.running_var.uniform_(0.5, 2, generator=g)
            layer.weight.data.uniform_(0.5, 1.5, generator=g)
            layer.bias.data.normal_(0, 0.3, generator=g)
    return net.eval()
