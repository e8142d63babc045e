"""The arithmetic of the benchmark of what encoders see, on made-up embeddings."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks import seen
from benchmarks.defects import Spoiled
from imlcull_al.encoding.builtin import QUALITIES
from recipe.degradations import KINDS

GROUPS = np.repeat(np.arange(20), 10)
KEEP = np.tile([True, False], 100)


def task(judge=None) -> seen.Task:
    paths = {f"{number:03}": Path(f"{number:03}.jpg") for number in range(200)}
    return seen.Task(
        "made up", paths, GROUPS, KEEP, judge or (lambda p_keep, rows: float(roc_auc_score(KEEP[rows], p_keep)))
    )


@pytest.mark.slow
def test_what_tells_the_answer_is_found_and_what_does_not_is_not():
    noise = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32)
    told = noise.copy()
    told[:, 0] += 6 * KEEP
    curves = [seen.play(task(), rows, 3) for rows in (told, noise)]
    assert [each.shape for each in curves] == [(3, len(seen.BUDGETS))] * 2
    assert curves[0][:, -1].min() > 0.95
    assert 0.3 < curves[1].mean() < 0.7


def test_no_group_is_divided():
    judged = []
    seen.play(task(lambda p_keep, rows: judged.append(rows) or 0.5), np.eye(200, 8, dtype=np.float32), 2)
    assert len(judged) == 2 * len(seen.BUDGETS)
    for held in judged:
        assert 0.3 <= len(held) / 200 < 0.4
        assert all((np.isin(np.flatnonzero(group == GROUPS), held)).all() for group in np.unique(GROUPS[held]))


def test_a_task_without_enough_of_both_kinds_has_no_split():
    lonely = seen.Task("lonely", {}, np.zeros(10, int), np.ones(10, bool), lambda p_keep, rows: 0.0)
    with pytest.raises(SystemExit, match="No split of lonely"):
        seen.play(lonely, np.ones((10, 2), np.float32), 1)


def test_the_number_for_a_defect_is_judged_on_that_defect():
    made, rows = [], []
    chance = np.random.default_rng(1)
    for group in (-1, 5):
        for kind in (None, *KINDS):
            for band in (0, 1) if kind else (None,):
                for number in range(4):
                    made.append(Spoiled(f"{group}{kind}{band}{number}", group, kind, band))
                    row = chance.uniform(0, 0.1, 54)
                    if kind == "motion":
                        row[len(QUALITIES) + KINDS.index("motion")] += 1  # in the tiles
                    rows.append(row)
    lines = [line for line in seen.by_kind(made, np.array(rows)).splitlines() if line.startswith("| motion")]
    cells = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert cells[3:] == ["1.00 / 1.00"] * 2
    assert "1.00 / 1.00" not in cells[1:3]


def test_the_table_has_a_line_for_every_encoder():
    names = ["plain defects", "faint defects", "best of burst", *seen.CLASSES, "curators' rejects"]
    values = {name: np.full((3, len(seen.BUDGETS)), 0.25 if name == "Shoes" else 0.75) for name in names}
    text = seen.report({"one": values, "two": values}, 0.31, 3)
    assert text.count("| one |") == text.count("| two |") == 5
    assert "(31% by chance)" in text and "0.625 ± 0.000" in text
    assert "\\n" not in text
