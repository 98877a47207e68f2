"""Commands and snippets that are read but not run, each with the reason; an entry that fits nothing fails the tests.

A key is a folder of pages, a page, or a page and the beginning of a command or of a snippet.
"""

PARSED = {
    "README.md:sightline demo": "tests/cli runs it",
    "docs/getting_started.md:sightline demo": "tests/cli runs it",
    # records of runs
    "docs/experiments/": "trainings of minutes to days, most of them on films that are not in the repository",
    # minutes, or images that are not in the repository
    "docs/methods/ct.md": "needs CT series; tests/cli/test_prepare_ct.py prepares phantoms",
    "docs/methods/lung_masks.md": "trains a segmenter; tests/segmenting does so on phantoms",
    # run by tests of their own
    "docs/how_to/many_processes.md": "starts several processes; tests/training/test_processes.py does so",
    "docs/export.md:sightline export runs/isnet --format onnx": "ONNX takes its time; tests/exporting writes it",
    "docs/methods/phantoms.md:sightline prepare phantoms OUT --ct": "volumes take minutes; tests/data/phantoms",
    "docs/methods/isnet.md:sightline tune": "trains three classifiers; tests/cli/test_tune.py does so",
    # servers of others
    "docs/how_to/object_stores.md": "asks a store; tests/stores does so",
    "docs/dicom.md:sightline pacs": "asks a server; tests/cli/test_pacs.py asks Orthanc",
    # files of others
    "docs/methods/audit.md:sightline audit timm:densenet121": "weights that a user has",
    "docs/methods/audit.md:sightline audit my_models:build": "a model that a user has",
    "docs/methods/audit.md:sightline audit classifier.onnx": "a file that a user has",
}
ELSEWHERE = {
    "docs/integrations.md": "tests/integrations/test_page.py runs it beside the packages that it needs",
    "docs/methods/ct.md:from pathlib": "needs CT series, and starts processes; tests/data/volumes prepares phantoms",
    "README.md:import torch": "tests/architecture/test_repository.py runs it and asks whether it trains",
}


def reason(table: dict[str, str], page: str, start: str) -> str | None:
    """Why something that begins so on a page is not run; None if it is."""

    def fits(key: str) -> bool:
        return page == key or ((key.endswith("/") or ":" in key) and f"{page}:{start}".startswith(key))

    return next((why for key, why in table.items() if fits(key)), None)
