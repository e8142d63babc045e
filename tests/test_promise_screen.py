"""What the checks say on the page, on Check and in a line on Label, and the commands that say the same."""

import shutil

import pytest
from conftest import fill_stage, label_of

from imlcull_al import open_session
from imlcull_al.errors import StageError
from imlcull_al.learning.measures import Share
from imlcull_al.learning.promise import Point
from imlcull_al.session.desk import Desk
from imlcull_al.ui import promise


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, tiny_model):
    """40 warm photos, which are kept, and 60 cold ones; a cache with their embeddings, and 24 answers."""
    root = tmp_path_factory.mktemp("prepared")
    fill_stage(root / "project" / "stage_1", warm=40, cold=60)
    session = open_session(root / "project", model=str(tiny_model), cache_dir=root / "cache")
    for _ in range(24):
        photo = session.next()
        session.answer(photo.key, label_of(photo.key))
    return root


@pytest.fixture
def session(prepared, tmp_path, cache_dir, tiny_model):
    """A session on a copy of `prepared`."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return open_session(tmp_path / "project", model=str(tiny_model), cache_dir=cache_dir)


def check(session, count: int) -> None:
    """Answer so many of the audit."""
    for photo in session.offer("me", "audit", count):
        session.answer(photo.key, label_of(photo.key), "audit")


@pytest.mark.slow
def test_the_screen_says_what_is_missing_for_each_target(session):
    check(session, 20)
    said, now = session.promise(), session.standing()
    assert said.summary.split(".")[0] in promise.said_html(now, 0.05, 0.5)
    html = promise.more_html(now, 0.05, 0.5)
    assert html.count("<tr>") == 1 + len(promise.TARGETS)
    missing = [said.missing_for(target) for target in promise.TARGETS]
    assert missing == sorted(missing)


def test_before_scores_it_says_why_there_is_nothing(tmp_path, cache_dir, tiny_model):
    fill_stage(tmp_path / "project" / "stage_1")
    session = open_session(tmp_path / "project", model=str(tiny_model), cache_dir=cache_dir)
    assert "until there are scores" in promise.said_html(session.standing(), 0.05, 0.5)
    assert promise.curve_html(session.learning_curve()) == ""


def test_the_course_ends_where_the_promise_stands(session):
    check(session, 30)
    said = session.promise()
    checks, shares = zip(*said.course(), strict=True)
    assert (checks[0], checks[-1]) == (0, said.certificate.cull_pile.checked)
    assert len(checks) <= 40
    assert shares[-1] == pytest.approx(said.certificate.share_lost, abs=1e-9)
    assert promise.curves_html(session.standing()).count("<svg") == 2


def test_a_curve_without_checks_shows_agreement_only():
    points = [Point(10, Share(0, 0, 0.0, 1.0), None), Point(20, Share(0, 0, 0.0, 1.0), 0.5)]
    points.append(Point(30, Share(0, 0, 0.0, 1.0), 0.9))
    assert promise.curve_html(points).count("<svg") == 1
    assert "more are worth it" in promise.curve_html(points)


@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 800}, {"width": 390, "height": 844}])
def test_a_blind_check_changes_the_promise_on_the_page(visit, serve, session, viewport):
    while not promise.first_figure(session.promise()).startswith("19 of 20 spot checks"):
        check(session, 1)
    tab = visit(serve(Desk(session)), viewport=viewport)
    line = tab.locator("#label-screen .promise")
    line.get_by_text("19 of 20 spot checks until there is a first figure.").wait_for()
    tab.locator("#label-screen .queue select").select_option("audit")
    tab.get_by_text("Spot check: score hidden").wait_for()
    assert tab.locator("#label-screen .score").inner_text() == ""
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    photo = tab.locator("#label-screen .stage").get_attribute("data-shown")
    tab.keyboard.press("k" if "warm" in photo else "c")
    line.get_by_text("At most").wait_for()
    tab.get_by_role("tab", name="Check").click()
    tab.locator("#check-screen .said").get_by_text("At most").wait_for()
    tab.get_by_text("More", exact=True).locator("visible=true").click()
    tab.get_by_text("Checks still needed").first.wait_for()
    tab.get_by_role("heading", name="Learning curve").wait_for()


@pytest.mark.slow
def test_the_commands_say_the_same_and_cull_refuses_what_it_can_not_promise(session, run):
    project = session.stage.project
    check(session, 30)
    code, out, _ = run("audit", "--project", project, "--max-keepers-lost", 0.2)
    assert code == 0
    assert out.splitlines()[0] == session.promise(max_keepers_lost=0.2).summary
    code, _, err = run("cull", "--project", project, "--max-keepers-lost", 0.01)
    assert code == 1
    assert "Not yet known that at most 1.0% of your keepers would be lost" in err
    assert not session.stage.next.folder.exists()
    check(session, 99)
    code, out, _ = run("cull", "--project", project, "--max-keepers-lost", 0.3, "--dry-run")
    assert code == 0
    assert "at most 30.0% of your keepers are lost (95% confidence)" in out
    for nonsense in ("0", "1.5", "-1"):
        with pytest.raises(StageError, match="between 0 and 1"):
            session.promise(max_keepers_lost=float(nonsense))


def test_an_audit_without_labels_says_what_is_missing(project, run):
    code, _, err = run("audit", "--project", project)
    assert code == 1
    assert "no labels yet" in err
