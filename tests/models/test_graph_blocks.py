import math

import pytest
import torch
import torch.nn.functional as F

from sightline.models.graph_blocks import MaxRelative, nearest, place_bias


def test_what_is_passed_on_is_the_most_that_neighbours_have_more_by_hand() -> None:
    nodes = torch.tensor([[[[1.0, 5.0]], [[0.0, 0.0]]]])  # two channels of two nodes
    candidates = torch.tensor([[[3.0, 4.0, 9.0], [-1.0, -2.0, 7.0]]])
    block = MaxRelative(2)
    seen: list[torch.Tensor] = []
    block.nn.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    block(nodes, candidates, torch.tensor([[[0, 1], [1, 1]]]))
    # channel 0 and its relative, channel 1 and its relative
    assert seen[0][0, :, 0].tolist() == [[1, 5], [3, -1], [0, 0], [-1, -2]]


def test_the_bias_by_place_is_the_sum_of_cosines_and_of_a_cell_the_mean() -> None:
    bias = place_bias(16, (4, 6), 2)
    nodes = [(row, column) for row in range(4) for column in range(6)]
    cells = [[n for n in nodes if (n[0] // 2, n[1] // 2) == (row, column)] for row in range(2) for column in range(3)]
    frequencies = [10000 ** (-4 * k / 16) for k in range(4)]
    for i, (row, column) in enumerate(nodes):
        for j, cell in enumerate(cells):
            cosines = [math.cos(w * (row - r)) + math.cos(w * (column - c)) for r, c in cell for w in frequencies]
            assert bias[i, j].item() == pytest.approx(-2 / 16 * sum(cosines) / len(cell), abs=1e-6)
    torch.testing.assert_close(place_bias(16, (3, 3), 1).diagonal(), -torch.ones(9))


def test_neighbours_are_the_nearest_dilated_and_fewer_where_there_are_few() -> None:
    generator = torch.Generator().manual_seed(0)
    nodes, many = torch.randn(2, 8, 5, generator=generator), torch.randn(2, 8, 40, generator=generator)
    bias = torch.rand(1, 5, 40, generator=generator)
    angles = 2 - 2 * F.cosine_similarity(nodes[:, :, :, None], many[:, :, None], dim=1) + bias
    order = angles.argsort(2)
    assert torch.equal(nearest(nodes, many, bias, dilation=1), order[:, :, :9])
    assert torch.equal(nearest(nodes, many, bias, dilation=3), order[:, :, :27:3])
    assert torch.equal(nearest(nodes, many, bias, dilation=9), order[:, :, :36:4])  # 40 // 9
    assert nearest(nodes, many[:, :, :4], bias[:, :, :4], dilation=2).shape == (2, 5, 4)
