"""The local web page: cases, maps over them, runs side by side, and what reviewers say about them."""

from sightline.viewer.reviews import Review, Reviews, reviews_csv
from sightline.viewer.view import View, open_view

__all__ = ["Review", "Reviews", "View", "open_view", "reviews_csv"]
