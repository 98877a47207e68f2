"""Work that falls into tasks, over processes of this machine or over a Dask cluster."""

from sightline.machines.machines import Machines
from sightline.machines.pool import ATTEMPTS

__all__ = ["ATTEMPTS", "Machines"]
