"""Start the web page: `python app.py --project FOLDER`.

On a Hugging Face Space, without --project, serves a public page where every visitor has their own workspace.
"""

import argparse
import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from imlcull_al.cli.options import CACHE_DIR_HELP, add_device
from imlcull_al.cli.parser import Help
from imlcull_al.cli.values import count_or_zero, port
from imlcull_al.encoding.device import choose
from imlcull_al.errors import ImlcullError, ServerError
from imlcull_al.installation import started_as
from imlcull_al.terminal import say, show_log
from imlcull_al.training.options import TRAIN_EVERY

DATA_VARIABLE = "IMLCULL_DATA"
"""Environment variable: folder for the workspaces of a public page."""
_SPACE_VARIABLE = "SPACE_ID"  # set by Hugging Face


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until Ctrl-C; return the exit code."""
    show_log()
    options = _parser().parse_args(arguments)
    try:
        if options.device:
            choose(options.device)
        if options.project is None and _SPACE_VARIABLE in os.environ:
            if options.stage or options.cache_dir or options.mcp:
                raise ServerError("--stage, --cache-dir and --mcp need a project. Name it with --project.")
            _serve_visitors(options)
        else:
            _serve_project(options)
    except ImlcullError as error:
        say(f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _serve_project(options: argparse.Namespace) -> None:
    from imlcull_al.ui import launch

    launch(
        options.project or Path(),
        options.stage,
        options.model,
        options.cache_dir,
        options.host or "127.0.0.1",
        options.port,
        options.auth,
        mcp=options.mcp,
        train_every=options.train_every,
    )


def _serve_visitors(options: argparse.Namespace) -> None:
    if importlib.util.find_spec("spaces"):  # a ZeroGPU Space fails to start without a GPU function
        importlib.import_module("spaces").GPU(_nothing)
    from imlcull_al.ui import launch_public

    folder = os.environ.get(DATA_VARIABLE) or Path(tempfile.gettempdir()) / "imlcull"
    launch_public(folder, options.model, options.host or "0.0.0.0", options.port, options.auth)


def _nothing() -> None:
    """Placeholder GPU function: ZeroGPU's one-minute slices are too short for embedding or training."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=started_as(),
        description="Label photos, train a model and cull, in the browser.",
        formatter_class=Help,
    )
    parser.add_argument("--project", type=Path, help="project, or its folder of photos (default: current folder)")
    parser.add_argument("--stage", type=int, help="stage number (default: the latest)")
    parser.add_argument("--model", help="Hugging Face id or local folder of a vision transformer")
    parser.add_argument("--cache-dir", type=Path, help=CACHE_DIR_HELP)
    add_device(parser)
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1); 0.0.0.0 allows other machines")
    parser.add_argument("--port", type=port, default=7860, help="port to listen on")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="require this login; or set IMLCULL_AUTH")
    parser.add_argument(
        "--train-every",
        type=count_or_zero,
        default=TRAIN_EVERY,
        help="train by itself after so many new answers; 0 for never",
    )
    parser.add_argument("--mcp", action="store_true", help='expose the API to MCP clients; needs "gradio[mcp]"')
    return parser


if __name__ == "__main__":
    sys.exit(main())
