"""Sightline: train image classifiers that look where they should, and prove that they do."""

__version__ = "0.1.0"
