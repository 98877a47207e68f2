"""Guidance in training loops of others: `.lightning`, `.pytorch_lightning`, `.monai` and `.huggingface`.

The loss is the guidance's, in which the loss of the loop stands for the classification: $(1 - P) L + P L_H$ for the
ISNet where the loop minimises $L$. A loop of your own needs nothing from here: `guide(model, images, labels, regions)`.
"""
