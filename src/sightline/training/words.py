"""What is told of a training while it goes on."""


def step_in_words(stage: str, epoch: int, epochs: int, values: dict[str, float]) -> str:
    """Epoch and latest values."""
    shown = {"loss": values["loss"], **({"outside": values["outside"]} if "outside" in values else {})}
    told = f"{stage}: " if stage else ""
    return f"{told}epoch {epoch}/{epochs}  " + "  ".join(f"{name} {value:.3f}" for name, value in shown.items())


def scores_in_words(scores: dict[str, float]) -> str:
    """Scores on the validation split."""
    names = {"val_loss": "validation loss", "val_macro_f1": "macro-F1", "val_outside": "relevance outside"}
    return "  ".join(f"{label} {scores[name]:.3f}" for name, label in names.items() if name in scores)
