"""Files in an object store or on a server, as files on the disk.

A cohort in a store has ordinary paths, below a folder of this machine that mirrors the store (`mirror`). Whoever opens
a file asks for it first (`fetched`), and it is loaded then. Where it comes from stands in its path, and nothing is
registered: threads, the processes of a loader, and those of a training find it alike. `room` keeps the folder small.
Prepared volumes and their tables can be written into a store, too (`sending`).
"""

from sightline.stores.fetching import Version, fetched, files_under, refreshed, there, version
from sightline.stores.mirror import address_checked, cache_folder, mirrored, store_url
from sightline.stores.sending import outgoing, place_for_results, put_text

__all__ = [
    "Version",
    "address_checked",
    "cache_folder",
    "fetched",
    "files_under",
    "mirrored",
    "outgoing",
    "place_for_results",
    "put_text",
    "refreshed",
    "store_url",
    "there",
    "version",
]
