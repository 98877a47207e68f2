"""Guidance in a Hugging Face trainer
==================================

Mix ``GuidanceMixin`` into the ``Trainer``: in training its loss becomes the guided one, in the same forward pass;
evaluation stays the trainer's own. ``LogitsOf`` makes a model of the library what an explainer wants, a module from
images to logits.

``pip install 'sightline[huggingface]'``; nothing is asked of the hub here, the weights start at random.
"""

import tempfile

import torch
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

from sightline.attribution import LRP, Label
from sightline.data.phantoms import FINDINGS, HILLCREST, NORTHGATE, RIVERSIDE, render_phantom
from sightline.guidance import BackgroundRelevance
from sightline.integrations.huggingface import GuidanceMixin, LogitsOf
from sightline.metrics import relevance_share_inside

HOSPITALS = (RIVERSIDE, HILLCREST, NORTHGATE)
torch.manual_seed(0)

# %%
# Films: image, label, and the lungs as the region where the model may look
# -------------------------------------------------------------------------

films = [render_phantom((0, i), FINDINGS[i % 3], HOSPITALS[i % 3], size=64) for i in range(18)]
data = [
    {
        "pixel_values": torch.from_numpy(film.image)[None] / 255,
        "labels": i % 3,
        "regions": torch.from_numpy(film.lungs)[None].float(),
    }
    for i, film in enumerate(films)
]
images, labels, regions = (torch.stack([torch.as_tensor(case[name]) for case in data]) for name in data[0])

# %%
# A small vision transformer
# --------------------------

config = ViTConfig(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
    image_size=64,
    patch_size=8,
    num_channels=1,
    num_labels=3,
)
model = ViTForImageClassification(config)


def share_inside() -> float:
    """Mean share of relevance inside the lungs, of the true class."""
    explanation = LRP()(LogitsOf(model.eval()), images, Label(labels))
    return float(relevance_share_inside(explanation.attribution.detach(), regions).mean())


# %%
# The trainer
# -----------


class GuidedTrainer(GuidanceMixin, Trainer):
    """A trainer with guidance."""


print(f"before: relevance inside the lungs {share_inside():.2f}")
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        output_dir=folder,
        num_train_epochs=15,
        per_device_train_batch_size=9,
        learning_rate=2e-3,
        logging_steps=10,
        save_strategy="no",
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = GuidedTrainer(model=model, args=arguments, train_dataset=data, guide=BackgroundRelevance(strength=0.3))
    trainer.train()
print(f"after: relevance inside the lungs {share_inside():.2f}")

# %%
# Its maps
# --------

LRP()(LogitsOf(model.eval()), images, Label(labels))
