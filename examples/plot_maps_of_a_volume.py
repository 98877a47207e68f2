"""Maps of a volume
================

Two axes or three, the engine is the same. A small network learns phantom chest CT with and without an effusion, and is
explained voxel by voxel. Six scans teach it little: that it knows them all says nothing of where it looks.
"""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from sightline.attribution import LRP, GradCAM, Label
from sightline.data.phantoms.ct import ATRIUM, make_ct
from sightline.metrics import region_share, relevance_share_inside
from sightline.reporting import cut_planes

torch.manual_seed(0)

# %%
# Scans
# -----
# Values in Hounsfield units, brought to [0, 1] by a window.

scanner = replace(ATRIUM, slice_mm=12.0)
scans = [make_ct((0, i), scanner, 48, {"effusion": 0.8} if i % 2 else {}) for i in range(6)]
values = np.stack([scan.develop(scanner) for scan in scans]).astype(np.float32)  # (N, D, H, W), HU
volumes = torch.from_numpy((values + 1000) / 1400).clamp(0, 1)[:, None]  # (N, 1, D, H, W)
regions = torch.stack([torch.from_numpy(scan.lungs)[None].float() for scan in scans])
labels = torch.arange(6) % 2
print(tuple(volumes.shape))

# %%
# A network in three dimensions
# -----------------------------

model = nn.Sequential(
    nn.Conv3d(1, 8, 3, stride=2, padding=1),
    nn.ReLU(),
    nn.Conv3d(8, 16, 3, stride=2, padding=1),
    nn.ReLU(),
    nn.AdaptiveAvgPool3d(1),
    nn.Flatten(),
    nn.Linear(16, 2),
)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
for _ in range(60):
    loss = F.cross_entropy(model(volumes), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"accuracy {(model(volumes).argmax(1) == labels).float().mean():.2f}")

# %%
# Maps
# ----
# Of a volume a notebook shows three planes.

explanation = LRP()(model.eval(), volumes, Label(labels))
explanation

# %%
# Two maps over the scan, in the planes through the middle of the effusion, which is outlined. A Grad-CAM has the grid
# of its layer.

case = 1
lesion = scans[case].lesions["effusion"].mask.astype(np.float32)
middle = tuple(int(place) for place in np.argwhere(lesion).mean(0))
coarse = GradCAM()(model, volumes, Label(labels))
figure, axes = plt.subplots(2, 3, figsize=(8, 4.6), layout="constrained")
for (name, maps), row in zip({"LRP": explanation, "Grad-CAM": coarse}.items(), axes, strict=True):
    heat = maps.attribution[case].sum(0).detach().numpy()
    planes = cut_planes(values[case], heat, lesion, spacing_mm=scans[case].grid.spacing_mm, at=middle)
    for axis, (plane, picture) in zip(row, planes.pictures.items(), strict=True):
        axis.imshow(picture)
        axis.set(xticks=[], yticks=[], title=plane if name == "LRP" else "")
    row[0].set_ylabel(name)
plt.show()

# %%
# How much of it lies in the lungs
# --------------------------------

share = relevance_share_inside(explanation.attribution.detach(), regions).mean()
print(f"relevance inside the lungs {share:.2f}, their share of the volume {region_share(regions).mean():.2f}")
