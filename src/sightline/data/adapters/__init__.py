"""Public data sets, one a file: from the folder of a download to a cohort."""

from sightline.data.adapters.adapter import Adapted, Adapter, adapters, find_adapter
from sightline.data.adapters.chexpert import CheXpert
from sightline.data.adapters.selection import Count, LeftOut, Selection

__all__ = ["Adapted", "Adapter", "CheXpert", "Count", "LeftOut", "Selection", "adapters", "find_adapter"]
