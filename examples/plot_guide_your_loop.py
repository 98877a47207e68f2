"""Guide a training loop
=====================

One line in the loop: ``guide(model, images, labels, regions)`` classifies, explains and compares, and its ``loss`` is
what to minimise. The same network is trained twice on phantom radiographs whose hospital's mark gives the class away,
without guidance and with it, and then asked about films without marks.
"""

import copy

import matplotlib.pyplot as plt
import torch
from torch import nn

from sightline.attribution import LRP, Label
from sightline.data.phantoms import FINDINGS, HILLCREST, NORTHGATE, RIVERSIDE, render_phantom
from sightline.guidance import BackgroundRelevance, Guidance, Unguided
from sightline.metrics import region_share, relevance_share_inside
from sightline.reporting import heatmap_overlay

HOSPITALS = (RIVERSIDE, HILLCREST, NORTHGATE)
torch.manual_seed(0)

# %%
# Films
# -----
films = [render_phantom((0, i), FINDINGS[i % 3], HOSPITALS[i % 3], size=64) for i in range(18)]
images = torch.stack([torch.from_numpy(film.image)[None] / 255 for film in films])  # (N, 1, H, W)
regions = torch.stack([torch.from_numpy(film.lungs)[None].float() for film in films])  # (N, 1, H, W)
labels = torch.arange(18) % 3

# %%
# The loop
# --------


def block(inputs: int, outputs: int) -> list[nn.Module]:
    """A convolution that halves the image, its normalisation and its activation."""
    return [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]


def train(model: nn.Module, guide: Guidance, steps: int = 41) -> list[float]:
    """Train, and tell after each step how much of the relevance is inside the lungs."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    inside = []
    for step in range(steps):
        guided = guide(model.train(), images, labels, regions)  # the line
        optimizer.zero_grad()
        guided.loss.backward()
        optimizer.step()
        if step % 5 == 0:
            inside.append(share_inside(model))
    accuracy = (guided.logits.argmax(1) == labels).float().mean()
    print(f"accuracy {accuracy:.2f}, relevance inside the lungs from {inside[0]:.2f} to {inside[-1]:.2f}")
    return inside


def share_inside(model: nn.Module) -> float:
    """Mean share of relevance inside the lungs, of the true class."""
    with torch.no_grad():
        maps = LRP()(model.eval(), images, Label(labels)).attribution
    return float(relevance_share_inside(maps, regions).mean())


plain = nn.Sequential(
    *block(1, 8), *block(8, 16), *block(16, 32), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 3)
)
guided = copy.deepcopy(plain)
shares = {"plain": train(plain, Unguided()), "guided": train(guided, BackgroundRelevance(strength=0.3))}

# %%
# The share inside
# ----------------

figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
for name, values in shares.items():
    axis.plot(range(0, 5 * len(values), 5), values, label=name)
axis.axhline(float(region_share(regions).mean()), color="gray", linestyle=":", label="area of the lungs")
axis.set(xlabel="step", ylabel="relevance inside the lungs", ylim=(0, 1))
axis.legend(frameon=False)
plt.show()

# %%
# The same films explained after both trainings.

figure, axes = plt.subplots(2, 3, figsize=(7.5, 5.2), layout="constrained")
for (name, model), row in zip({"plain": plain, "guided": guided}.items(), axes, strict=True):
    maps = LRP()(model, images[:3], Label(labels[:3])).attribution.detach()
    for axis, film, heat, region, finding in zip(row, images, maps, regions, FINDINGS, strict=False):
        axis.imshow(heatmap_overlay(film, heat, region, size=256, smooth=0.01))
        axis.set(xticks=[], yticks=[], title=finding if name == "plain" else "")
    row[0].set_ylabel(name)
plt.show()
