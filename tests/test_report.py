import errno
import io
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from imlcull_al.errors import EncoderError, StorageError
from imlcull_al.project.task import Task
from imlcull_al.training import class_figures, figures, report, roc_figures
from imlcull_al.training.evaluation import Prediction
from imlcull_al.training.options import Counts, Epoch
from imlcull_al.training.roc import curve_of
from imlcull_al.training.wording import terms_of

pytestmark = pytest.mark.slow

ALWAYS = ["curves", "precision_recall", "roc", "reliability"]
FIGURES = [*ALWAYS, "confusion_matrix", "mistakes_lost_keepers", "mistakes_kept_culls", "sharpness"]
TABLES = [*ALWAYS, "epochs", "confusion_matrix", "mistakes"]
EPOCHS = [Epoch(1, 0.7, 0.6, 0.6, 0.5), Epoch(2, 0.4, 0.8, 0.5, 0.75)]


def names_of(*parts):
    """The files of a report with these figures, each with its table."""
    return {f"{name}.{kind}" for name in (*ALWAYS, *parts) for kind in ("png", "csv")} | {"epochs.csv"}


def prediction(key, label, p_keep, split):
    return Prediction(key, label, (p_keep, 1 - p_keep), split)


def validation(*pairs):
    return [prediction(f"{n}.jpg", label, p_keep, "validation") for n, (label, p_keep) in enumerate(pairs)]


def half_sharp(path):
    return np.array([[0.0, 1.0, np.nan]])


@pytest.fixture
def write(tmp_path):
    """Write a report of photos that are single colours; a photo called `broken` is none."""

    def write(predictions, epochs=EPOCHS, title="stage_1 · toy · 4 labels", sharpness_of=half_sharp):
        stage = tmp_path / "stage_1"
        stage.mkdir(exist_ok=True)
        Image.new("RGB", (40, 30), (20, 120, 110)).save(stage / "any.png")
        (stage / "broken").write_bytes(b"no photo")
        return report.write_report(
            tmp_path / "stage_1_cull_report",
            title=title,
            epochs=epochs,
            best=2,
            predictions=predictions,
            path_of=lambda key: stage / ("broken" if key == "broken" else "any.png"),
            sharpness_of=sharpness_of,
        )

    return write


@pytest.fixture(autouse=True)
def coarse(request, monkeypatch):
    """Draw a third of the pixels each way, except where they are counted."""
    if "fine" not in request.fixturenames:
        monkeypatch.setattr(figures, "DPI", 50)


@pytest.fixture
def fine():
    """Figures in the resolution of the app."""


@pytest.fixture
def draw_only(monkeypatch):
    """`draw_only("curves")`: the other figures of a report hold no picture."""

    def draw_only(*names):
        for name in {*ALWAYS, "confusion", "mistakes", "sharpness"} - {*names}:
            monkeypatch.setattr(report, f"draw_{name}", lambda *_: b"a figure")

    return draw_only


def sizes(files):
    found = {}
    for file in files:
        if file.suffix == ".png":
            with Image.open(file) as image:
                image.load()
                assert image.format == "PNG"
                found[file.stem] = image.size
    return found


def test_only_all_is_100_percent():
    assert [figures.percent(share) for share in (0, 0.001, 0.25, 0.999, 1)] == ["0 %", "<1 %", "25 %", ">99 %", "100 %"]


def test_names_are_shown_on_one_line_without_their_middle():
    assert figures.shortened("short.jpg", 12) == "short.jpg"
    assert figures.shortened("holiday_2026_IMG_0001.jpg", 13) == "holi…0001.jpg"
    assert figures.drawable("a\nb\t$x$.jpg") == "a b $x$.jpg"
    assert figures.drawable("\u202egpj\ud800写.exe") == "□gpj□□.exe"
    assert figures.drawable("cafe\u0301") == "café"


def test_footnote_says_what_the_figures_are_worth():
    text = report.measured_on(30, 120)
    assert text.startswith(
        "Measured on the 30 validation photos (25 % of 120 labeled), which also chose the best epoch."
    )
    assert "not an honest estimate" in text
    assert "no validation photos" in report.measured_on(0, 120)


def test_report_has_figures_and_the_numbers_beside_them(write, tmp_path, fine):
    files = write(validation(("keep", 0.9), ("keep", 0.25), ("cull", 0.1), ("cull", 0.75)))
    folder = tmp_path / "stage_1_cull_report"
    assert {file.name for file in files} == {f"{name}.png" for name in FIGURES} | {f"{name}.csv" for name in TABLES}
    assert sorted(files) == sorted(folder.iterdir())
    assert all(900 < width < 2000 and 300 < height < 2000 for width, height in sizes(files).values())
    assert (folder / "curves.csv").read_text() == (
        "epoch,train_loss,val_loss,val_accuracy\n1,0.7,0.6,0.5\n2,0.4,0.5,0.75\n"
    )
    assert (folder / "confusion_matrix.csv").read_text() == "label,model_keep,model_cull\nkeep,1,1\ncull,1,1\n"
    assert (folder / "mistakes.csv").read_text() == (
        "image_name,label,p_keep,split\n1.jpg,keep,0.25,validation\n3.jpg,cull,0.75,validation\n"
    )
    assert (folder / "reliability.csv").read_text().splitlines()[:2] == [
        "p_keep_from,p_keep_to,photos,p_keep,kept,kept_low,kept_high",
        "0.0,0.2,1,0.1,0.0,0.0,0.793457",
    ]


def test_a_report_has_all_thresholds_and_the_counts_of_every_epoch(write, tmp_path, draw_only):
    draw_only()
    epochs = [Epoch(0, 0.7, 0.6, 0.6, 0.5, (Counts(2, 2, 0, 0),)), Epoch(1, 0.4, 0.8, 0.5, 0.75, (Counts(1, 0, 1, 2),))]
    seen = validation(("keep", 0.9), ("keep", 0.25), ("cull", 0.1), ("cull", 0.75))
    write([*seen, prediction("t.jpg", "keep", 0.01, "train")], epochs)
    folder = tmp_path / "stage_1_cull_report"
    assert (folder / "precision_recall.csv").read_text() == (
        "threshold,recall,precision\n0.9,0.5,1.0\n0.75,0.5,0.5\n0.25,1.0,0.666667\n0.1,1.0,0.5\n"
    )
    assert (folder / "roc.csv").read_text() == (
        "threshold,false_positive_rate,true_positive_rate\n0.9,0.0,0.5\n0.75,0.5,0.5\n0.25,0.5,1.0\n0.1,1.0,1.0\n"
    )
    assert (folder / "epochs.csv").read_text() == "epoch,class,tp,fp,fn,tn\n0,keep,2,2,0,0\n1,keep,1,0,1,2\n"


def test_many_mistakes_fill_one_sheet_and_all_are_in_the_table(write, tmp_path, draw_only):
    draw_only("mistakes")
    files = write([prediction(f"{n}.jpg", "keep", n / 2000, "train") for n in range(500)])
    found = sizes([file for file in files if file.name.startswith("mistakes")])
    assert found["mistakes_lost_keepers"][1] > 3 * found["mistakes_kept_culls"][1]
    assert len((tmp_path / "stage_1_cull_report" / "mistakes.csv").read_text().splitlines()) == 501


def test_nothing_to_show_is_a_report_too(write):
    assert set(sizes(write([], epochs=[]))) == set(FIGURES)


@pytest.mark.filterwarnings("error", "ignore::ResourceWarning")  # of what earlier tests left to be collected
def test_one_class_one_epoch_and_awkward_names_are_drawn_without_a_warning(write):
    names = ["a\nb.jpg", "😀 写真.jpg", "$x_{1$ \\frac{.jpg", "W" * 300, "very/" + "deep/" * 99 + "1.jpg", "broken"]
    predictions = [prediction(name, "keep", 0.1, "validation") for name in names]
    epochs = [Epoch(1, math.nan, 0.0, math.inf, 0.0)]
    files = write(predictions, epochs, title="$5 $bad_{\n😀 " + "x" * 300)
    assert set(sizes(files)) == set(FIGURES)


def test_a_photo_that_cannot_be_read_is_a_grey_tile(write, tmp_path, draw_only):
    draw_only("mistakes")

    def colours(key):
        write([prediction(key, "cull", 0.9, "validation")])
        return colours_of(tmp_path / "stage_1_cull_report" / "mistakes_kept_culls.png")

    photo, grey = (20, 120, 110), (213, 218, 222)
    assert {photo, grey} & colours("any.jpg") == {photo}
    assert {photo, grey} & colours("broken") == {grey}


def colours_of(path):
    with Image.open(path) as image:
        return {colour for _, colour in image.convert("RGB").getcolors(1 << 20)}


def test_the_first_mistakes_are_shown_under_their_maps_and_no_more_maps_are_made(write, tmp_path, draw_only):
    draw_only("sharpness")
    asked = []

    def sharpness_of(path):
        asked.append(path.name)
        return half_sharp(path)

    lost = [prediction(f"{n}.jpg", "keep", n / 100, "validation") for n in range(20)]
    kept = [prediction(f"c{n}.jpg", "cull", 0.9, "validation") for n in range(2)]
    write(lost + kept, sharpness_of=sharpness_of)
    assert asked == ["any.png"] * 8
    sheet = tmp_path / "stage_1_cull_report" / "sharpness.png"
    grey = 89  # of the photo (20, 120, 110)
    blurred, sharp = (tuple(round((grey + value) / 2) for value in each) for each in ((59, 79, 196), (255, 225, 37)))
    close = {tuple(value // 4 for value in colour) for colour in colours_of(sheet)}
    assert {tuple(value // 4 for value in each) for each in (blurred, sharp, (grey, grey, grey))} <= close


@pytest.mark.parametrize("error", [EncoderError("There is none."), MemoryError(), ValueError("a strange\nmap")])
def test_a_report_is_written_without_the_maps_that_cant_be_made(write, tmp_path, error, draw_only):
    draw_only("sharpness")

    def fail(path):
        raise error

    files = write(validation(("keep", 0.1)), sharpness_of=fail)
    assert {file.name for file in files} == {f"{name}.png" for name in FIGURES} | {f"{name}.csv" for name in TABLES}
    assert (213, 218, 222) in colours_of(tmp_path / "stage_1_cull_report" / "sharpness.png")


@pytest.fixture
def undrawn(draw_only):
    draw_only()


def test_a_new_report_replaces_the_old_one_but_not_what_a_person_put_beside_it(undrawn, write, tmp_path):
    write(validation(("keep", 0.1)))
    folder = tmp_path / "stage_1_cull_report"
    (folder / "my notes.txt").write_text("mine")
    files = write(validation(("keep", 0.9)))
    assert (folder / "mistakes.csv").read_text() == "image_name,label,p_keep,split\n"
    assert (folder / "my notes.txt").read_text() == "mine"
    assert len(list(folder.iterdir())) == len(files) + 1
    assert {path.name for path in tmp_path.iterdir()} == {"stage_1", "stage_1_cull_report"}


@pytest.fixture
def old_report(undrawn, write):
    """Bytes of a report already there, by path."""
    return {file: file.read_bytes() for file in write(validation(("keep", 0.9)))}


def assert_as_it_was(old_report, tmp_path):
    assert {path.name for path in tmp_path.iterdir()} == {"stage_1", "stage_1_cull_report"}
    assert {path: path.read_bytes() for path in (tmp_path / "stage_1_cull_report").iterdir()} == old_report


def test_old_report_survives_a_full_disk(write, tmp_path, old_report, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"stage_1_cull_report: No space left on device"):
        write(validation(("keep", 0.1)))
    assert_as_it_was(old_report, tmp_path)


def test_old_report_comes_back_when_the_new_one_cannot_take_its_place(write, tmp_path, old_report, monkeypatch):
    rename, calls = report.put_in_place, []

    def second_fails(path, target):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(errno.EACCES, "Permission denied")
        rename(path, target)

    monkeypatch.setattr(report, "put_in_place", second_fails)
    with pytest.raises(StorageError, match="Permission denied"):
        write(validation(("keep", 0.1)))
    assert_as_it_was(old_report, tmp_path)


def test_old_report_survives_a_failure_while_drawing(write, tmp_path, old_report, monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(report, "draw_reliability", fail)
    with pytest.raises(MemoryError):
        write(validation(("keep", 0.1)))
    assert_as_it_was(old_report, tmp_path)


def test_a_file_in_the_place_of_the_report_is_left_alone(undrawn, write, tmp_path):
    (tmp_path / "stage_1_cull_report").write_text("mine")
    with pytest.raises(StorageError, match="stage_1_cull_report"):
        write(validation(("keep", 0.1)))
    assert (tmp_path / "stage_1_cull_report").read_text() == "mine"


def test_matplotlib_is_only_loaded_to_draw():
    code = "import sys, imlcull_al.training.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


GARMENT = Task("garment", ("shirt", "$x_{1$ dréss/é", "+shoe"))
NOTES = Task("notes", ("red", "striped"), exclusive=False)


@pytest.fixture
def write_for(tmp_path):
    def write_for(task, predictions):
        files = report.write_report(
            tmp_path / "report",
            title="stage_1",
            epochs=EPOCHS,
            best=2,
            predictions=predictions,
            path_of=lambda key: tmp_path / key,
            sharpness_of=lambda path: pytest.fail("no sharpness is asked for"),
            task=task,
        )
        return {file.name: file for file in files}

    return write_for


def test_a_report_of_several_classes(write_for):
    shirt, dress, shoe = GARMENT.classes
    given = [(shirt, (0.7, 0.2, 0.1)), (dress, (0.1, 0.3, 0.6)), (shoe, (0.05, 0.05, 0.9)), (shoe, (0.9, 0.1, 0.0))]
    files = write_for(
        GARMENT,
        [Prediction(f"{n}.jpg", label, p, "train" if n == 3 else "validation") for n, (label, p) in enumerate(given)],
    )
    assert set(files) == names_of("confusion_matrix", "classes", "mistakes")
    assert set(sizes(files.values())) == {*ALWAYS, "confusion_matrix", "classes", "mistakes"}
    assert files["confusion_matrix.csv"].read_text().splitlines() == [
        f"label,model_shirt,model_{dress},model_+shoe", "shirt,1,0,0", f"{dress},0,0,1", "./+shoe,0,0,1"]  # fmt: skip
    assert files["classes.csv"].read_text().splitlines() == [
        "class,photos,model,right,recall,recall_low,recall_high,precision,precision_low,precision_high",
        "shirt,1,1,1,1.0,0.206543,1.0,1.0,0.206543,1.0",
        f"{dress},1,0,0,0.0,0.0,0.793457,,,",
        "./+shoe,1,2,1,1.0,0.206543,1.0,0.5,0.094529,0.905471",
    ]
    assert files["mistakes.csv"].read_text().splitlines() == [
        "image_name,label,model,probability,split",
        f"1.jpg,{dress},./+shoe,0.6,validation",
        "3.jpg,./+shoe,shirt,0.9,train",
    ]
    assert files["reliability.csv"].read_text().splitlines()[1:] == [
        "0.6,0.8,2,0.65,0.5,0.094529,0.905471", "0.8,1.0,1,0.9,1.0,0.206543,1.0"]  # fmt: skip


def test_a_report_of_tags(write_for):
    given = [("red=1;striped=0", (0.75, 0.25)), ("red=0", (0.9, 0.5)), ("striped=1", (0.5, 0.1))]
    files = write_for(NOTES, [Prediction(f"{n}.jpg", *pair, "validation") for n, pair in enumerate(given)])
    assert set(files) == names_of("tags", "mistakes")
    assert files["tags.csv"].read_text().splitlines()[1:] == [
        "red,1,0,1,0,1.0,0.206543,1.0,0.5,0.094529,0.905471", "striped,0,1,0,1,0.0,0.0,0.793457,,,"]  # fmt: skip
    assert files["mistakes.csv"].read_text().splitlines() == [
        "image_name,tag,label,model,probability,split",
        "1.jpg,red,no,yes,0.9,validation",
        "2.jpg,striped,yes,no,0.1,validation",
    ]
    assert files["reliability.csv"].read_text().splitlines()[0].split(",")[2:5] == ["decisions", "probability", "share"]


def test_thresholds_and_epochs_of_several_classes_name_the_class(write_for, monkeypatch):
    counts = (Counts(1, 0, 0, 1), Counts(0, 0, 1, 1), Counts(0, 1, 0, 1))
    monkeypatch.setitem(globals(), "EPOCHS", [Epoch(1, 0.7, 0.6, 0.6, 0.5, counts)])
    _, dress, shoe = GARMENT.classes
    given = [(dress, (0.25, 0.5, 0.25)), (shoe, (0.5, 0.25, 0.25))]
    files = write_for(GARMENT, [Prediction(f"{n}.jpg", *pair, "validation") for n, pair in enumerate(given)])
    assert files["precision_recall.csv"].read_text().splitlines() == [
        "class,threshold,recall,precision", f"{dress},0.5,1.0,1.0", f"{dress},0.25,1.0,0.5",
        "./+shoe,0.25,1.0,0.5"]  # fmt: skip
    assert files["roc.csv"].read_text().splitlines()[0] == "class,threshold,false_positive_rate,true_positive_rate"
    assert files["epochs.csv"].read_text().splitlines() == [
        "epoch,class,tp,fp,fn,tn", "1,shirt,1,0,0,1", f"1,{dress},0,0,1,1", "1,./+shoe,0,1,0,1"]  # fmt: skip


@pytest.fixture
def told(monkeypatch):
    """Headline, footnote and legend of each figure that is drawn with curves."""
    pages, legends = [], []
    page, png = roc_figures.page, roc_figures.png

    def noted(width, body, headline, caption):
        pages.append((headline, caption.footnote))
        return page(width, body, headline, caption)

    def named(figure):
        (axes,) = figure.axes
        legends.append([text.get_text() for text in axes.get_legend().get_texts()] if axes.get_legend() else [])
        return png(figure)

    monkeypatch.setattr(roc_figures, "page", noted)
    monkeypatch.setattr(roc_figures, "png", named)
    return lambda: [(*page, legend) for page, legend in zip(pages, legends, strict=True)]


def test_both_curves_say_their_area_its_interval_and_that_of_a_random_order(write, told):
    write(validation(("keep", 0.9), ("keep", 0.8), ("cull", 0.1), ("cull", 0.2)))
    precision, roc = told()
    assert precision[0] == "Average precision: 100 % (34 % to 100 %)"
    assert precision[2] == ["the model", "a random order, 50 %", "p_keep 50 %"]
    assert roc[0] == "AUC: 100 % (39 % to 100 %)"
    assert roc[2] == ["the model", "a random order, 50 %", "p_keep 50 %"]
    assert "Measured on the 4 validation photos" in precision[1]
    assert "how often a keeper has a larger p_keep than a cull" in roc[1]


def test_a_class_of_all_or_none_of_the_photos_is_left_out_and_said(write_for, told):
    shirt, dress, _ = GARMENT.classes
    given = [(shirt, (0.7, 0.2, 0.1)), (dress, (0.1, 0.6, 0.3)), (dress, (0.8, 0.1, 0.1))]
    write_for(GARMENT, [Prediction(f"{n}.jpg", *pair, "validation") for n, pair in enumerate(given)])
    precision, _ = told()
    assert precision[0] == "Average precision: 67 % on average over 2 classes; lowest: shirt, 50 %"
    assert "Left out, with all or none of the validation photos: +shoe." in precision[1]
    assert [name.splitlines()[1] for name in precision[2]] == ["shirt (1)", f"{dress} (2)"]


@pytest.mark.parametrize("task", [GARMENT, NOTES, Task("focus", ("sharp", "soft"))])
def test_no_curve_is_a_figure_that_says_so(write_for, told, task):
    files = write_for(task, [])
    assert [words[0] for words in told()] == [
        f"No {what}: it takes validation photos of both kinds" for what in ("average precision", "AUC")
    ]
    assert len(files["roc.csv"].read_text().splitlines()) == 1


def test_long_names_of_many_curves_stay_on_the_page(fine):
    names = [f"Panthera pardus orientalis {number}" for number in range(20)]
    chance = np.random.default_rng(0)
    has = np.arange(100) % 20 == np.arange(20)[:, None]
    curves = [curve_of(name, chance.random(100), each) for name, each in zip(names, has, strict=True)]
    caption = figures.Caption("stage_1", "Footnote.")
    for draw in (roc_figures.draw_precision_recall, roc_figures.draw_roc):
        drawn = np.asarray(Image.open(io.BytesIO(draw(curves, terms_of(GARMENT), caption))).convert("L"))
        assert (drawn[:, -20:] == 255).all()
        assert (drawn[-20:] == 255).all()


FOCUS = Task("focus", ("sharp", "soft"))
RED = Task("red", ("red",), exclusive=False)


@pytest.mark.parametrize(
    ("task", "label", "probability", "rows"),
    [
        (FOCUS, "soft", (0.75, 0.25), ["label,model_sharp,model_soft", "sharp,0,0", "soft,1,0"]),
        (RED, "red=0", (0.75,), ["label,model_red,model_not red", "red,0,0", "not red,1,0"]),
    ],
)
def test_two_answers_have_the_confusion_matrix_of_two(write_for, task, label, probability, rows):
    files = write_for(task, [Prediction("a.jpg", label, probability, "validation")])
    assert files["confusion_matrix.csv"].read_text().splitlines() == rows
    assert files["reliability.csv"].read_text().splitlines()[1] == "0.6,0.8,1,0.75,0.0,0.0,0.793457"
    assert not {"classes.png", "tags.png", "sharpness.png"} & set(files)


def test_many_classes_are_drawn_as_those_of_the_most_answers(write_for):
    task = Task("many", tuple(f"class {number}" for number in range(60)))
    likely = np.eye(60)
    predictions = [
        Prediction(f"{n}.jpg", f"class {n % 45}", tuple(likely[n % 7].tolist()), "validation") for n in range(90)
    ]
    files = write_for(task, predictions)
    assert len(files["confusion_matrix.csv"].read_text().splitlines()) == 61
    assert all(width < 2400 and height < 2400 for width, height in sizes(files.values()).values())
    assert class_figures._most_answered([1, 3, 0, 3] * 10) == [*sorted({*range(1, 40, 2), *range(0, 40, 4)})]


@pytest.mark.parametrize("task", [GARMENT, NOTES])
def test_a_report_of_another_task_without_photos_is_one_too(write_for, task):
    assert "mistakes.png" in sizes_by_name(write_for(task, []))


def sizes_by_name(files):
    return {f"{name}.png": size for name, size in sizes(files.values()).items()}
