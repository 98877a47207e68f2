"""Results onto a server (STOW-RS), once, and looked for afterwards (QIDO-RS)."""

import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sightline.errors import ServerError
from sightline.pacs.server import Server

if TYPE_CHECKING:
    from pydicom import Dataset

_LOOKS, _BETWEEN_S = 8, 0.5  # a server may take a while to find what it was given


@dataclass(frozen=True)
class Stored:
    """What became of the objects of a result.

    Attributes:
        new: SOPInstanceUIDs of those stored now, by kind.
        kept: of those that were there already.
    """

    new: Mapping[str, str]
    kept: Mapping[str, str]


def present(server: Server, study: str, instances: Iterable[str]) -> set[str]:
    """Return those SOPInstanceUIDs that a server has in a study.

    Raises:
        ServerError: the server is away, refuses, or answers otherwise than DICOMweb does.
    """
    client, found = server.connect(), set()
    for uid in instances:
        with server.asked(f"objects of study {study}"):
            if client.search_for_instances(study_instance_uid=study, search_filters={"SOPInstanceUID": uid}, limit=1):
                found.add(uid)
    return found


def store_objects(server: Server, objects: "Mapping[str, Dataset]") -> Stored:
    """Store the objects of one study that the server does not have yet, and see that it has them all.

    Args:
        server: where to.
        objects: by kind, as `make_objects` returns them.

    Raises:
        ServerError: the server is away or refuses, or does not find an object that it took.
    """
    study = str(next(iter(objects.values())).StudyInstanceUID)
    uids = {kind: str(made.SOPInstanceUID) for kind, made in objects.items()}
    there = present(server, study, uids.values())
    kept = {kind: uid for kind, uid in uids.items() if uid in there}
    new = {kind: uid for kind, uid in uids.items() if uid not in there}
    if new:
        client = server.connect()
        with server.asked(f"room for {len(new)} results of study {study}"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they quote values
            answer = client.store_instances([objects[kind] for kind in new], study_instance_uid=study)
            failed = len(answer.get("FailedSOPSequence") or [])
        if failed:
            raise ServerError(f"{server.name} did not store {failed} of {len(new)} results")
        _look_for(server, study, new)
    return Stored(new, kept)


def _look_for(server: Server, study: str, new: Mapping[str, str]) -> None:
    missing = set(new.values())
    for look in range(_LOOKS):
        missing -= present(server, study, missing)
        if not missing:
            return
        time.sleep(_BETWEEN_S * (look < _LOOKS - 1))
    kinds = ", ".join(kind for kind, uid in new.items() if uid in missing)
    raise ServerError(f"{server.name} took the results and does not find them: {kinds}")
