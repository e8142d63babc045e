"""What commands share: open a session, say, ask, print. Knows no command."""

import argparse
import sys
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RatingsRefused
from ..installation import quoted, started_as
from ..project.files import replace_text
from ..project.stages import absolute, lies_in_a_stage
from ..project.task import CULL_TASK
from ..terminal import plain, progress_bar, say

if TYPE_CHECKING:
    from ..project.stages import Stage
    from ..session.session import Session

MOST_NAMES = 50
"""Names listed in one note, at most."""


def begin(options: argparse.Namespace) -> None:
    """Make the project of a folder of photos that has none yet, as `open` does."""
    from ..project.listing import has_photos
    from ..project.opening import project_of

    if has_photos(absolute(options.project)):
        project_of(options.project)


def prepared(options: argparse.Namespace) -> "Session":
    """The session of a command line, with its embeddings."""
    with progress_bar() as progress:
        session = opened(options, progress=progress)
    say_notices(session)
    return session


def opened(options: argparse.Namespace, stage: "Stage | None" = None, **named: Any) -> "Session":
    """The session of a command line. `stage`: if not that of its project; `named`: more arguments of `open_session`."""
    from ..session.session import open_session

    names = ("task", "classes", "tags", "start", "scores")
    asked = {name: getattr(options, name) for name in names if hasattr(options, name)}
    return open_session(stage or options.project, options.stage, options.model, options.cache_dir, **asked, **named)


def goes_on(options: argparse.Namespace, question: str) -> bool:
    """Whether to go on after a preview: `--yes`, or a person who says so; never `--dry-run`."""
    if options.dry_run or options.yes:
        if options.dry_run:
            print("Dry run: nothing was changed.")
        return not options.dry_run
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        print("Nothing was changed. Run it again with --yes to go on.")
        return False
    say(f"{question} [y/N]")
    if sys.stdin.readline().strip().casefold() in ("y", "yes"):
        return True
    print("Nothing was changed.")
    return False


def say_names(what: str, reasons: Mapping[str, str]) -> None:
    """A line for each name and its reason, cut where there are many."""
    for key, reason in islice(reasons.items(), MOST_NAMES):
        say(f"{what}: {key!r}: {reason}")
    if len(reasons) > MOST_NAMES:
        say(f"{what}: {len(reasons) - MOST_NAMES} more")


def put_out(session: "Session", path: Path | None, text: str) -> None:
    """Results to a file if one is named, else to standard output."""
    if path is None:
        print_results(text)
    else:
        write_beside(session.stage, path, text)


def write_beside(stage: "Stage", path: Path | None, text: str) -> None:
    """Write a list or table to a file that was asked for, outside the stages."""
    if path is None:
        return
    if lies_in_a_stage(path.absolute().parent, stage):
        raise RatingsRefused(f"{path} lies among the photos, where only sidecars are written. Choose another folder.")
    replace_text(path.absolute(), text)
    say(f"Wrote {path}.")


def print_results(text: str) -> None:
    """Verbatim when piped; with control characters escaped on a terminal, because file names may contain them."""
    print("\n".join(plain(line) for line in text.split("\n")) if sys.stdout.isatty() else text, end="")


def say_notices(session: "Session") -> None:
    """Say what is unusual about a session: another encoder than asked for, labels without a photo."""
    if session.notice:
        say(f"Note: {session.notice}")
    if missing := session.counts().missing:
        say(f"Note: labels of photos that are not in {session.stage.name}: {missing}. They are kept but ignored.")
        for key, reason in islice(session.strays().items(), MOST_NAMES):
            say(f"  {key!r}: {reason}")
        if missing > MOST_NAMES:
            say(f"  and {missing - MOST_NAMES} more")


def check_undo(options: argparse.Namespace) -> None:
    """Raise `RatingsRefused` for a preview of an undo."""
    if options.undo and options.dry_run:
        raise RatingsRefused("--undo has no preview. Leave out --dry-run to undo, or --undo to see a preview.")


def way_back(what: str, options: argparse.Namespace, kind: str = "ratings") -> str:
    """The command that undoes this import or export."""
    words = [what, kind, "--undo", "--project", str(options.project)]
    for name in ("stage", "cache_dir"):
        if (value := getattr(options, name, None)) is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    if getattr(options, "task", CULL_TASK.name) != CULL_TASK.name:
        words += ["--task", options.task]
    return " ".join([started_as(), *map(quoted, words)])
