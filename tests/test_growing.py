"""What holds for a part while photos are being embedded: queues, scores, similar photos and the promise.

`prepare` calls `on_part` in the thread that embeds, so a test can look around in the middle of it.
"""

import threading

import numpy as np
import pytest
from conftest import COLD, WARM, MeanColour, label_of, save_photo

from imlcull_al.encoding import embeddings
from imlcull_al.encoding.embeddings import Embeddings
from imlcull_al.errors import StageError
from imlcull_al.learning import blind
from imlcull_al.learning.promise import promise_of
from imlcull_al.learning.queues import QUEUES, Ranker
from imlcull_al.learning.scores import Scorer, Source
from imlcull_al.photos.previews import SCREEN
from imlcull_al.project.labels import Answers
from imlcull_al.session.desk import Desk
from imlcull_al.session.session import open_session
from imlcull_al.ui import label, review

KEYS = tuple(f"{number:02}.jpg" for number in range(40))


@pytest.fixture(autouse=True)
def every_growth_is_handed_out(monkeypatch):
    """However fast it comes, as soon as its batch is encoded."""
    monkeypatch.setattr("imlcull_al.encoding.spread.SECONDS", 0.0)
    monkeypatch.setattr("imlcull_al.encoding.spread.SHARE", np.inf)
    monkeypatch.setattr(embeddings, "threads", lambda: 0)


@pytest.fixture
def session(project, cache_dir, monkeypatch):
    """An unprepared session on 6 warm and 6 cold photos, with the toy encoder."""
    source = Source(MeanColour(), None)
    monkeypatch.setattr("imlcull_al.session.session.choose_source", lambda *given: source)
    return open_session(project, cache_dir=cache_dir, prepare=False)


def grow(session, look):
    """What `look()` returns after each growth, in batches of two."""
    seen = []
    session.prepare(batch_size=2, on_part=lambda: seen.append(look()))
    return seen


def scored(session):
    return [photo.key for photo in session.survey() if photo.p_keep is not None]


def test_two_answers_are_enough_for_scores_of_the_first_part(session):
    session.answer("warm_03.jpg", "keep")
    session.answer("cold_03.jpg", "cull")
    parts = grow(session, lambda: (scored(session), session.prepared, session.standing().analyzed))
    assert parts[0] == (["cold_03.jpg", "warm_03.jpg"], False, 2)
    assert [(len(keys), analyzed) for keys, _, analyzed in parts] == [(2, 2), (4, 4), (6, 6), (10, 10)]
    assert not any(prepared for _, prepared, _ in parts)
    assert len(scored(session)) == 12
    assert session.prepared


def test_an_answer_given_meanwhile_brings_its_photo_in(session):
    def look():
        if not session.labels():
            session.answer("warm_05.jpg", "keep")
            session.answer("cold_05.jpg", "cull")
        return set(session.moments())

    parts = grow(session, look)
    has_both = [{"warm_05.jpg", "cold_05.jpg"} <= part for part in parts]
    assert [(len(part), has) for part, has in zip(parts, has_both, strict=True)] == [
        (2, False),
        (4, False),
        (6, False),
        (8, True),
    ]  # the files that are read ahead come first


def test_photos_on_screen_are_embedded_first_and_blind_checks_like_all_others(session):
    shown = [photo.key for photo in session.offer("anna", "files", 2)]
    assert shown == ["cold_00.jpg", "cold_01.jpg"]
    checks = [photo.key for photo in session.offer("bert", "audit", 3)]
    session.answer(checks[0], "cull", "audit")
    assert session._awaited() == shown


@pytest.mark.parametrize("queue", [name for name in QUEUES if name not in ("disagreements", "files", "audit")])
def test_every_queue_has_all_photos_the_part_first(session, queue):
    def look():
        keys, part = [key for key, _ in session.standing().ranking.queue(queue)], set(session.moments())
        return sorted(keys) == list(session.listing.keys), set(keys[: len(part)]) == part

    assert grow(session, look) == [(True, True)] * 4


def test_skipped_photos_come_after_those_without_an_embedding(session):
    session.skip("cold_00.jpg")

    def look():
        return [key for key, _ in session.standing().ranking.queue("uncertain")][-1]

    assert set(grow(session, look)) == {"cold_00.jpg"}


def test_file_order_is_the_same_all_along(session):
    orders = grow(session, lambda: [key for key, _ in session.standing().ranking.queue("files")])
    assert orders == [list(session.listing.keys)] * 4


def test_the_photos_to_look_at_run_out_with_the_stage_and_not_with_the_part(session):
    def look():
        for key in session.moments():
            session.answer(key, label_of(key))
        photo = session.next()
        return session.counts().photos, photo.key in session.moments(), photo.p_keep

    assert set(grow(session, look)) == {(12, False, None)}
    assert session.next() is not None


def test_similar_photos_are_found_in_the_part(session):
    session.answer("warm_03.jpg", "keep")
    session.answer("cold_03.jpg", "cull")

    def look():
        first = (
            next(key for key in session.moments() if key not in session.labels()) if len(session.moments()) > 2 else ""
        )
        return [each.key for each in session.similar(first or "warm_03.jpg")]

    parts = grow(session, look)
    assert parts[:2] == [["cold_03.jpg"], ["warm_03.jpg", "cold_03.jpg"]]


def test_what_needs_all_scores_waits_for_them(session):
    session.answer("warm_03.jpg", "keep")
    session.answer("cold_03.jpg", "cull")

    def look():
        for work in (session.standing().scores, lambda: session.standing().threshold_for(0.05)):
            with pytest.raises(StageError, match="not analyzed yet"):
                work()

    grow(session, look)
    assert len(session.scores()) == 12


def test_an_unreadable_photo_leaves_the_queue_as_soon_as_it_is_known(session, project):
    (project / "stage_1" / "a_broken.jpg").write_bytes(b"no photo")
    parts = grow(session, lambda: (session.counts().unreadable, session.standing().analyzed, len(session.order())))
    assert parts[0] == (1, 3, 12)
    assert session.counts().unreadable == 1


def test_photos_that_came_are_asked_before_they_are_embedded(session, project):
    session.prepare()
    save_photo(project / "stage_1" / "new.jpg", WARM, seed=99)
    (project / "stage_1" / "cold_00.jpg").unlink()

    def look():
        asked = [key for key, _ in session.standing().ranking.queue("uncertain")]
        return asked[-1], "cold_00.jpg" in asked, len(session.moments())

    assert grow(session, look) == [("new.jpg", False, 11)]
    assert len(session.moments()) == 12


def test_photos_that_go_while_the_others_are_embedded_stay_gone(session, project):
    session.prepare()
    save_photo(project / "stage_1" / "new.jpg", WARM, seed=99)

    def look():
        (project / "stage_1" / "cold_00.jpg").unlink()
        session.follow_photos()

    grow(session, look)
    assert "cold_00.jpg" not in session.listing.keys
    assert len(session.moments()) == 12
    assert "cold_00.jpg" not in session.moments()


def test_scores_of_all_photos_are_kept_until_a_new_model_has_them_all(session, monkeypatch):
    session.answer("warm_03.jpg", "keep")
    session.answer("cold_03.jpg", "cull")
    session.prepare()
    before, other = scored(session), MeanColour()
    other.fingerprint = "d1" * 32
    monkeypatch.setattr("imlcull_al.session.session.choose_source", lambda *given: Source(other, None))
    session._knowledge.is_stale = True
    assert grow(session, lambda: None) == []
    assert scored(session) == before
    assert other.images == 12


def test_both_screens_say_how_large_the_part_is(session):
    def look():
        return label.advice(session.standing()), review.look(session)["advice"]

    before = look()
    assert before == ("", "Scores start once the first photos are analyzed and you have labeled a keep and a cull.")
    session.answer("warm_03.jpg", "keep")
    session.answer("cold_03.jpg", "cull")
    assert look()[0] == "Scores start once the photos you labeled are analyzed; they come first."
    sentences = [f"Scores cover {count} of 12 photos so far." for count in (2, 4, 6, 10)]
    assert grow(session, look) == [(sentence, sentence) for sentence in sentences]
    assert look() == ("", "")


def test_review_shows_photos_without_a_score(session):
    session.answer("warm_03.jpg", "keep")
    session.answer("cold_03.jpg", "cull")

    def look():
        view = review.look(session)
        return sum(score >= 0 for score in view["scores"]), sum(burst >= 0 for burst in view["sequence"]["bursts"])

    assert grow(session, look) == [(2, 2), (4, 4), (6, 6), (10, 10)]


def test_previews_of_what_is_asked_next_are_made_before_the_others(session, monkeypatch):
    made = []
    monkeypatch.setattr("imlcull_al.session.desk.NEXT", 3)
    monkeypatch.setattr(session.previews, "get", lambda path, side: made.append((path.name, side)))
    monkeypatch.setattr(session.previews, "_place", lambda path, side: path.with_suffix(".none"))
    asked, prepare = [], session.prepare

    def prepared(on_part, **named):
        def noted():
            on_part()
            asked.append([key for key, _ in session.standing().ranking.queue("uncertain")][:3])

        return prepare(on_part=noted, batch_size=2, **named)

    monkeypatch.setattr(session, "prepare", prepared)
    desk = Desk(session)
    desk.embed()
    desk.jobs.wait(60)
    desk.jobs.close()
    names = [name for name, _ in made]
    assert len(asked) == 4
    assert [sorted(names[3 * turn : 3 * turn + 3]) for turn in range(4)] == [sorted(keys) for keys in asked]
    assert sorted(names[12:]) == list(session.listing.keys)
    assert {side for _, side in made} == {SCREEN}


class Gated(MeanColour):
    """Encodes the first eight photos, and the others once `gate` is open."""

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()

    def encode(self, images, tiles=None):
        if self.images:
            assert self.gate.wait(60)
        return super().encode(images, tiles)


@pytest.fixture
def page(session, serve, visit, monkeypatch):
    """A tab on the Label screen, its desk, and the encoder."""
    encoder = Gated()
    monkeypatch.setattr("imlcull_al.session.session.choose_source", lambda *given: Source(encoder, None))
    session._knowledge.is_stale = True
    desk = Desk(session)
    tab = visit(serve(desk))
    tab.locator("#label-screen .stage[data-shown]").wait_for()
    yield tab, desk, encoder
    encoder.gate.set()


def says(tab, name, text):
    tab.locator(f"#label-screen .{name}", has_text=text).wait_for()


def shown(tab):
    return tab.locator("#label-screen .stage[data-shown]").get_attribute("data-shown")


def press(tab, keys):
    """Answer as many photos by their color."""
    for number in range(keys):
        key = shown(tab)
        tab.keyboard.press(label_of(key)[0])
        says(tab, "counts", f"{number + 1} of 12 labeled")
        tab.locator(f'#label-screen .stage[data-shown]:not([data-shown="{key}"])').wait_for()


def test_a_person_has_scores_while_photos_are_embedded(page):
    tab, desk, encoder = page
    desk.embed()
    press(tab, 7)  # six are of one color at most
    says(tab, "advice", "Scores cover 8 of 12 photos so far.")
    assert not desk.session.prepared
    tab.get_by_role("tab", name="Review").click()
    tab.locator("#review-screen .notice", has_text="Scores cover 8 of 12 photos so far.").wait_for()
    tab.locator("#review-screen .others", has_text="4 without a score").wait_for()
    tab.get_by_role("tab", name="Label").click()
    encoder.gate.set()
    tab.locator("#label-screen .advice:empty").wait_for(state="attached")
    assert desk.session.prepared


def test_a_person_sees_photos_come_go_and_change(page, project):
    tab, desk, encoder = page
    encoder.gate.set()
    desk.embed()
    desk.jobs.wait(60)
    save_photo(project / "stage_1" / "new.jpg", WARM, seed=99)
    says(tab, "news", "1 new photo.")
    says(tab, "counts", "0 of 13 labeled")
    gone = shown(tab)
    (project / "stage_1" / gone).unlink()
    tab.locator(f'#label-screen .stage[data-shown]:not([data-shown="{gone}"])').wait_for()
    says(tab, "news", "1 new photo. 1 photo is gone.")
    key = shown(tab)
    is_red = """(red) => {
      const canvas = document.querySelector('#label-screen canvas'), { width, height } = canvas;
      const [r, , b] = canvas.getContext('2d').getImageData(width / 2, height / 2, 1, 1).data;
      return red ? r > b : b > r;
    }"""
    tab.wait_for_function(is_red, arg="warm" in key)
    save_photo(project / "stage_1" / key, COLD if "warm" in key else WARM, seed=55)
    tab.wait_for_function(is_red, arg="warm" not in key)
    assert shown(tab) == key


def test_a_person_is_told_that_the_folder_is_gone_and_goes_on_when_it_is_back(page, project, tmp_path):
    tab, desk, encoder = page
    encoder.gate.set()
    desk.embed()
    desk.jobs.wait(60)
    (project / "stage_1").rename(tmp_path / "pulled")
    says(tab, "error", "stage_1 is gone. Connect its disk again, or put it back.")
    tab.get_by_role("status").filter(has_text="stage_1 is gone").wait_for()
    key = shown(tab)
    with tab.expect_response("**/act/presses"):
        tab.keyboard.press("k")
    tab.locator(f'#label-screen .stage[data-shown="{key}"]').wait_for()  # it was refused
    assert desk.session.labels() == {}
    (tmp_path / "pulled").rename(project / "stage_1")
    tab.get_by_role("status").filter(has_text="Analyzing photos: done").wait_for()
    tab.keyboard.press("k")
    says(tab, "counts", "1 of 12 labeled")
    tab.locator("#label-screen .error:empty").wait_for(state="attached")
    assert desk.session.labels() == {key: "keep"}


def embeddings_of(keys, rows):
    nothing = np.full(len(keys), np.nan)
    return Embeddings(tuple(keys), np.array(rows, np.float32), {}, len(keys), 0, nothing, nothing)


def ranker_of(part, photos=KEYS):
    """Even numbers are bright, odd ones dark; `part` of `photos` is embedded."""
    seen = embeddings_of(part, [WARM if int(key[:2]) % 2 == 0 else COLD for key in part])
    return Ranker(Scorer(Source(MeanColour(), None), seen), seen, photos)


def answers_of(labels, audited=(), seed="seed"):
    return Answers(dict(labels), frozenset(audited), (), frozenset(), seed, 1)


class TestChecks:
    parts = (KEYS[:10], KEYS[::3], KEYS[7:30], KEYS)

    @pytest.mark.parametrize("part", parts)
    def test_their_order_does_not_depend_on_what_is_embedded(self, part):
        ranking = ranker_of(part).rank(answers_of({}))
        assert [key for key, _ in ranking.queue("audit")] == blind.stream(KEYS, "seed")

    @pytest.mark.parametrize("part", parts)
    def test_what_was_checked_stays_a_sample_as_the_part_grows(self, part):
        checked = blind.stream(KEYS, "seed")[:9]
        bright, dark = ([key for key in part if int(key[:2]) % 2 == odd and key not in checked] for odd in (0, 1))
        labels = {bright[0]: "keep", dark[0]: "cull"} | dict.fromkeys(checked, "cull")
        certificate = promise_of(ranker_of(part).rank(answers_of(labels, checked))).certificate
        assert certificate.cull_pile.checked + certificate.keep_pile.checked == 9

    def test_photos_without_an_embedding_are_unseen_ones_of_the_cull_pile(self):
        labels = {"00.jpg": "keep", "01.jpg": "cull"}
        whole = promise_of(ranker_of(KEYS).rank(answers_of(labels)))
        part = promise_of(ranker_of(KEYS[:10]).rank(answers_of(labels)))
        assert (whole.certificate.cull_pile.photos, whole.certificate.keep_pile.photos, whole.unseen) == (19, 19, 0)
        assert (part.certificate.cull_pile.photos, part.certificate.keep_pile.photos, part.unseen) == (34, 4, 30)
        assert part.certificate.known == whole.certificate.known == 1
        assert part.certificate.share_lost > whole.certificate.share_lost

    def test_accuracy_is_that_of_scored_photos(self):
        checked = blind.stream(KEYS, "seed")[:20]
        truth = {key: "keep" if int(key[:2]) % 2 == 0 else "cull" for key in KEYS}
        labels = {"00.jpg": "keep", "01.jpg": "cull"} | {key: truth[key] for key in checked}
        audited = set(checked) - {"00.jpg", "01.jpg"}
        part = promise_of(ranker_of(KEYS[:10]).rank(answers_of(labels, audited)))
        assert (part.measures.accuracy.hits, part.measures.accuracy.trials) == (len(audited & {*KEYS[:10]}),) * 2

    def test_it_is_said(self):
        checked = blind.stream(KEYS, "seed")[:5]
        labels = {"00.jpg": "keep", "01.jpg": "cull"} | dict.fromkeys(checked, "cull")
        audited = set(checked) - {"00.jpg", "01.jpg"}
        promise = promise_of(ranker_of(KEYS[:10]).rank(answers_of(labels, audited)))
        assert "of your keepers are in the cull pile or not analyzed yet (95% confidence)" in promise.summary
        assert f"photos to be culled or not analyzed yet ({promise.unseen})" in promise.report[1]
