"""Guidance in MONAI
=================

A ``SupervisedTrainer`` keeps its inferer, loss function, mixed precision and accumulation; guidance is one of its
handlers. Another handler tells at validation where the network looks.

``pip install 'sightline[monai]'``
"""

import torch
import torch.nn.functional as F
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.networks.nets import DenseNet

from sightline.attribution import LRP, Label
from sightline.data.phantoms import FINDINGS, HILLCREST, NORTHGATE, RIVERSIDE, render_phantom
from sightline.guidance import BackgroundRelevance
from sightline.integrations.monai import GuidanceHandler, RelevanceInside

HOSPITALS = (RIVERSIDE, HILLCREST, NORTHGATE)
torch.manual_seed(0)

# %%
# Films: image, label, and the lungs as the region where the network may look
# ---------------------------------------------------------------------------

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
# A network of MONAI, an evaluator that looks, and a trainer that is guided
# -------------------------------------------------------------------------

network = DenseNet(spatial_dims=2, in_channels=1, out_channels=3, init_features=8, growth_rate=8, block_config=(2, 2))
evaluator = SupervisedEvaluator(
    device="cpu",
    val_data_loader=DataLoader(Dataset(data), batch_size=9),
    network=network,
    val_handlers=[RelevanceInside(LRP())],
)
trainer = SupervisedTrainer(
    device="cpu",
    max_epochs=8,
    train_data_loader=DataLoader(Dataset(data), batch_size=9, shuffle=True),
    network=network,
    optimizer=torch.optim.AdamW(network.parameters(), lr=1e-2),
    loss_function=F.cross_entropy,
    train_handlers=[GuidanceHandler(BackgroundRelevance(strength=0.3))],
)

# %%
# Before and after
# ----------------

evaluator.run()
print(f"before: relevance inside the lungs {evaluator.state.metrics['relevance_inside']:.2f}")
trainer.run()
evaluator.run()
print(f"after: relevance inside the lungs {evaluator.state.metrics['relevance_inside']:.2f}")
for name, value in trainer.state.metrics.items():
    print(f"{name} {value:.3f}")

# %%
# Its maps
# --------

images = torch.stack([case["image"] for case in data])
LRP()(network.eval(), images, Label(torch.arange(18) % 3))
