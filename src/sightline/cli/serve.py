"""Answer over HTTP: predictions and maps of a run for images that are sent to it.

sightline serve runs/isnet
sightline serve runs/isnet --host 0.0.0.0 --token WORD --timeout 60
curl -F file=@scan.png http://127.0.0.1:8000/predict
curl -F file=@scan.png 'http://127.0.0.1:8000/explain?method=lrp&target=pneumonia' -o map.png

POST /predict and /explain; GET /health, /ready, /metrics, /model and /openapi.json. It answers this machine only,
unless another --host is given; then a token is demanded, and made up if none is given. Ctrl-C finishes what is in work.
Needs the extra 'serve'.
"""

import importlib.util
import secrets
import sys
from argparse import Namespace
from pathlib import Path

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError
from sightline.errors import MissingExtraError

_NEEDS = ("fastapi", "uvicorn", "python_multipart")


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; default: 127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="0 for a free one; default: 8000")
    parser.add_argument("--token", default="", metavar="WORD", help="that requests must bear")
    parser.add_argument("--methods", nargs="+", default=[], metavar="NAME", help="to offer; default: the quick ones")
    parser.add_argument("--max-bytes", type=int, metavar="N", help="of a request; default: 64 MiB, volumes 512 MiB")
    parser.add_argument("--max-pixels", type=int, metavar="N", help="of an image; default: 32 Mi, volumes 256 Mi")
    parser.add_argument("--timeout", type=float, metavar="S", help="for a request; default: 30 s, volumes 120 s")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that read files; default: 2, volumes 1")
    parser.add_argument("--batch", type=int, metavar="N", help="most images in one pass; default: 16, volumes 1")
    parser.add_argument("--window", type=float, metavar="MS", help="that a pass waits for others; default: 5 ms")
    parser.add_argument("--queue", type=int, metavar="N", help="requests at a time; default: 64, volumes 8")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Serve until a signal comes."""
    if missing := [name for name in _NEEDS if importlib.util.find_spec(name) is None]:
        raise MissingExtraError(
            f"serving needs the extra 'serve' ({', '.join(missing)} not found): pip install 'sightline[serve]'"
        )
    if not all(33 <= ord(letter) < 127 for letter in arguments.token):
        raise UsageError("--token must be letters, digits and signs of ASCII, without a space")
    from sightline.addresses import is_loopback
    from sightline.answering import Answerer
    from sightline.serving import Limits, make_app, serve
    from sightline.serving.server import LOOPBACK, listen

    answerer = Answerer.open(arguments.run)
    limits = Limits.of(
        answerer.axes,
        max_bytes=arguments.max_bytes,
        max_pixels=arguments.max_pixels,
        timeout_s=arguments.timeout,
        readers=arguments.workers,
        batch=arguments.batch,
        window_s=None if arguments.window is None else arguments.window / 1000,
        queue=arguments.queue,
    )
    remote = not is_loopback(arguments.host)
    token = arguments.token or (secrets.token_urlsafe(24) if remote else "")
    hosts = () if token else (*LOOPBACK, arguments.host)
    app = make_app(answerer, limits=limits, token=token, hosts=hosts, methods=arguments.methods)
    listener = listen(arguments.host, arguments.port)
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    url = f"http://{host}:{listener.getsockname()[1]}"

    made_up = token if not arguments.token else ""

    def began() -> None:
        if arguments.json:
            say_json({"run": answerer.name, "url": url, "token": made_up or None})
        else:
            say(f"{answerer.name} answers at {url}" + (f"\ntoken: {made_up}" if made_up else ""))
        sys.stdout.flush()  # whoever reads it waits for it

    return serve(app, listener, limits, began=began)
