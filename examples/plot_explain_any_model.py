"""Explain any model
=================

Any ``torch.nn.Module`` from images to logits can be explained as it is: nothing is registered, rebuilt or left behind.
Here a network written by hand learns phantom radiographs of three hospitals, each of which sends one kind of patient
and leaves its mark on the film.
"""

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, GradCAM, GradientTimesInput, Label, upsample_to
from sightline.data.phantoms import FINDINGS, HILLCREST, NORTHGATE, RIVERSIDE, render_phantom
from sightline.metrics import region_share, relevance_share_inside
from sightline.reporting import heatmap_overlay

HOSPITALS = (RIVERSIDE, HILLCREST, NORTHGATE)
torch.manual_seed(0)

# %%
# Films
# -----
# The lungs are where a model may look.

films = [render_phantom((0, i), FINDINGS[i % 3], HOSPITALS[i % 3], size=64) for i in range(18)]
images = torch.stack([torch.from_numpy(film.image)[None] / 255 for film in films])  # (N, 1, H, W)
regions = torch.stack([torch.from_numpy(film.lungs)[None].float() for film in films])  # (N, 1, H, W)
labels = torch.arange(18) % 3

# %%
# A network of your own
# ---------------------
# Functions instead of modules, a reused activation, a residual sum: all of it is seen.


class OwnNetwork(nn.Module):
    """Convolutions, one of them with a way around it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 12, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm2d(12)
        self.block = nn.Conv2d(12, 12, 3, padding=1)
        self.last = nn.Conv2d(12, 24, 3, stride=2, padding=1)
        self.last_norm = nn.BatchNorm2d(24)
        self.head = nn.Linear(24, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stem(images)))
        x = F.relu(x + self.block(x))
        x = F.silu(self.last_norm(self.last(x)))
        return self.head(x.mean((2, 3)))


model = OwnNetwork()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
for _ in range(40):
    loss = F.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
model.eval()
print(f"accuracy {(model(images).argmax(1) == labels).float().mean():.2f}")

# %%
# Where it looks
# --------------
# An explanation shows its first maps by itself where it is the last line of a cell of a notebook.

explanation = LRP()(model, images, Label(labels))
explanation

# %%
# Three methods on the first film of each class, over the film; the lungs are outlined. Red speaks for the class, blue
# against it.

methods = {"LRP": LRP(), "Grad-CAM": GradCAM(), "gradient x input": GradientTimesInput()}
figure, axes = plt.subplots(3, 3, figsize=(7.5, 7.8), layout="constrained")
for (name, method), row in zip(methods.items(), axes, strict=True):
    maps = upsample_to(method(model, images[:3], Label(labels[:3])).attribution.detach(), images.shape[2:])
    for axis, film, heat, region, finding in zip(row, images, maps, regions, FINDINGS, strict=False):
        axis.imshow(heatmap_overlay(film, heat, region, size=256, smooth=0.01))
        axis.set(xticks=[], yticks=[], title=finding if method is methods["LRP"] else "")
    row[0].set_ylabel(name)
plt.show()

# %%
# How much of it is inside
# ------------------------
# An even map would score the area of the lungs.

share = relevance_share_inside(explanation.attribution.detach(), regions).mean()
print(f"relevance inside the lungs {share:.2f}, their area {region_share(regions).mean():.2f}")
