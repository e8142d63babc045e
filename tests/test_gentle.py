"""Gentle trainings: folds, which scores count, their mean, and trainings that begin by themselves."""

import math
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import WARM, fill_stage, label_of, save_photo

from imlcull_al.encoding.load import load_encoder
from imlcull_al.errors import Cancelled, EncoderError, ModelFileError, NotEnoughLabels, StageError, TrainingError
from imlcull_al.learning import choice, model
from imlcull_al.learning.choice import AVERAGE, HEAD, MODEL, choose
from imlcull_al.learning.head import softmax, weights_of_tags
from imlcull_al.learning.scores import choose_source, mean_of
from imlcull_al.project.stages import Stage
from imlcull_al.project.task import CULL_TASK, Task
from imlcull_al.session import desk as desks
from imlcull_al.session.desk import EMBEDDING, TRAINING, Desk
from imlcull_al.session.session import open_session
from imlcull_al.training import blocks, epoch_loop, train
from imlcull_al.training.epoch_loop import FineTuning, _rate
from imlcull_al.training.options import GENTLE, Options
from imlcull_al.training.splits import folds

TAGS = Task("notes", ("red", "blue"), exclusive=False)
THREE = Task("kinds", ("a", "b", "c"))


class TestFolds:
    def test_every_photo_is_held_out_once_and_each_class_as_often(self):
        targets = np.eye(2)[[0, 1] * 8]
        found = folds(targets, 4, 0)
        assert sorted(np.concatenate([validation for _, validation in found]).tolist()) == list(range(16))
        for learned, validation in found:
            assert targets[validation].sum(axis=0).tolist() == [2, 2]
            assert sorted([*learned, *validation]) == list(range(16))

    def test_a_burst_is_never_divided(self):
        groups = np.arange(24) // 3
        for learned, validation in folds(np.eye(2)[groups % 2], 4, 1, groups):
            assert not {*groups[learned]} & {*groups[validation]}

    def test_a_fold_without_a_second_class_to_learn_is_left_out(self):
        """One burst holds all of a class, so that its fold would learn from one class only."""
        groups = np.array([0, 0, 1, 2, 3, 4, 5, 6])
        found = folds(np.eye(2)[[0, 0, 1, 1, 1, 1, 1, 1]], 4, 0, groups)
        assert len(found) == 3
        assert not [0 for _, validation in found if 0 in validation]

    def test_few_photos_have_few_folds(self):
        assert len(folds(np.eye(2)[[0, 0, 1, 1]], 4, 0)) == 2

    def test_tags_that_are_unknown_are_a_kind_of_their_own(self):
        targets = np.array([[1, np.nan], [1, np.nan], [0, 1], [0, 1], [0, 0], [0, 0]])
        found = folds(targets, 2, 0, task=TAGS)
        assert [len(validation) for _, validation in found] == [3, 3]

    def test_a_class_with_one_photo_judges_nothing(self):
        """No fold that holds it out can know it; judged by it, all would be far too sure."""
        targets = np.eye(3)[[0, 1] * 8 + [2]]
        found = folds(targets, 4, 0, task=THREE)
        assert sorted(np.concatenate([validation for _, validation in found]).tolist()) == list(range(16))
        assert sum(16 in learned for learned, _ in found) == 3

    def test_tags_in_combinations_that_are_all_different(self):
        targets = np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]])
        found = folds(targets, 4, 0, task=Task("tags", ("a", "b", "c"), exclusive=False))
        assert sorted(np.concatenate([validation for _, validation in found]).tolist()) == [0, 1, 2, 3]

    def test_the_number_comes_from_the_share_held_out(self):
        assert [replace(GENTLE, validation_split=share).folds for share in (0.25, 0.2, 0.5, 0.9, 0.01)] == [
            4,
            5,
            2,
            2,
            10,
        ]
        assert Options().folds == 1


class TestChoice:
    right = np.array([[2.0, -2], [-2, 2]] * 11)
    wrong = -right
    targets = np.eye(2)[[0, 1] * 11]

    def test_what_is_right_counts(self):
        assert choose(self.wrong, self.right, self.targets, CULL_TASK).scores == MODEL
        assert choose(self.right, self.wrong, self.targets, CULL_TASK).scores == HEAD

    def test_figures_of_all_three_are_kept(self):
        found = choose(self.right, self.wrong, self.targets, CULL_TASK)
        assert found.accuracies == {HEAD: 1.0, MODEL: 0.0, AVERAGE: 1.0}
        assert found.losses[HEAD] == pytest.approx(math.log1p(math.exp(-4)))

    def test_two_that_err_apart_are_averaged(self):
        one, other = self.right.copy(), self.right.copy()
        one[:4] *= -0.5
        other[-4:] *= -0.5
        assert choose(one, other, self.targets, CULL_TASK).scores == AVERAGE

    def test_a_model_that_is_too_sure_is_toned_down(self):
        sure = 20 * self.right
        sure[0] *= -1
        found = choose(self.right, sure, self.targets, CULL_TASK)
        assert found.scale < 0.2
        assert found.losses[MODEL] < 1

    def test_photos_without_numbers_are_left_out(self):
        model_logits, head = self.right.copy(), self.wrong.copy()
        model_logits[0], head[1] = np.nan, np.inf
        assert choose(head, model_logits, self.targets, CULL_TASK).scores == MODEL
        assert choose(head * np.nan, model_logits, self.targets, CULL_TASK) == (HEAD, {}, {}, 1.0)

    def test_unknown_tags_say_nothing(self):
        targets = np.array([[1, np.nan], [0, 1], [np.nan, np.nan], [1, 0]])
        right = np.array([[3.0, -9], [-3, 3], [-9, 9], [3, -3]])
        found, weights = choice.losses(right, targets, TAGS), weights_of_tags(targets)
        assert found == pytest.approx(np.log1p(np.exp(-3)) * weights.sum(axis=1) / [1, 2, 1, 2])
        assert weights[2].tolist() == [0, 0]
        assert choose(-right, right, targets, TAGS).accuracies[MODEL] == 1.0

    def test_a_class_that_was_given_a_few_times_counts_for_too_little(self):
        """The model is right and the head is wrong, but nine answers of a class are no ground to change."""
        for few, scores in ((9, HEAD), (10, MODEL)):
            targets = np.eye(2)[[0] * few + [1] * 30]
            right = 4 * targets - 2
            assert choose(-right, right, targets, CULL_TASK).scores == scores
            tags = np.hstack([targets[:, :1], np.full((len(targets), 1), np.nan)])
            assert choose(-right, right, tags, TAGS).scores == scores

    def test_rare_classes_weigh_more(self):
        """Calling everything common has the lower plain loss, and is no better."""
        targets = np.eye(2)[[0] * 10 + [1] * 90]
        common = np.tile([-1.0, 1], (100, 1))
        fair = np.where(targets == 1, 0.3, -0.3) - [0.2, -0.2]
        plain = [-np.log(softmax(logits)[targets == 1]).mean() for logits in (common, fair)]
        assert plain[0] < plain[1]
        assert choose(fair, common, targets, CULL_TASK).losses[HEAD] < choice.losses(common, targets, CULL_TASK).mean()


class TestMean:
    def test_logits_are_averaged(self):
        one, other = np.array([[0.9, 0.1]]), np.array([[0.5, 0.5]])
        assert mean_of(one, other, CULL_TASK) == pytest.approx(np.array([[0.75, 0.25]]))
        assert mean_of(one, other, TAGS) == pytest.approx(np.array([[0.75, 0.25]]))

    def test_several_classes_sum_to_one(self):
        found = mean_of(np.array([[0.8, 0.2, 0.0]]), np.array([[0.2, 0.2, 0.6]]), THREE)
        assert found == pytest.approx(np.array([[2 / 3, 1 / 3, 0]]))

    def test_a_tag_that_one_does_not_know_is_as_the_other_says(self):
        one, other = np.array([[np.nan, 0.9, np.nan]]), np.array([[0.7, np.nan, np.nan]])
        assert mean_of(one, other, TAGS)[0, :2].tolist() == [0.7, 0.9]
        assert np.isnan(mean_of(one, other, TAGS)[0, 2])


def test_the_learning_rate_warms_up_and_falls_to_nothing():
    course = [_rate(step, 40, gentle=True) for step in range(40)]
    assert course[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert course[4] == 1
    assert course == sorted(course[:5]) + sorted(course[5:], reverse=True)
    assert course[-1] < 0.01


@pytest.mark.slow
@pytest.mark.usefixtures("unreported")
class TestTraining:
    @pytest.fixture
    def stage(self, tmp_path):
        fill_stage(tmp_path / "stage_1", warm=8, cold=8)
        return Stage(tmp_path, 1)

    @pytest.fixture
    def fit(self, stage, tiny_model):
        labels = {path.name: label_of(path.name) for path in stage.folder.iterdir()}

        def fit(labels=labels, task=CULL_TASK, **options):
            callbacks = {name: options.pop(name) for name in ("stop", "on_epoch") if name in options}
            chosen = replace(GENTLE, **{"epochs": 2, "learning_rate": 1e-3, **options})
            return train.train(stage, load_encoder(str(tiny_model)), labels, chosen, task=task, **callbacks)

        return fit

    def test_all_photos_are_held_out_and_the_last_epoch_is_saved(self, stage, fit):
        told = []
        training = fit(on_epoch=lambda epoch, best: told.append((epoch.epoch, best)))
        assert told == [(0, True), (1, False), (2, True)]
        assert len(training.train_keys) == len(training.validation_keys) == 16
        loaded = model.load(stage.model)
        assert (loaded.epoch, loaded.scores) == (2, training.choice.scores)
        assert len(stage.epoch_log.read_text().splitlines()) == 3
        assert [sum(counts) for epoch in training.epochs for counts in epoch.counts] == [16, 16]

    def test_the_saved_weights_are_the_mean_of_all_folds(self, stage, fit, monkeypatch):
        held = []

        def noted(tuning, scale=1.0):
            held.extend([weights.clone() for weights in fold.weights] for fold in tuning.folds)
            kept(tuning, scale)

        kept = FineTuning.average
        monkeypatch.setattr(FineTuning, "average", noted)
        training = fit()
        assert len(held) == 4
        state = torch.load(stage.model, weights_only=True)["state_dict"]
        bias = torch.stack([weights[-1] for weights in held]).mean(dim=0)
        assert torch.allclose(state["head.bias"], training.choice.scale * bias)
        assert not torch.equal(held[0][-1], held[1][-1])

    def test_the_same_seed_gives_the_same_model(self, stage, fit):
        fit()
        first = stage.model.read_bytes()
        fit()
        assert stage.model.read_bytes() == first
        assert stage.previous_model.read_bytes() == first

    def test_a_stop_changes_nothing(self, stage, fit):
        fit()
        before, log = stage.model.read_bytes(), stage.epoch_log.read_bytes()
        seen = []
        with pytest.raises(Cancelled, match="stopped before it was done; no model was changed"):
            fit(seed=1, on_epoch=lambda epoch, best: seen.append(epoch), stop=lambda: len(seen) == 2)
        assert (stage.model.read_bytes(), stage.epoch_log.read_bytes()) == (before, log)
        assert not stage.previous_model.exists()

    def test_a_loss_that_is_not_finite_saves_nothing(self, stage, fit):
        with pytest.raises(TrainingError, match="smaller learning rate"):
            fit(learning_rate=1e30)
        assert not stage.model.exists()

    def test_a_model_before_that_is_better_stays(self, stage, fit, monkeypatch):
        fit()
        saved = stage.model.read_bytes()
        sure = np.array([[9.0, -9]] * 8 + [[-9.0, 9]] * 8)[::-1]  # cold photos come first and are culled
        monkeypatch.setattr(train.before, "logits", lambda *given: sure)
        monkeypatch.setattr(choice, "ENOUGH", 16)
        with pytest.raises(TrainingError, match=r"The model before is better \(of the answers since then 100.0% are"):
            fit(seed=1, learning_rate=1e-9)
        assert stage.model.read_bytes() == saved

    def test_the_model_before_is_asked_about_new_answers_only(self, stage, fit, tiny_model):
        labels = {path.name: label_of(path.name) for path in stage.folder.iterdir()}
        fit({key: label for key, label in labels.items() if not key.endswith("0.jpg")})
        keys = sorted(labels)
        found = train.before.logits(stage, load_encoder(str(tiny_model)), keys, CULL_TASK)
        assert [key for key, row in zip(keys, found, strict=True) if np.isfinite(row).all()] == [
            "cold_00.jpg",
            "warm_00.jpg",
        ]

    def test_too_few_answers_are_refused_as_ever(self, fit):
        with pytest.raises(NotEnoughLabels, match="at least 2 readable photos of each class"):
            fit({"warm_00.jpg": "keep", "warm_01.jpg": "keep", "cold_00.jpg": "cull"})

    def test_more_blocks_than_there_are_train_all(self, fit):
        assert fit(train_blocks=99).choice is not None

    def test_a_transformer_that_can_not_be_divided_is_trained_whole(self, stage, fit, monkeypatch):
        def undivided(*given):
            raise EncoderError("no")

        whole = fit(train_blocks=None)
        for name in ("block_count", "Cut"):
            with monkeypatch.context() as patched:
                patched.setattr(blocks, name, undivided)
                patched.setattr(epoch_loop, name, undivided, raising=False)
                assert fit().epochs == whole.epochs
                with pytest.raises(EncoderError):
                    fit(train_blocks=1, gentle=False)

    @pytest.mark.parametrize("task", [THREE, TAGS])
    def test_classes_and_tags(self, stage, fit, task):
        def answer(name):
            place = int(name[5:7])
            if task is THREE:
                return task.classes[place % 3]
            return task.label_of({"red": name.startswith("warm"), "blue": place % 2 == 0})

        training = fit({path.name: answer(path.name) for path in stage.folder.iterdir()}, task)
        assert set(training.choice.accuracies) == {HEAD, MODEL, AVERAGE}
        assert len(training.epochs[0].counts) == len(task.classes)
        assert "from now on" in training.summary

    def test_the_summary_says_what_counts(self, fit):
        summary = fit().summary
        assert summary.startswith("Trained for 2 epochs, in 4 folds. Of the answers left out in turn, ")


@pytest.mark.slow
class TestSource:
    @pytest.fixture
    def trained(self, project, tiny_model, cache_dir, unreported):
        session = open_session(project, model=str(tiny_model), cache_dir=cache_dir)
        for key in session.listing.keys:
            if int(key[5:7]) < 5:
                session.answer(key, label_of(key))
        session.train(replace(GENTLE, epochs=1))
        return session

    @pytest.fixture
    def chosen(self, trained, monkeypatch):
        def chosen(scores):
            content = torch.load(trained.stage.model, weights_only=True)
            torch.save({**content, "scores": scores}, trained.stage.model)

        return chosen

    def test_what_the_training_found_best_counts(self, trained, chosen, tiny_model):
        for scores, of_model, of_head in ((MODEL, True, False), (HEAD, False, False), (AVERAGE, True, True)):
            chosen(scores)
            for named in (None, str(tiny_model)):
                source = choose_source(trained.stage, named)
                assert (source.model is not None, source.frozen is not None) == (of_model, of_head)

    def test_it_can_be_forced(self, trained, chosen, tiny_model):
        chosen(HEAD)
        assert choose_source(trained.stage, None, scores=MODEL).model
        chosen(MODEL)
        source = choose_source(trained.stage, None, scores=HEAD)
        assert (source.model, source.unused) == (None, 10)
        assert source.encoder.fingerprint == load_encoder(str(tiny_model)).fingerprint
        assert "no worse than the model trained on 10 labels" in source.description

    @pytest.mark.parametrize("scores", [HEAD, AVERAGE])
    def test_without_the_model_it_was_trained_from_the_trained_one_counts(self, trained, chosen, scores, tiny_model):
        chosen(scores)
        content = torch.load(trained.stage.model, weights_only=True)
        torch.save({**content, "base_model": "/nowhere/vit"}, trained.stage.model)
        source = choose_source(trained.stage, None)
        assert (source.model is not None, source.frozen) == (True, None)
        assert source.notice == "/nowhere/vit can't be had, so the trained model counts alone."
        assert choose_source(trained.stage, str(tiny_model)).notice == ""

    def test_the_next_stage_does_without_a_model_that_was_no_better(self, trained, chosen, tiny_model):
        frozen = load_encoder(str(tiny_model)).fingerprint
        for scores, is_frozen in ((HEAD, True), (MODEL, False), (AVERAGE, False)):
            chosen(scores)
            assert (choose_source(trained.stage.next, None).encoder.fingerprint == frozen) == is_frozen

    def test_the_mean_holds_while_photos_are_added(self, trained, chosen, cache_dir, project):
        chosen(AVERAGE)
        session = open_session(project, cache_dir=cache_dir)
        before = session.photo("warm_05.jpg").p_keep
        seen = []
        save_photo(project / "stage_1" / "new.jpg", WARM, seed=77)
        session.prepare(on_part=lambda: seen.append(session.photo("warm_05.jpg").p_keep))
        assert [*seen, session.photo("warm_05.jpg").p_keep] == pytest.approx([before] * (len(seen) + 1), abs=0.05)
        assert session.photo("new.jpg").p_keep is not None

    def test_the_mean_is_between_both(self, trained, cache_dir, project):
        of = {
            scores: open_session(project, cache_dir=cache_dir, scores=scores).standing().ranking.p_keep
            for scores in (HEAD, MODEL, AVERAGE)
        }
        logit = {name: np.log(p / (1 - p)) for name, p in of.items()}
        assert logit[AVERAGE] == pytest.approx((logit[HEAD] + logit[MODEL]) / 2)
        assert not np.allclose(of[HEAD], of[MODEL])

    def test_a_file_that_names_no_scores_is_refused(self, trained, chosen):
        chosen("best")
        with pytest.raises(ModelFileError, match="it is none of head, model, average"):
            model.load(trained.stage.model)

    def test_the_commands_take_it(self, trained, run, project):
        code, out, _ = run("score", "--project", project, "--scores", "average")
        assert code == 0
        assert len(out.splitlines()) == 13
        with pytest.raises(StageError, match="scores is 'best'; choose auto, head, model or average"):
            open_session(project, scores="best")


@pytest.mark.slow
class TestByItself:
    @pytest.fixture
    def desk(self, project, tiny_model, cache_dir, unreported, monkeypatch):
        monkeypatch.setattr(desks, "GENTLE", replace(GENTLE, epochs=1))
        session = open_session(project, model=str(tiny_model), cache_dir=cache_dir)
        desk = Desk(session, train_every=6)
        yield desk
        desk.jobs.close()
        desk.jobs.wait(60)

    @pytest.fixture
    def idle(self, monkeypatch):
        monkeypatch.setattr(desks, "IDLE", -1.0)
        monkeypatch.setattr(desks, "PAUSE", -1.0)

    def answer(self, desk, count, start=0):
        for number in range(start, start + count):
            key = f"{'warm' if number % 2 else 'cold'}_{number // 2:02d}.jpg"
            desk.session.answer(key, label_of(key))

    def test_it_begins_after_enough_answers_and_its_model_takes_over(self, desk, idle):
        self.answer(desk, 5)
        desk.follow_disk()
        assert desk.latest(TRAINING) is None
        self.answer(desk, 1, 5)
        desk.follow_disk()
        assert desk.jobs.wait(60, TRAINING).status == "done"
        assert desk.session.source == "logistic regression on " + load_encoder(desk.session._model).name
        desk.follow_disk()  # notices the new model
        assert desk.jobs.wait(60, EMBEDDING).status == "done"
        assert desk.session.learned_and_new() == (6, 0)
        assert "6 labels" in desk.session.source
        desk.follow_disk()
        assert desk.jobs.state().name == EMBEDDING
        self.answer(desk, 5, 6)
        desk.follow_disk()
        assert desk.jobs.state().name == EMBEDDING
        self.answer(desk, 1, 11)
        desk.follow_disk()
        assert desk.jobs.state().name == TRAINING
        assert desk.jobs.wait(60, TRAINING).status in ("done", "cancelled")  # the model before may be better

    def test_until_then_a_cull_goes_by_the_scores_of_before(self, desk, idle):
        self.answer(desk, 12)
        desk.follow_disk()
        assert desk.jobs.wait(60, TRAINING).status == "done"
        before, known = desk.session.source, desk.session.survey()
        assert desk.session.prepared
        desk.dry_run(0.5)
        plan = desk.jobs.wait(60, "dry run").result
        assert plan.model == before
        assert desk.session.survey() == known
        desk.follow_disk()
        assert desk.jobs.wait(60, EMBEDDING).status == "done"
        assert "12 labels" in desk.session.source
        assert desk.planned() is None
        desk.dry_run(0.5)
        assert desk.jobs.wait(60, "dry run").result.model == desk.session.source
        assert desk.planned() is not None

    def test_after_a_training_that_a_person_began_a_cull_waits_for_its_scores(self, desk):
        self.answer(desk, 12)
        desk.train(desks.GENTLE)
        assert desk.jobs.wait(60, TRAINING).status == "done"
        assert not desk.session.prepared
        desk.dry_run(0.5)
        assert "12 labels" in desk.jobs.wait(60, "dry run").result.model

    def test_not_while_somebody_answers(self, desk):
        self.answer(desk, 6)
        desk.follow_disk()
        assert desk.latest(TRAINING) is None

    def test_too_few_of_a_class_are_no_failure(self, desk, idle):
        for number in range(6):
            desk.session.answer(f"warm_{number:02d}.jpg", "keep")
        desk.follow_disk()
        job = desk.jobs.wait(60, TRAINING)
        assert (job.status, "Label" in job.error) == ("cancelled", True)
        desk.follow_disk()
        assert desk.latest(TRAINING).number == job.number
        assert desk.session.prepared
        desk.dry_run(0.5)
        desk.jobs.wait(60, "dry run")
        assert desk.jobs.state().name == "dry run"
        for number in range(6):
            desk.session.answer(f"cold_{number:02d}.jpg", "cull")
        desk.follow_disk()
        assert desk.jobs.wait(60, TRAINING).status == "done"

    def test_a_press_interrupts_it(self, desk, idle, monkeypatch):
        """The training waits, and goes on once nobody has pressed for a while."""
        monkeypatch.setattr(desks, "PAUSE", 3600.0)
        self.answer(desk, 6)
        desk.follow_disk()
        time.sleep(0.5)
        assert desk.latest(TRAINING).running
        assert not desk.latest(TRAINING).notes
        monkeypatch.setattr(desks, "PAUSE", -1.0)
        assert desk.jobs.wait(60, TRAINING).status == "done"

    def test_any_other_job_goes_first(self, desk, idle, monkeypatch):
        monkeypatch.setattr(desks, "PAUSE", 3600.0)
        self.answer(desk, 6)
        desk.follow_disk()
        desk.dry_run(0.5)
        assert desk.jobs.wait(60, "dry run").status == "done"
        assert desk.planned() is not None
        desk.follow_disk()
        assert desk.latest(TRAINING).running  # it is taken up again
        assert desk.planned() is not None
        desk.cull(plan=desk.planned())
        assert desk.jobs.wait(60, "cull").status == "done"
        desk.follow_disk()
        assert desk.latest(TRAINING).running
        desk.go_on()
        assert desk.session.stage.number == 2

    def test_another_encoder_does_not_replace_the_model(self, desk, idle, project, cache_dir):
        self.answer(desk, 6)
        desk.follow_disk()
        desk.jobs.wait(60, TRAINING)
        other = Desk(open_session(project, model="builtin", cache_dir=cache_dir), train_every=1)
        other.follow_disk()
        assert other.latest(TRAINING) is None

    def test_notes_of_an_interrupted_training_go_nowhere(self, desk, idle):
        begun, goes_on = threading.Event(), threading.Event()

        def noting(progress, stop):
            begun.set()
            goes_on.wait(60)
            desk.jobs.note("late")

        desk.jobs.start(TRAINING, noting, yields=True, again=False)
        begun.wait(60)
        desk.dry_run(0.5)
        goes_on.set()
        assert desk.jobs.wait(60, "dry run").notes == ()
        assert desk.latest(TRAINING).notes == ()

    def test_never_if_not_asked_to(self, desk, idle):
        other = Desk(desk.session)
        self.answer(desk, 12)
        other.follow_disk()
        assert other.latest(TRAINING) is None
