"""A real archive for tests: Orthanc with its DICOMweb plugin, as Debian packages them, on the loopback."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PLUGINS = (
    Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"),
    Path("/usr/lib/orthanc/plugins/libOrthancDicomWeb.so"),
)
STARTS_WITHIN_S = 60


def needs() -> tuple[str, Path]:
    """The programme and its plugin; the test is skipped without them."""
    programme = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/bin")
    plugin = next((file for file in PLUGINS if file.is_file()), None)
    if programme is None or plugin is None:
        pytest.skip("Orthanc or its DICOMweb plugin is not installed (apt: orthanc orthanc-dicomweb)")
    pytest.importorskip("dicomweb_client", reason="dicomweb-client is not installed")
    return programme, plugin


@contextmanager
def running(*, users: dict[str, str] | None = None) -> Iterator[str]:
    """The address of a new and empty server, which ends with the block whatever happens in it."""
    programme, plugin = needs()
    with tempfile.TemporaryDirectory(prefix="orthanc-") as folder:
        port = _free_port()
        settings = {
            "Name": "test",
            "StorageDirectory": f"{folder}/storage",
            "IndexDirectory": f"{folder}/index",
            "Plugins": [str(plugin)],
            "HttpPort": port,
            "HttpBindAddresses": ["127.0.0.1"],
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": bool(users),
            "RegisteredUsers": users or {},
            "DicomServerEnabled": False,
            "DicomAlwaysAllowFind": True,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            "ConcurrentJobs": 1,
            "HttpThreadsCount": 4,
        }
        config = Path(folder) / "orthanc.json"
        config.write_text(json.dumps(settings))
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen([programme, str(config)], stdout=log, stderr=log, cwd=folder)
        try:
            _wait(process, port, Path(folder) / "log")
            yield f"http://127.0.0.1:{port}/dicom-web"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN_S
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < until and process.poll() is None:
        try:
            with direct.open(f"http://127.0.0.1:{port}/system", timeout=2):
                return
        except urllib.error.HTTPError:  # it wants a password, so it is there
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"Orthanc did not start: {log.read_text(errors='replace')[-2000:]}")


def unset_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine that runs the tests decides who we are or which way requests go."""
    for name in [name for name in os.environ if name.upper().endswith("_PROXY") or name.startswith("SIGHTLINE_PACS")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", os.devnull)
