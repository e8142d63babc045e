"""The Gradio app: `python app.py --project FOLDER`. Also the entry of a Hugging Face Space."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from imlcull_al.errors import ImlcullError
from imlcull_al.terminal import say


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until Ctrl-C; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        from imlcull_al.ui import launch

        launch(
            options.project, options.stage, options.model, options.cache_dir, options.host, options.port, options.auth
        )
    except ImlcullError as error:
        say(f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Label, train and cull in the browser.", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--project", type=Path, default=Path(), help="folder that holds stage_1")
    parser.add_argument("--stage", type=int, help="number of the stage; the latest without it")
    parser.add_argument("--model", help="Hugging Face id or local folder of a vision transformer")
    parser.add_argument("--cache-dir", type=Path, help="folder of the embedding cache; cache/ without it")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 lets others in")
    parser.add_argument("--port", type=int, default=7860, help="port of the page")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="ask for these; or set IMLCULL_AUTH")
    return parser


if __name__ == "__main__":
    sys.exit(main())
