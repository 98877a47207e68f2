"""Work that falls into tasks, over processes of this machine or over a Dask cluster."""

from sightline.machines.kept import Kept
from sightline.machines.machines import Machines
from sightline.machines.paths import absolute
from sightline.machines.pool import ATTEMPTS

__all__ = ["ATTEMPTS", "Kept", "Machines", "absolute"]
