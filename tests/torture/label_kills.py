"""Kills processes that label at full speed: every acknowledged label survives, and no others appear.

    python -m tests.torture.label_kills [--kills 500] [--writers 1] [--seed 0]

A child labels, skips and undoes as fast as it can, reporting each step before it starts and once it is acknowledged.
After each kill the labels are reopened: they must equal the acknowledged ones, with or without the step in progress,
and the CSV must be well-formed and agree. After some kills everything is undone, back to the first label. With
`--writers 2` two children share the project, each with its own photos, and are killed one after the other.
"""

import argparse
import csv
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from imlcull_al.project.labels import Labels
from imlcull_al.project.stages import Stage
from imlcull_al.terminal import progress_bar
from tests.torture.killing import killed_together, row, tell

PHOTOS = 40
LONGEST = 0.25  # seconds of labeling before the kill
KILLS_A_STAGE = 25
"""Kills until everything is undone and a new stage is started."""
MODULE = "tests.torture.label_kills"


def main() -> None:
    """Kill, check, and print a table row; exit code 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--writers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", nargs=3, metavar=("PROJECT", "NAME", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        label_for_ever(Path(options.child[0]), options.child[1], int(options.child[2]))
    with tempfile.TemporaryDirectory() as folder, progress_bar() as progress:
        answers, broken = torture(Path(folder), options.kills, options.writers, options.seed, progress)
    who = "one process labels" if options.writers == 1 else f"{options.writers} processes label one stage"
    promised = "every acknowledged answer, none other but the one under way, whole CSV, undo to the first"
    seen = f"{answers:,} acknowledged answers; {len(broken)} kills broke a promise"
    print(row(f"kill -9 while {who}", options.kills, promised, seen))
    for line in broken:
        print(line, file=sys.stderr)
    sys.exit(bool(broken))


def torture(folder: Path, kills: int, writers: int, seed: int, progress: Any) -> tuple[int, list[str]]:
    """How many labels were acknowledged over `kills` kills, and what went wrong."""
    chance = random.Random(seed)
    names = [f"w{writer}" for writer in range(writers)]
    answers, broken = 0, []
    done = 0
    while done < kills:
        if done % KILLS_A_STAGE < writers:
            stage, expected = Stage(folder / str(done), 1), dict[str, str]()
            stage.folder.mkdir(parents=True)
        arguments = [("--child", str(stage.project), name, str(chance.getrandbits(32))) for name in names]
        said = killed_together(MODULE, arguments, chance, LONGEST)
        done += writers
        progress("killing", done, kills)
        again = Labels(stage)
        for name, lines in zip(names, said, strict=True):
            mine = {key: label for key, label in again.as_dict().items() if key.startswith(name)}
            before = {key: label for key, label in expected.items() if key.startswith(name)}
            acknowledged, possible = replayed(before, lines)
            answers += sum("done" in line for line in lines)
            if mine not in (acknowledged, possible):
                broken.append(f"after kill {done}, {name}: {_difference(mine, acknowledged)}; last said {lines[-3:]}")
        expected = again.as_dict()
        if (in_csv := read_csv(stage)) != expected:
            broken.append(f"after kill {done} the CSV differs: {_difference(in_csv, expected)}")
        if (done % KILLS_A_STAGE < writers or done >= kills) and (left := undone(stage)):
            broken.append(f"after kill {done} undo stopped at {left}")
    return answers, broken


def label_for_ever(project: Path, name: str, seed: int) -> None:
    """The child: reports each step before and after."""
    chance, labels = random.Random(seed), Labels(Stage(project, 1))
    tell(begun=True)
    while True:
        keys = [f"{name}_{number:03}.jpg" for number in chance.sample(range(PHOTOS), chance.choice((1, 1, 1, 3)))]
        do = chance.choice(("keep", "cull", "keep", "cull", "undo", "skip"))
        last = labels._journal.state.last_of(keys[0])
        tell(do=do, keys=keys, back={last.key: last.before} if do == "undo" and last else {})
        if do == "undo":
            labels.undo(keys[0])
        elif do == "skip":
            labels.skip(keys[0])
        else:
            labels.answer_all(keys, do)
        tell(done=do)


def replayed(before: dict[str, str], lines: list[dict[str, Any]]) -> tuple[dict[str, str], dict[str, str]]:
    """The acknowledged labels, and the same with the step in progress applied."""
    acknowledged, possible = dict(before), dict(before)
    for line in lines:
        if "do" in line:
            possible = dict(acknowledged)
            if line["do"] in ("keep", "cull"):
                possible.update(dict.fromkeys(line["keys"], line["do"]))
            possible.update({key: label for key, label in line["back"].items() if label})
            for key in [key for key, label in line["back"].items() if not label]:
                possible.pop(key, None)
        elif "done" in line:
            acknowledged = possible
    return acknowledged, possible


def read_csv(stage: Stage) -> dict[str, str]:
    """The CSV by an independent reader; {} if there is none."""
    if not stage.labels.exists():
        return {}
    with stage.labels.open(encoding="utf-8", newline="") as file:
        return {line["image_name"]: line["label"] for line in csv.DictReader(file, strict=True)}


def undone(stage: Stage) -> dict[str, str]:
    """The labels that remain after undoing everything, step by step."""
    labels = Labels(stage)
    undoable = labels._journal.state.undoable
    while undoable:
        each = undoable[-1]
        if labels.undo() != each:
            return {each.key: "was not taken back"}
    return labels.as_dict()


def _difference(found: dict[str, str], expected: dict[str, str]) -> str:
    odd = [key for key in sorted({*found, *expected}) if found.get(key) != expected.get(key)]
    return ", ".join(f"{key}: {found.get(key)} for {expected.get(key)}" for key in odd)


if __name__ == "__main__":
    main()
