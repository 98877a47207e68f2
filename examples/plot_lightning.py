"""Guidance in Lightning
=====================

A ``LightningModule`` stays as it is written: the callback adds guidance to its ``training_step``. Where you can edit
``training_step``, one line in it does the same in one forward pass fewer.

``pip install 'sightline[lightning]'``; for the package ``pytorch_lightning`` import
``sightline.integrations.pytorch_lightning``.
"""

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from sightline.attribution import LRP, Label
from sightline.data.phantoms import FINDINGS, HILLCREST, NORTHGATE, RIVERSIDE, render_phantom
from sightline.guidance import BackgroundRelevance
from sightline.integrations.lightning import GuidanceCallback
from sightline.metrics import relevance_share_inside

HOSPITALS = (RIVERSIDE, HILLCREST, NORTHGATE)
torch.manual_seed(0)

# %%
# Films: image, label, and the lungs as the region where the model may look
# -------------------------------------------------------------------------

films = [render_phantom((0, i), FINDINGS[i % 3], HOSPITALS[i % 3], size=64) for i in range(18)]
data = [
    {
        "image": torch.from_numpy(film.image)[None] / 255,
        "label": i % 3,
        "region": torch.from_numpy(film.lungs)[None].float(),
    }
    for i, film in enumerate(films)
]

# %%
# A module with no word of guidance
# ---------------------------------


def block(inputs: int, outputs: int) -> list[nn.Module]:
    """A convolution that halves the image, its normalisation and its activation."""
    return [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]


class Classifier(L.LightningModule):
    """As anybody writes it."""

    def __init__(self) -> None:
        super().__init__()
        layers = [*block(1, 8), *block(8, 16), *block(16, 32)]
        self.network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        loss = F.cross_entropy(self(batch["image"]), batch["label"], label_smoothing=0.05)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-2)


# %%
# The callback
# ------------
# The module's own loss stands for the classification in the guided one, so label smoothing, class weights and the like
# stay what they are. What the guidance measures is logged as ``guidance/...``.

module = Classifier()
images, labels, regions = (torch.stack([torch.as_tensor(case[name]) for case in data]) for name in data[0])


def share_inside() -> float:
    """Mean share of relevance inside the lungs, of the true class."""
    maps = LRP()(module.eval(), images, Label(labels)).attribution.detach()
    return float(relevance_share_inside(maps, regions).mean())


print(f"before: relevance inside the lungs {share_inside():.2f}")
trainer = L.Trainer(
    max_epochs=12,
    accelerator="cpu",
    callbacks=[GuidanceCallback(BackgroundRelevance(strength=0.3))],
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
module.train()
trainer.fit(module, DataLoader(data, batch_size=9, shuffle=True))
for name, value in sorted(trainer.callback_metrics.items()):
    print(f"{name} {value:.3f}")

# %%
# Where it looks now
# ------------------

print(f"after: relevance inside the lungs {share_inside():.2f}")
LRP()(module, images, Label(labels))
