"""A trained run that is opened once and answers for images as they come."""

from sightline.answering.answerer import Answerer, Explained, Prediction
from sightline.answering.image_reader import ImageReader, Ready

__all__ = ["Answerer", "Explained", "ImageReader", "Prediction", "Ready"]
