"""The screens for tasks other than cull: several classes, many classes, and tags."""

import json
import re
import shutil
import uuid
from urllib.parse import unquote

import pytest
from conftest import ask, fill_stage, save_photo, until
from test_accessibility import SIZES, violations

from imlcull_al.errors import LabelsError, StageError
from imlcull_al.project.task import CULL_TASK, Task
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import Counts, open_session
from imlcull_al.ui import api, improve, label, presses, promise, review, serving, tasks

ME = str(uuid.UUID(int=1))
GARMENT = Task("garment", ("shirt", "dress", "shoe"))
NOTES = Task("notes", ("warm", "even"), exclusive=False)
KIND = {"warm": "shirt", "cold": "dress", "leaf": "shoe"}
MANY = ("shirt", "shirt dress", "sock", *(f"kind {letter}" for letter in "abcdefg"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, embedded):
    """Eight photos of each of three colors, and a cache with their embeddings."""
    root = tmp_path_factory.mktemp("tasks")
    stage = fill_stage(root / "project" / "stage_1", warm=8, cold=8)
    for number in range(8):
        save_photo(stage / f"leaf_{number:02}.jpg", (40, 160, 60), seed=number)
    open_session(stage.parent, model="builtin", cache_dir=shutil.copytree(embedded, root / "cache"))
    return root


@pytest.fixture
def opened(prepared, tmp_path):
    """`opened(classes=…)`: a session on a copy of `prepared`; opened again, on the same copy."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)

    def opened(task: str = "garment", **named):
        return open_session(tmp_path / "project", model="builtin", cache_dir=tmp_path / "cache", task=task, **named)

    return opened


@pytest.fixture
def garment(opened):
    return opened(classes=GARMENT.classes)


@pytest.fixture
def notes(opened):
    return opened("notes", tags=NOTES.classes)


def kind_of(key: str) -> str:
    return KIND[key.split("_")[0]]


def tags_of(key: str) -> str:
    return ";".join(name for name, has in (("warm", "warm" in key), ("even", int(key[5:7]) % 2 == 0)) if has)


def answer_some(session, answer, step: int = 3) -> None:
    for key in session.listing.keys[::step]:
        session.answer(key, answer(key))


def check_all(session, answer) -> None:
    """Answer every photo as a blind check."""
    for key, _ in list(session.standing().ranking.queue("audit")):
        session.answer(key, answer(key), "audit")


def look(session, queue="uncertain", **more):
    return label.respond(session, {"do": "look", "visitor": ME, "queue": queue, **more})


def take(session, *taken):
    return presses.respond(session, {"visitor": ME, "presses": list(taken)})


def answer(number, key, said):
    return {"number": number, "do": "answer", "key": key, "label": said, "queue": "uncertain"}


class TestWords:
    def test_a_page_has_the_parts_of_its_task_only(self):
        pages = {
            kind: tasks.page_for(task, "label.html")
            for kind, task in {"cull": CULL_TASK, "classes": GARMENT, "tags": NOTES, "many": Task("x", MANY)}.items()
        }
        for kind, page in pages.items():
            assert (">Keep <kbd" in page) == (kind == "cull"), kind
            assert ('aria-label="Classes"' in page) == (kind in ("classes", "many")), kind
            assert ("next-button" in page) == (kind == "tags"), kind
            assert ('class="typed"' in page) == (kind == "many"), kind
            assert ("(Shift U)" in page, "(U)" in page) == (kind == "many", kind != "many"), kind
            assert "<!--" not in page.replace("<!-- colours -->", ""), kind

    def test_no_name_is_read_as_a_template(self):
        task = Task("odd", ("${alert(1)}", "{{value}}", "\\'\"<b>&", "Écharpe"))
        page = tasks.page_for(task, "label.html")
        found = re.search(r'data-task="([^"]*)"', page)[1]
        assert re.fullmatch(r"[\w.~%-]+", found)
        assert json.loads(unquote(found)) == {
            "name": "odd",
            "classes": list(task.classes),
            "isExclusive": True,
            "isCull": False,
            "queues": [
                ["uncertain", "Most uncertain"],
                ["audit", "Audit"],
                *([f"likely {name}", f"Likely {name}"] for name in task.classes),
                ["disagreements", "Disagreements"],
                ["files", "File order"],
            ],
        }

    def test_counts_by_class_as_long_as_they_fit_into_a_line(self):
        counts = Counts(360, 0, 0, 2, 0, (20, 17, 0), 37)
        assert label.counts(GARMENT, counts) == "37 of 360 labeled · 20 shirt · 17 dress · 0 shoe · 2 unreadable"
        many = Counts(360, 0, 0, 0, 0, (20, *[0] * 8, 3), 23)
        assert label.counts(Task("x", MANY), many) == "23 of 360 labeled · 2 of 10 classes"
        assert label.counts(CULL_TASK, Counts(9, 2, 3, 0, 0)) == "5 of 9 labeled · 2 keep · 3 cull"

    def test_what_is_missing_for_scores(self):
        assert tasks.kinds_missing(GARMENT, []) == "Scores start once you have labeled photos of two classes."
        only = "Only dress so far. Scores start with the first photo of another class."
        assert tasks.kinds_missing(GARMENT, ["dress", "dress"]) == only
        assert tasks.kinds_missing(GARMENT, ["dress", "shoe"]) == ""
        both = "Scores start once you have labeled photos with a tag and photos without it."
        assert tasks.kinds_missing(NOTES, []) == both
        some = "Scores start once a tag is on some photos and not on others."
        assert tasks.kinds_missing(NOTES, ["warm=1;even=0", "warm=1"]) == some
        assert tasks.kinds_missing(NOTES, ["warm=1;even=0", "even=1"]) == ""

    def test_the_cost_of_a_training_counts_the_classes(self):
        counts = Counts(360, 0, 0, 0, 0, (20, 17, 1), 38)
        assert improve.cost(counts, None, 256, GARMENT).startswith(
            "38 labeled photos (20 shirt, 17 dress, 1 shoe). Time"
        )


class TestLabel:
    def test_the_likeliest_classes_come_with_a_photo_but_not_with_a_spot_check(self, garment):
        assert look(garment)["upcoming"][0]["likely"] == []
        assert look(garment)["advice"] == ""
        garment.answer("warm_00.jpg", "shirt")
        view = look(garment)
        assert view["advice"] == "Only shirt so far. Scores start with the first photo of another class."
        assert view["offer_unlike"]
        answer_some(garment, kind_of)
        shown = look(garment, "files", current="warm_01.jpg")
        assert shown["counts"] == "9 of 24 labeled · 3 shirt · 3 dress · 3 shoe"
        likely = shown["current"]["likely"]
        assert likely[0][0] == 0
        assert sorted(number for number, _ in likely) == [0, 1, 2]
        assert sum(p for _, p in likely) == pytest.approx(1)
        assert "p_keep" not in shown["current"]
        assert all(photo["likely"] == [] for photo in look(garment, "audit")["upcoming"])
        assert not shown["offer_unlike"]

    def test_a_queue_for_each_class(self, garment):
        answer_some(garment, kind_of)
        assert kind_of(look(garment, "likely shoe")["upcoming"][0]["key"]) == "shoe"
        assert "There is no queue 'keepers'" in look(garment, "keepers")["error"]

    def test_tags_of_a_press_and_none_of_them(self, notes):
        said = {"warm_00.jpg": "warm;even", "warm_01.jpg": "warm=1;even=0", "cold_01.jpg": "", "cold_00.jpg": "even=1"}
        for number, (key, text) in enumerate(said.items(), 1):
            assert take(notes, answer(number, key, text)) == {"refused": [], "undone": [], "error": ""}
        assert notes.labels() == {
            "warm_00.jpg": "warm=1;even=1",
            "warm_01.jpg": "warm=1;even=0",
            "cold_01.jpg": "warm=0;even=0",
            "cold_00.jpg": "even=1",
        }
        assert look(notes)["counts"] == "4 of 24 labeled · 2 warm · 2 even"
        take(notes, {"number": 5, "do": "undo", "key": "cold_01.jpg", "of": 3})
        assert "cold_01.jpg" not in notes.labels()
        refused = take(notes, answer(6, "cold_02.jpg", "blue"))["refused"]
        assert refused == [{"number": 6, "error": "'blue' is no tag of notes. Use warm and even, or add it."}]

    def test_keep_is_no_answer_to_another_question(self, garment):
        refused = take(garment, answer(1, "warm_00.jpg", "keep"))["refused"]
        assert refused[0]["error"] == "The label 'keep' is not one of shirt, dress and shoe. Use one of these."
        assert garment.labels() == {}

    def test_a_tag_that_is_newer_than_an_answer_is_unknown_in_it(self, opened, notes):
        notes.answer("warm_00.jpg", "warm")
        session = opened("notes", tags=["worn"])
        assert session.task.classes == ("warm", "even", "worn")
        assert look(session, current="warm_00.jpg")["current"]["label"] == "warm=1;even=0"

    def test_the_end_in_words_of_the_task(self, garment):
        empty = look(garment, "disagreements")["nothing"]
        assert empty == (
            "There are no scores to disagree with yet. Scores start once you have labeled photos of two classes."
        )
        garment.answer_all(garment.listing.keys, "shoe")
        assert look(garment)["nothing"] == "All photos are labeled. Next: train."

    def test_the_accuracy_is_said_once_there_are_checks(self, garment):
        answer_some(garment, kind_of)
        assert look(garment)["promise"] == ""
        check_all(garment, kind_of)
        assert look(garment)["promise"].startswith("Random checks: 16 of 24 answers; ")

    def test_similar_photos_of_any_class(self, garment):
        answer_some(garment, kind_of, 2)
        about = label.respond(garment, {"do": "about", "key": "warm_01.jpg", "queue": "files"})
        assert [each["label"] for each in about["similar"]][:4] == ["shirt"] * 4
        assert len(about["similar"]) == 6

    @pytest.mark.slow
    def test_a_page_of_another_task_answers_nothing(self, garment, notes, serve):
        address = serve(Desk(garment), alone=True)

        def act(**request):
            body = json.dumps({"visitor": ME, "presses": [answer(1, "warm_00.jpg", "shirt")], **request})
            return json.loads(ask(address, "/act/presses", "POST", body, Content_Type="application/json")[1])

        reply = act(project=serving._project_id(Desk(notes)))
        assert reply["elsewhere"]
        assert reply["error"] == "This page shows another project or task than the one now open. Reload it."
        assert garment.labels() == {}
        assert act(project=reply["project"])["refused"] == []
        assert garment.labels() == {"warm_00.jpg": "shirt"}


class TestReview:
    def test_answers_guesses_and_the_score_of_the_likeliest_class(self, garment):
        view = review.look(garment)
        assert set(view["scores"]) == {-1}
        assert view["advice"] == "Scores start once you have labeled photos of two classes."
        assert (view["texts"], set(view["guesses"])) == ([""], {0})
        answer_some(garment, kind_of)
        view, survey = review.look(garment), garment.survey()
        assert view["by"] is None
        assert [view["texts"][code] or None for code in view["labels"]] == [each.label for each in survey]
        assert [view["texts"][code] for code in view["guesses"]] == [kind_of(each.key) for each in survey]
        assert view["scores"] == review.in_steps([max(each.probability) for each in survey])

    def test_the_scores_of_one_class(self, garment):
        answer_some(garment, kind_of)
        view = review.respond(garment, {"do": "look", "by": "shoe"})["view"]
        assert view["by"] == "shoe"
        assert view["scores"] == review.in_steps([each.probability[2] for each in garment.survey()])
        for nonsense in ("hat", 2, ["shoe"]):
            error = review.respond(garment, {"do": "look", "by": nonsense})["error"]
            assert error == "There is no such class. Reload the page."

    def test_a_tag_that_nothing_is_known_of_has_no_score(self, opened, notes):
        answer_some(notes, tags_of)
        session = opened("notes", tags=["worn"])
        assert set(review.look(session, by="worn")["scores"]) == {-1}
        view = review.look(session)
        assert all(score >= 0 for score in view["scores"])
        assert view["texts"][view["guesses"][session.listing.keys.index("warm_01.jpg")]].startswith("warm=1;even=")


class TestPromise:
    def test_accuracy_and_a_table_by_class(self, garment):
        first = promise.said_html(garment.standing(), 0.05, 0.5)
        assert "Nothing to report until there are scores. Scores start once you have labeled" in first
        answer_some(garment, kind_of)
        assert "No random checks yet among 8 answers. Answer the spot checks" in promise.said_html(
            garment.standing(), 0.05, 0.5
        )
        check_all(garment, kind_of)
        html = promise.said_html(garment.standing(), 0.05, 0.5)
        assert "The likeliest class is right for 100% [79%, 100%] of the photos (95% interval)." in html
        rows = re.findall(r"<tr><td>(\w+)</td><td>(\d+)</td><td>(.*?)</td><td>(.*?)</td></tr>", html)
        assert [(name, int(checks)) for name, checks, _, _ in rows] == [("shirt", 6), ("dress", 5), ("shoe", 5)]
        assert rows[0][2:] == ("100% [54%, 100%]", "100% [54%, 100%]")
        assert "Little is known yet of shirt, dress and shoe: fewer than 20 spot checks each." in html

    def test_the_learning_curve_of_several_classes(self, garment):
        answer_some(garment, kind_of, 2)
        assert promise.curves_html(garment.standing()).startswith("<h2>Learning curve")

    def test_what_to_do_next_is_about_the_class_that_is_found_least(self, garment):
        answer_some(garment, kind_of)
        check_all(garment, kind_of)
        measures = garment.standing().class_measures().by_class
        assert garment.standing().class_measures().by_class is measures  # cached
        good = measures["shoe"]._replace(recall=measures["shoe"].recall._replace(hits=30, trials=30))
        worse = good._replace(recall=good.recall._replace(hits=20))
        assert promise.what_next({"shirt": good, "dress": worse}).startswith("dress is found least often.")

    def test_a_binary_task_has_the_bound_in_its_words(self, opened):
        session = opened("warmth", tags=["warm"])
        answer_some(session, lambda key: "warm" if "warm" in key else "")
        check_all(session, lambda key: "warm" if "warm" in key else "")
        now = session.standing()
        html = promise.said_html(now, 0.05, 0.5) + promise.more_html(now, 0.05, 0.5)
        assert "photo with warm is lost" in html or "of the photos with warm are scored below the threshold" in html
        assert "<th>Photos with warm missed at most</th>" in html
        assert "how many photos with warm are scored below the threshold." in html
        assert "keeper" not in html.lower()
        assert "cull" not in html


class TestApi:
    @pytest.fixture
    def call(self, serve):
        from gradio_client import Client

        def connected(session):
            client = Client(serve(Desk(session), alone=True), verbose=False)
            return lambda name, **arguments: client.predict(api_name=f"/{name}", **arguments)

        return connected

    @pytest.mark.slow
    def test_classes_from_a_script(self, garment, call):
        ask = call(garment)
        assert ask("next_batch", count=1)[0]["probability"] is None
        status = ask("label", key="warm_00.jpg", label="shirt")
        assert (status["task"], status["classes"], status["exclusive"]) == ("garment", ["shirt", "dress", "shoe"], True)
        assert (status["labeled"], status["by_class"]) == (1, {"shirt": 1, "dress": 0, "shoe": 0})
        assert "keep" not in status
        answer_some(garment, kind_of)
        photo = ask("next_batch", count=1, queue="likely shoe")[0]
        assert list(photo["probability"]) == ["shirt", "dress", "shoe"]
        assert "p_keep" not in photo
        scores = ask("scores")
        assert [(each["image_name"], each["label"]) for each in scores] == [
            (key, kind_of(key)) for key in garment.listing.keys
        ]
        assert scores[0]["reason"] == "label"
        assert scores[1]["probability"]["dress"] > 0.5

    @pytest.mark.slow
    def test_tags_from_a_script_as_a_list_or_as_text(self, notes, call):
        ask = call(notes)
        ask("label", key="warm_00.jpg", label=["even", "warm"])
        ask("label", key="warm_01.jpg", label="warm")
        ask("label", key="cold_01.jpg", label=[])
        assert notes.labels() == {
            "warm_00.jpg": "warm=1;even=1",
            "warm_01.jpg": "warm=1;even=0",
            "cold_01.jpg": "warm=0;even=0",
        }
        assert ask("status")["by_class"] == {"warm": 2, "even": 1}

    def test_a_probability_that_is_not_known_is_null(self):
        assert api._by_class(NOTES, (0.25, float("nan"))) == {"warm": 0.25, "even": None}
        assert api._by_class(NOTES, None) is None

    def test_one_class_at_a_time(self, garment):
        with pytest.raises(LabelsError, match="not one of shirt, dress and shoe"):
            garment.answer("warm_00.jpg", "shirt;dress")
        with pytest.raises(StageError, match="decides nothing about keeping"):
            garment.plan_cull()


# --- in Chromium


def shown(tab) -> str:
    """Key of the painted photo."""
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    return tab.locator("#label-screen .stage").get_attribute("data-shown")


def then(tab, before: str) -> str:
    """Key of the photo that follows."""
    tab.wait_for_function(
        "before => ![undefined, before].includes(document.querySelector('#label-screen .stage').dataset.shown)",
        arg=before,
    )
    return shown(tab)


def pressed(tab, names) -> list[str]:
    """Which tags are pressed; a press waits until its photo is painted."""
    return [tag(tab, name).get_attribute("aria-pressed") for name in names]


def tag(tab, name: str):
    return tab.locator("#label-screen .classes button", has_text=name)


def test_numbers_and_buttons_answer_and_the_keys_of_cull_do_not(garment, serve, visit):
    tab = visit(serve(Desk(garment), alone=True))
    first = shown(tab)
    tab.get_by_role("heading", name="project / stage_1 / garment").wait_for()
    assert tab.get_by_role("tab").all_inner_texts() == ["Label", "Review", "Check", "Improve"]
    for key in ("k", "c", "p", "x", "ArrowLeft", "ArrowRight", "Enter", "4", "9"):
        tab.keyboard.press(key)
    assert shown(tab) == first
    tab.keyboard.press("2")
    second = then(tab, first)
    tab.get_by_role("button", name="shoe").click()
    third = then(tab, second)
    until(tab, lambda: garment.labels() == {first: "dress", second: "shoe"})
    tab.keyboard.press("ArrowUp")
    tab.get_by_text("Your answer: shoe").wait_for()
    tab.keyboard.press("u")
    until(tab, lambda: garment.labels() == {first: "dress"})
    tab.keyboard.press("1")
    then(tab, second)
    until(tab, lambda: garment.labels() == {first: "dress", second: "shirt"})
    assert third != second
    tab.keyboard.press("?")
    keys = tab.get_by_role("dialog", name="Keys").inner_text()
    assert "press the button of that number" in keys
    assert "cull" not in keys


def test_a_swipe_answers_no_other_task(garment, serve, visit):
    tab = visit(serve(Desk(garment), alone=True), has_touch=True, viewport={"width": 390, "height": 844})
    first = shown(tab)
    client = tab.context.new_cdp_session(tab)
    for kind, x in (("touchStart", 100), ("touchMove", 200), ("touchMove", 320), ("touchEnd", None)):
        points = [] if x is None else [{"x": x, "y": 300}]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    tab.keyboard.press("2")
    then(tab, first)
    until(tab, lambda: garment.labels() == {first: "dress"})


def test_the_score_names_the_likeliest_class_and_three_bars(garment, serve, visit):
    answer_some(garment, kind_of)
    tab = visit(serve(Desk(garment), alone=True))
    tab.get_by_label("Search by name or number").fill("warm_01")
    tab.locator("#label-screen .found button", has_text="warm_01").click()
    tab.locator("#label-screen .score", has_text=re.compile(r"^Score: \d+% shirt$")).wait_for()
    bars = tab.locator("#label-screen .bars li")
    assert bars.count() == 3
    assert bars.first.inner_text().split() == ["shirt", tab.locator("#label-screen .score").inner_text().split()[1]]
    likes = tab.locator("#label-screen .likes button")
    likes.nth(2).wait_for()
    captions = likes.locator(".caption").all_inner_texts()
    assert captions == [each.label for each in garment.similar("warm_01.jpg")]
    assert captions[0] == "shirt"
    tab.locator("#label-screen .queue select").select_option("audit")
    tab.get_by_text("Spot check: score hidden").wait_for()
    assert (tab.locator("#label-screen .score").inner_text(), bars.count()) == ("", 0)


def test_tags_toggle_and_enter_saves(notes, serve, visit):
    tab = visit(serve(Desk(notes), alone=True))
    first = shown(tab)
    tab.keyboard.press("1")
    tab.keyboard.press("2")
    tab.keyboard.press("1")
    until(tab, lambda: pressed(tab, NOTES.classes) == ["false", "true"])
    assert notes.labels() == {}
    tab.keyboard.press("Enter")
    second = then(tab, first)
    until(tab, lambda: notes.labels() == {first: "warm=0;even=1"})
    until(tab, lambda: pressed(tab, NOTES.classes) == ["false", "false"])
    tab.get_by_role("button", name="Next Enter").click()
    third = then(tab, second)
    until(tab, lambda: notes.labels() == {first: "warm=0;even=1", second: "warm=0;even=0"})
    tag(tab, "warm").click()
    tab.keyboard.press("Enter")
    then(tab, third)
    until(tab, lambda: notes.labels()[third] == "warm=1;even=0")
    tab.keyboard.press("ArrowUp")
    tab.get_by_text("Your answer: warm").wait_for()
    until(tab, lambda: pressed(tab, NOTES.classes) == ["true", "false"])
    tab.keyboard.press("ArrowUp")
    tab.get_by_text("Your answer: none").wait_for()
    for _ in range(2):
        tab.keyboard.press("u")
    until(tab, lambda: notes.labels() == {first: "warm=0;even=1"})


def test_a_newer_tag_looks_unknown_until_it_is_answered(opened, notes, serve, visit):
    notes.answer("warm_00.jpg", "warm")
    session = opened("notes", tags=["worn"])
    tab = visit(serve(Desk(session), alone=True))
    tab.get_by_label("Search by name or number").fill("warm_00")
    tab.locator("#label-screen .found button", has_text="warm_00").click()
    tab.get_by_text("Your answer: warm. Not asked yet: worn.").wait_for()
    until(tab, lambda: pressed(tab, session.task.classes) == ["true", "false", "mixed"])
    assert tag(tab, "worn").inner_text().split() == ["worn", "unknown", "3"]
    tab.keyboard.press("3")
    until(tab, lambda: pressed(tab, ["worn"]) == ["true"])
    tab.keyboard.press("Enter")
    until(tab, lambda: session.labels() == {"warm_00.jpg": "warm=1;even=0;worn=1"})


def test_a_class_that_another_program_adds_gets_its_button_and_key(opened, garment, serve, visit):
    tab = visit(serve(Desk(garment), alone=True))
    first = shown(tab)
    tab.evaluate("window.isSamePage = true")
    tab.keyboard.press("1")
    second = then(tab, first)
    opened(classes=["hat"])
    tag(tab, "hat").wait_for()
    assert shown(tab) == second
    assert tab.locator("#label-screen .queue option").all_inner_texts()[5] == "Likely hat"
    tab.keyboard.press("4")
    third = then(tab, second)
    until(tab, lambda: garment.labels() == {first: "shirt", second: "hat"})
    for _ in range(2):
        tab.keyboard.press("u")
    until(tab, lambda: garment.labels() == {})
    opened(classes=[f"kind {letter}" for letter in "abcdef"])  # too many for a key each
    tag(tab, "kind f").wait_for()
    assert tab.evaluate("window.isSamePage")
    tab.keyboard.type("ha")
    tab.keyboard.press("Enter")
    until(tab, lambda: list(garment.labels().values()) == ["hat"])
    tab.reload()
    tag(tab, "kind f").wait_for()
    assert third


def test_tags_that_were_pressed_stay_pressed_while_a_tag_is_added(opened, notes, serve, visit):
    tab = visit(serve(Desk(notes), alone=True))
    first = shown(tab)
    tab.keyboard.press("1")
    until(tab, lambda: pressed(tab, notes.task.classes) == ["true", "false"])
    opened("notes", tags=["worn"])
    tab.get_by_text("Added to notes: worn.").wait_for()
    with tab.expect_response("**/act/label"):
        pass
    assert pressed(tab, ["warm"]) == ["true"]
    tab.keyboard.press("Enter")
    tag(tab, "worn").wait_for()
    assert notes.labels() == {first: "warm=1;even=0"}
    assert then(tab, first) != first


def test_review_shows_a_class_that_another_program_adds(opened, garment, review_tab):
    answer_some(garment, kind_of)
    tab = review_tab(garment)
    tab.get_by_label("Sort").select_option("name")
    tab.get_by_role("button", name="Unlabeled").click()
    tab.locator("#review-screen .cells").focus()
    tab.keyboard.press("Control+a")
    tab.get_by_text("16 selected").wait_for()
    opened(classes=["hat"])
    with tab.expect_response("**/act/review"):
        pass
    tab.get_by_text("16 selected").wait_for()  # what is selected stays so
    tab.keyboard.press("Escape")
    tab.locator("#review-screen [data-filter='class:hat']").wait_for()
    assert tab.get_by_label("Sort").input_value() == "name"
    assert tab.get_by_role("button", name="Unlabeled").get_attribute("aria-pressed") == "true"
    assert len(listed(tab)) == 16
    tab.keyboard.press("4")
    until(tab, lambda: list(garment.labels().values()).count("hat") == 1)


def test_the_promise_of_two_classes_gives_way_to_measures_of_three(opened, serve, visit):
    session = opened(classes=["shirt", "dress"])
    tab = visit(serve(Desk(session), alone=True))
    tab.get_by_role("tab", name="Check").click()
    sheet = tab.get_by_role("listbox", name="Contact sheet")
    sheet.wait_for()
    opened(classes=["shoe"])
    sheet.wait_for(state="hidden")
    tab.locator("#check-screen .said").get_by_text("Nothing to report until there are scores.").wait_for()


def test_of_many_classes_the_first_letters_are_typed(opened, serve, visit):
    session = opened(classes=MANY)
    tab = visit(serve(Desk(session), alone=True))
    first = shown(tab)
    buttons = tab.locator("#label-screen .classes button:visible")
    typed = tab.locator("#label-screen .typed")
    assert buttons.count() == 10
    tab.keyboard.type("sh")
    assert buttons.all_inner_texts() == ["shirt", "shirt dress"]
    assert typed.inner_text() == "Typed: sh · 2 left."
    tab.keyboard.press("Enter")
    assert "Several are left" in typed.inner_text()
    tab.keyboard.press("Escape")
    assert buttons.count() == 10
    tab.keyboard.type("so")
    assert session.labels() == {}
    tab.keyboard.press("Enter")
    second = then(tab, first)
    until(tab, lambda: session.labels() == {first: "sock"})
    assert (buttons.count(), typed.inner_text()) == (10, "")
    tab.keyboard.type("shirt")
    tab.keyboard.press("Enter")
    then(tab, second)
    until(tab, lambda: session.labels() == {first: "sock", second: "shirt"})
    tab.keyboard.press("Shift+U")
    until(tab, lambda: session.labels() == {first: "sock"})


@pytest.fixture
def review_tab(serve, visit):
    def opened(session, **options):
        tab = visit(serve(Desk(session), alone=True), **options)
        tab.get_by_role("tab", name="Review").click()
        tab.locator("#review-screen .cell .score", has_text="%").first.wait_for()
        return tab

    return opened


def listed(tab) -> list[str]:
    """Names in grid order."""
    cells = tab.locator("#review-screen .cell").evaluate_all(
        "cells => cells.map((cell) => [cell.ariaPosInSet, cell.querySelector('.file').textContent])"
    )
    return [name for _, name in sorted(cells, key=lambda cell: int(cell[0]))]


def test_review_filters_sorts_and_answers_by_class(garment, review_tab):
    answer_some(garment, kind_of)
    garment.answer("warm_00.jpg", "shoe")
    tab = review_tab(garment)
    cell = tab.locator("#review-screen .cell")
    assert cell.filter(has_text="cold_01.jpg").locator(".mark").inner_text() == "dress"
    assert cell.filter(has_text="warm_03.jpg").locator(".mark").inner_text() in ("shirt", "✓ shirt")
    tab.get_by_role("button", name="Disagreements").click()
    assert listed(tab) == ["warm_00.jpg"]
    assert cell.first.locator(".mark").inner_text() == "✓ shoe"
    tab.get_by_role("group", name="Show one class").get_by_role("button", name="dress").click()
    assert sorted(listed(tab)) == [f"cold_{number:02}.jpg" for number in range(8)]
    tab.get_by_role("button", name="All").click()
    tab.get_by_label("Sort").select_option("class:dress")
    probability = {each.key: each.probability[1] for each in garment.survey()}
    assert kind_of(max(probability, key=probability.get)) == "dress"
    best_last = sorted(probability, key=lambda key: (-review.in_steps([probability[key]])[0], key))
    until(tab, lambda: listed(tab) == best_last)
    tab.get_by_label("Sort").select_option("name")
    cell.filter(has_text="leaf_06.jpg").click()
    tab.keyboard.press("k")  # no key of this task
    tab.keyboard.press("Shift+ArrowRight")
    tab.get_by_text("2 selected").wait_for()
    tab.keyboard.press("3")
    until(tab, lambda: [garment.labels().get(f"leaf_0{n}.jpg") for n in (6, 7)] == ["shoe", "shoe"])
    tab.keyboard.press("Enter")
    dialog = tab.get_by_role("dialog", name="Large view")
    dialog.get_by_text("your answer: shoe").wait_for()
    dialog.get_by_role("button", name="dress").click()
    dialog.get_by_text("your answer: dress").wait_for()
    until(tab, lambda: garment.labels().get("leaf_07.jpg") == "dress")
    tab.keyboard.press("u")
    until(tab, lambda: garment.labels().get("leaf_07.jpg") == "shoe")


def test_review_adds_a_tag_to_what_was_said_of_the_others(notes, review_tab):
    answer_some(notes, tags_of)
    before = notes.labels()
    tab = review_tab(notes)
    tab.get_by_label("Sort").select_option("name")
    tab.locator("#review-screen .cells").focus()
    tab.keyboard.press("Control+a")
    tab.get_by_text("24 selected").wait_for()
    tab.get_by_role("group", name="Answer for all").get_by_role("button", name="warm").click()
    added = dict.fromkeys(notes.listing.keys, "warm=1")
    added |= {key: re.sub("warm=.", "warm=1", said) for key, said in before.items()}
    until(tab, lambda: notes.labels() == added)
    tab.keyboard.press("u")
    until(tab, lambda: notes.labels() == before)


@pytest.mark.parametrize(
    ("kind", "size", "schemes"),
    [
        ("classes", "desk", "light dark"),
        ("tags", "phone", "light"),
        ("many", "desk", "dark"),
    ],
)  # every kind, size and scheme, though not each with each
def test_they_are_accessible(opened, serve, visit, kind, size, schemes):
    named = {"classes": {"classes": GARMENT.classes}, "tags": {"tags": NOTES.classes}, "many": {"classes": MANY}}[kind]
    session = opened(kind, **named)
    answer_some(
        session, tags_of if kind == "tags" else lambda key: MANY[0] if "warm" in key else session.task.classes[1]
    )
    tab = visit(serve(Desk(session), alone=True), **SIZES[size])
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    tab.locator("#label-screen .likes button").first.wait_for(state="attached")
    if kind == "tags":
        tag(tab, "warm").click()
    assert violations(tab, schemes) == []
    for name, sign in {
        "Review": "#review-screen .cell",
        "Check": "#check-screen .said p",
        "Improve": "text=Start training",
    }.items():
        tab.get_by_role("tab", name=name).click()
        tab.locator(sign).first.wait_for()
        assert violations(tab, schemes) == [], name
    tab.get_by_role("tab", name="Review").click()
    tab.locator("#review-screen .cell").first.click()
    tab.keyboard.press("Enter")
    tab.get_by_role("dialog", name="Large view").wait_for()
    assert violations(tab, schemes) == [], "Large view"
