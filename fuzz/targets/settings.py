"""YAML: the settings of a training, and as they are typed on the command line."""

from collections.abc import Iterator
from contextlib import suppress

from sightline import yaml12
from sightline.cli.settings import RECIPES, read_settings, to_yaml
from sightline.errors import SightlineError
from sightline.training import TrainSettings
from targets.files import as_file

WORDS = (
    *(
        b"cohort: ",
        b"epochs: ",
        b"model:",
        b"guidance:",
        b"optim:",
        b"  method: ",
        b"  lr: ",
        b"null",
        b"true",
        b".inf",
    ),
    *(
        b".nan",
        b"1e-4",
        b"0x1F",
        b"0o17",
        b"!!int ",
        b"!!float ",
        b"!!bool ",
        b"!!binary ",
        b"!!python/object:x ",
        b"&a ",
        b"*a",
    ),
    *(
        b"<<: ",
        b"? ",
        b"- ",
        b"[",
        b"{",
        b"|\n",
        b">\n",
        b"%YAML 1.1\n",
        b"---\n",
        b"...\n",
        b"\\U0010FFFF",
        b"\xef\xbb\xbf",
    ),
)


def one(data: bytes) -> None:
    """Read a file of settings, and the same as a word of the command line; what was read can be written and read."""
    with as_file(data, "settings.yaml") as path:
        with suppress(SightlineError):
            plain = yaml12.read_file(path).plain()
            assert repr(yaml12.read(yaml12.dump(plain), "again").plain()) == repr(plain)
        with suppress(SightlineError):
            settings = read_settings(TrainSettings, [str(path)])
            path.write_text(to_yaml(settings), encoding="utf-8")
            assert read_settings(TrainSettings, [str(path)]) == settings
    text = data.decode("utf-8", "replace")
    with suppress(SightlineError):
        read_settings(TrainSettings, [], ["data.cohort=x", f"optim.lr={text}"])
    with suppress(SightlineError):
        read_settings(TrainSettings, [], ["data.cohort=x", text])


def seeds() -> Iterator[tuple[str, bytes]]:
    """The recipes, and what YAML can do."""
    for name in ("isnet", "plain", "gain"):
        file = RECIPES / f"{name}.yaml"
        if file.is_file():
            yield name, file.read_bytes() + b"\ndata:\n  cohort: phantoms\n"
    yield "scalars", b"name: 007\nepochs: 0x10\nseed: +3\nworkers: ~\noptim: {lr: .5e-3, weight_decay: 1}\n"
    yield "blocks", b'name: |-\n  two\n  lines\ndata: &d\n  cohort: "a\\tb"\nother: *d\n? key\n: - 1\n  - [2, {a: b}]\n'
    yield "word", b"1e-4"
    yield "assignment", b"data.batch_size=8"
