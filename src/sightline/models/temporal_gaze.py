"""EGD-CXR's temporal network: a radiograph beside the frames of a reader's gaze on it, in their order.

Each frame is read by a small convolutional network, the frames in their order by an LSTM in both directions, and its
states are weighed by how much they are like the last ones. A network of the same kind reads the image.

Reference:
    Karargyris et al. 2021, doi:10.1038/s41597-021-00863-5, figure 13, and its code. There the query of the attention
    has its two directions in the other order than the states that it is compared with, and the batch normalisations
    see one frame of all images at a time; here the orders are alike, and the frames are normalised together.
"""

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import SettingsError, ShapeError

_GRID = 56  # cells along a side of the features of a published image, 224 pixels


class GazeCNN(nn.Module):
    """What reads the image, or a frame: one convolution and two fully connected layers.

    Args:
        channels: of what it reads.
        width: of the convolution, and of the result; the layer between has twice as many.
        dropout: chance that a feature is dropped before the last layer.
    """

    def __init__(self, channels: int, width: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False)
        self.relu1 = nn.ReLU()
        self.batch1 = nn.BatchNorm2d(width)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.grid = nn.AdaptiveAvgPool2d(_GRID)  # as it is for 224 pixels
        self.dense_layers = nn.ModuleList(
            [nn.Linear(width * _GRID**2, 2 * width), nn.BatchNorm1d(2 * width, momentum=0.01)]
        )
        self.relu2, self.relu3 = nn.ReLU(), nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.final_dense = nn.Linear(2 * width, width)

    def forward(self, features: Tensor) -> Tensor:
        """Map what the convolution answered, `(N, width, H / 2, W / 2)`, to `(N, width)`."""
        x = self.grid(self.pool(self.batch1(self.relu1(features)))).flatten(1)
        linear, norm = self.dense_layers
        result: Tensor = self.final_dense(self.dropout(self.relu3(norm(self.relu2(linear(x))))))
        return result


class GazeRNN(nn.Module):
    """Reads the frames in their order: `(N, F, width)` to `(N, width)`.

    Args:
        width: of what is known of each frame, and of the state in each direction.
        layers: of the LSTM.
        dropout: between them.
    """

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        between = dropout if layers > 1 else 0.0
        self.rnn = nn.LSTM(width, width, layers, batch_first=True, dropout=between, bidirectional=True)
        self.dense = nn.Linear(2 * width, width)

    def forward(self, frames: Tensor) -> Tensor:
        """Weigh the states of the frames by their likeness to the last states of both directions."""
        states, last = remember(self.rnn, frames)
        energies = (states @ last[:, :, None]) / math.sqrt(self.rnn.hidden_size)  # (N, F, 1)
        seen = energies.transpose(1, 2).softmax(2) @ states  # (N, 1, 2 * width)
        result: Tensor = self.dense(seen.flatten(1))
        return result


class TemporalGaze(nn.Module):
    """EGD-CXR's temporal classifier: images `(N, C, H, W)` with frames of gaze to logits `(N, K)`.

    Args:
        num_classes: K.
        in_channels: C, those of the image and behind them the frames, of which there is at least one.
        image_channels: those of the image; a frame is repeated as often, as its published picture is.
        dropout: chance that a feature is dropped before the last layer of each network, and between layers of the LSTM.
        width: of all layers.
        layers: of the LSTM; the published command has one.

    Raises:
        SettingsError: there is no frame.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 13,
        image_channels: int = 3,
        dropout: float = 0.0,
        width: int = 64,
        layers: int = 1,
    ) -> None:
        super().__init__()
        if not 1 <= image_channels < in_channels:
            raise SettingsError(
                f"in_channels must be more than image_channels, one for each frame of gaze, "
                f"got {in_channels} and {image_channels}"
            )
        self.in_channels, self.image_channels = in_channels, image_channels
        self.image_encoder = GazeCNN(image_channels, width, dropout)
        self.heatmap_cnn = GazeCNN(image_channels, width, dropout)
        self.heatmap_rnn = GazeRNN(width, layers, dropout)
        self.classifier = nn.Sequential(OrderedDict(fc=nn.Linear(2 * width, num_classes)))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, C, H, W)`.

        Raises:
            ShapeError: they have another number of channels.
        """
        if images.ndim != 4 or images.shape[1] != self.in_channels:
            count = self.in_channels - self.image_channels
            raise ShapeError(
                f"images must be (N, {self.in_channels}, H, W), the last {count} channels frames of gaze, "
                f"got {tuple(images.shape)}"
            )
        image, frames = self._convolved(images)
        known = self.heatmap_cnn(frames.flatten(0, 1)).reshape(*frames.shape[:2], -1)  # (N, F, width)
        logits: Tensor = self.classifier(torch.cat((self.image_encoder(image), self.heatmap_rnn(known)), 1))
        return logits

    def _convolved(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the two first convolutions answer to the image, `(N, width, *S)`, and to frames, `(N, F, ...)`.

        One convolution reads each channel by itself, because explanations have a rule for the convolution that reads
        the images, and none for their parts.
        """
        first = self.image_encoder.conv1
        of_image = first.weight.transpose(0, 1).flatten(0, 1)[:, None]
        of_frame = self.heatmap_cnn.conv1.weight.sum(1, keepdim=True)  # a frame is repeated as a picture
        weight = torch.cat((of_image, of_frame.repeat(self.in_channels - self.image_channels, 1, 1, 1)))
        answers = F.conv2d(images, weight, stride=first.stride, padding=first.padding, groups=self.in_channels)
        each = answers.reshape(len(images), self.in_channels, -1, *answers.shape[2:])  # (N, C, width, H / 2, W / 2)
        return each[:, : self.image_channels].sum(1), each[:, self.image_channels :]


def remember(lstm: nn.LSTM, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Run an LSTM of two directions, written out in functions that explanations have rules for.

    Args:
        lstm: with `batch_first`.
        frames: `(N, F, E)`.

    Returns:
        The states of both directions at each frame, `(N, F, 2H)`, and the last of each, `(N, 2H)`, as
        `lstm(frames)` has them.
    """
    states, last = frames, frames[:, -1]
    for layer in range(lstm.num_layers):
        if layer:
            states = F.dropout(states, lstm.dropout, lstm.training)
        forwards = _one_way(lstm, states, f"l{layer}", list(range(frames.shape[1])))
        backwards = _one_way(lstm, states, f"l{layer}_reverse", list(range(frames.shape[1]))[::-1])
        last = torch.cat((forwards[-1], backwards[-1]), 1)
        states = torch.stack([torch.cat(pair, 1) for pair in zip(forwards, backwards[::-1], strict=True)], 1)
    return states, last


def _one_way(lstm: nn.LSTM, inputs: Tensor, name: str, order: list[int]) -> list[Tensor]:
    """States `(N, H)` in the order in which the frames were read."""
    to_input, to_state = (getattr(lstm, f"weight_{of}_{name}") for of in ("ih", "hh"))
    input_bias, state_bias = (getattr(lstm, f"bias_{of}_{name}") for of in ("ih", "hh"))
    read = F.linear(inputs, to_input, input_bias)  # (N, F, 4H)
    hidden = torch.zeros(len(inputs), lstm.hidden_size, dtype=read.dtype, device=read.device)
    memory: Tensor | None = None
    states = []
    for frame in order:
        add, keep, new, show = (read[:, frame] + F.linear(hidden, to_state, state_bias)).chunk(4, 1)
        added = add.sigmoid() * new.tanh()
        memory = added if memory is None else keep.sigmoid() * memory + added
        hidden = show.sigmoid() * memory.tanh()
        states.append(hidden)
    return states


def temporal_gaze(
    num_classes: int,
    *,
    in_channels: int = 13,
    image_channels: int = 3,
    dropout: float = 0.0,
    width: int = 64,
    layers: int = 1,
) -> TemporalGaze:
    """EGD-CXR's temporal network; `image_channels` and `layers` as in `TemporalGaze`, others as in `ModelOptions`."""
    return TemporalGaze(
        num_classes,
        in_channels=in_channels,
        image_channels=image_channels,
        dropout=dropout,
        width=width,
        layers=layers,
    )
