"""A model of one's own: what works with it, and how a wrong one is told."""

import pickle

import numpy as np
import pytest
from conftest import COLD, WARM, MeanColour, fill_stage, label_of, save_photo
from PIL import Image

from imlcull_al import Views, open_session
from imlcull_al.encoding import cluster
from imlcull_al.encoding.embeddings import ensure
from imlcull_al.encoding.load import BUILTIN, load_encoder
from imlcull_al.encoding.own import OwnEncoder
from imlcull_al.errors import EncoderError
from imlcull_al.learning import model
from imlcull_al.photos import tiles
from imlcull_al.project import tables
from imlcull_al.session.desk import TRAINING, Desk
from imlcull_al.session.jobs import FAILED
from imlcull_al.simulate.replay import Rules, replay
from imlcull_al.training.options import Options

IMAGES = [Image.new("RGB", (40, 30), WARM), Image.new("RGB", (30, 40), COLD)]


class Own:
    """No more than the protocol."""

    name, fingerprint, dim, views = "own", "own 1", 3, Views(8)

    def encode(self, images):
        return np.stack([np.asarray(image, np.float32).mean(axis=(0, 1)) for image in images])


class Falsy(Own):
    """As a container of layers that is empty."""

    def __len__(self):
        return 0


def own(**attributes):
    return type("Own", (Own,), attributes)()


def returning(rows):
    return own(encode=lambda self, images: rows(images))


@pytest.mark.slow
@pytest.mark.parametrize("given", [Own, Falsy])
def test_everything_but_training_works(project, cache_dir, given):
    session = open_session(project, model=given(), cache_dir=cache_dir)
    assert session.source == "logistic regression on own"
    for _ in range(6):
        photo = session.next()
        session.answer(photo.key, label_of(photo.key))
    assert all((each.decision == "keep") == (label_of(each.key) == "keep") for each in session.scores())
    assert len(session.order()) == len(session.listing.keys) - 6
    assert session.promise() is not None
    assert session.unlike() is not None
    new = session.cull()
    again = open_session(project, 1, given(), cache_dir)
    assert again.prepare().computed == 0
    after = session.at(new)
    assert after.prepare().computed == 0
    assert after.source == "logistic regression on own, starting from your answers of stage_1"
    assert open_session(project, 1, cache_dir=cache_dir, model=BUILTIN).source == "logistic regression on builtin"


@pytest.mark.slow
def test_training_is_refused_before_anything_changes(project, cache_dir):
    session = open_session(project, model=Own(), cache_dir=cache_dir)
    for key in session.listing.keys:
        session.answer(key, label_of(key))
    revision = session.revision
    with pytest.raises(EncoderError, match=r"^own can't be fine-tuned: it is not a vision transformer that imlcull"):
        session.train()
    assert session.prepared
    assert session.revision == revision
    assert not session.stage.model.exists()


@pytest.mark.slow
def test_the_desk_trains_it_on_request_only_and_says_why_not(project, cache_dir):
    desk = Desk(open_session(project, model=Own(), cache_dir=cache_dir), train_every=1)
    for key in desk.session.listing.keys:
        desk.session.answer(key, label_of(key))
    desk.session._visitors = type(desk.session._visitors)()  # nobody has pressed a key
    desk.follow_disk()
    assert desk.jobs.state() is None
    desk.train(Options())
    job = desk.jobs.wait(name=TRAINING)
    assert job.status == FAILED
    assert job.error.startswith("own can't be fine-tuned")


@pytest.mark.slow
def test_a_transformer_that_was_loaded_is_trained(project, cache_dir, tiny_model, unreported):
    loaded = load_encoder(str(tiny_model))
    session = open_session(project, model=loaded, cache_dir=cache_dir)
    for key in session.listing.keys:
        session.answer(key, label_of(key))
    session.train(epochs=1, learning_rate=1e-3)
    assert model.load(session.stage.model).base_model == str(tiny_model)
    for given in (loaded, tiny_model, str(tiny_model), None):
        again = open_session(project, model=given, cache_dir=cache_dir)
        assert again.source == session.source
        assert "trained from" in again.source
    assert "trained from" not in open_session(project, model=Own(), cache_dir=cache_dir).source


@pytest.mark.slow
def test_a_transformer_without_a_name_has_to_be_given_again(project, cache_dir, tiny_model, unreported):
    loaded = load_encoder(str(tiny_model))
    loaded.reference = ""
    session = open_session(project, model=loaded, cache_dir=cache_dir)
    for key in session.listing.keys:
        session.answer(key, label_of(key))
    session.train(epochs=1, learning_rate=1e-3)
    open_session(project, model=loaded, cache_dir=cache_dir).train(epochs=1, learning_rate=1e-3)
    without = open_session(project, cache_dir=cache_dir)
    assert "trained from" in without.source
    with pytest.raises(EncoderError, match=r"an object in a script\. Open the session with that object again"):
        without.train(epochs=1)


@pytest.mark.slow
def test_it_is_replayed(tmp_path, cache_dir):
    fill_stage(tmp_path / "stage_1", 20, 20)
    rows = [{"image_name": path.name, "keep": label_of(path.name)} for path in (tmp_path / "stage_1").iterdir()]
    tables.write(tmp_path / "truth.csv", ("image_name", "keep"), rows)
    rules = Rules(budget=8, step=8, seeds=1)
    done = replay(
        tmp_path, tmp_path / "truth.csv", tmp_path / "curve.csv", rules, model=MeanColour(), cache_dir=cache_dir
    )
    assert "logistic regression on mean colour" in done.about
    assert done.rows[-1].average_precision > 0.9


def test_it_sees_photos_as_large_as_it_asks_and_tiles_if_it_does(tmp_path, cache_dir):
    path = save_photo(tmp_path / "a.jpg", WARM)
    seen = []

    def encode(self, images, *strips):
        seen.append((images[0].size, *(strip.size for (strip, *_) in strips)))
        return np.zeros((len(images), 3), np.float32)

    ensure({"a.jpg": path}, load_encoder(own(encode=encode, views=Views(16))), cache_dir)
    ensure({"a.jpg": path}, load_encoder(own(encode=encode, views=Views(16, tiles=True))), cache_dir)
    strip = (tiles.COUNT * tiles.SIDE, tiles.SIDE)
    assert [len(each) for each in seen] == [1, 1, 2, 2]  # noise, then the photo
    assert {each[1] for each in seen[2:]} == {strip}


def test_another_fingerprint_size_or_name_is_another_encoder():
    prints = [
        load_encoder(own(**changed)).fingerprint
        for changed in ({}, {"fingerprint": "own 2"}, {"dim": 4}, {"name": "other"}, {"views": Views(9)})
    ]
    assert len({*prints}) == 5
    assert all(len(bytes.fromhex(each)) == 32 for each in prints)
    assert load_encoder(Own()).fingerprint == prints[0]
    assert load_encoder(MeanColour()).fingerprint == MeanColour.fingerprint  # a digest stays as it is


def test_the_same_digest_with_another_size_is_never_mixed(tmp_path, cache_dir):
    path = save_photo(tmp_path / "a.jpg", WARM)
    for dim in (3, 4, 3):
        rows = ensure(
            {"a.jpg": path},
            load_encoder(
                own(fingerprint="ab" * 32, dim=dim, encode=lambda self, images: np.ones((len(images), self.dim), "f4"))
            ),
            cache_dir,
        ).rows
        assert rows.shape == (1, dim)


@pytest.mark.parametrize("name", ["name", "fingerprint", "dim", "views", "encode"])
def test_a_missing_attribute_is_named(project, cache_dir, name):
    attributes = {key: getattr(Own, key) for key in ("name", "fingerprint", "dim", "views", "encode") if key != name}
    with pytest.raises(EncoderError, match=rf"can't be used as a model: it has no {name}; give it "):
        open_session(project, model=type("Own", (), attributes)(), cache_dir=cache_dir, prepare=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [("name", ""), ("name", 1), ("fingerprint", b"ab"), ("fingerprint", " "), ("dim", 0), ("dim", 3.0), ("dim", True),
     ("dim", 10**6), ("views", 224), ("views", Views(0)), ("encode", None)],
)  # fmt: skip
def test_a_wrong_attribute_is_named(name, value):
    with pytest.raises(EncoderError, match=rf"can't be used as a model: its {name} is .*; give it "):
        load_encoder(own(**{name: value}))


def test_a_class_in_place_of_an_object_is_told():
    with pytest.raises(
        EncoderError, match=r"^Own can't be used as a model: it is a class; give an object, Own\(…\)\.$"
    ):
        load_encoder(Own)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            lambda images: np.zeros((len(images), 3)),
            "returned float64 numbers for 2 images; return (2, 3) numpy.float32",
        ),
        (lambda images: np.zeros((len(images), 4), "f4"), "returned an array of shape (2, 4) for 2 images"),
        (lambda images: np.zeros((1, 3), "f4"), "returned an array of shape (1, 3) for 2 images"),
        (lambda images: [[0.0] * 3] * len(images), "returned a list for 2 images"),
        (lambda images: np.full((len(images), 3), np.nan, "f4"), "returned NaN or infinite numbers for noise"),
        (lambda images: 1 // 0, "failed on noise: integer division or modulo by zero"),
    ],
)
def test_what_encode_may_not_return_is_told_before_any_photo_is_blamed(project, cache_dir, rows, said):
    with pytest.raises(EncoderError) as refused:
        open_session(project, model=returning(rows), cache_dir=cache_dir)
    assert str(refused.value).startswith("own can't be used as a model: its encode ")
    assert said in str(refused.value)
    session = open_session(project, model=Own(), cache_dir=cache_dir)  # the same fingerprint, mended
    assert session.unreadable() == {}


def test_a_single_photo_is_a_batch_too():
    encoder = load_encoder(returning(lambda images: np.zeros((len(images), 3), "f4").squeeze()))
    assert encoder.encode(IMAGES).shape == (2, 3)
    with pytest.raises(EncoderError, match=r"returned an array of shape \(3,\) for 1 images"):
        encoder.encode(IMAGES[:1])


def test_a_photo_without_finite_numbers_is_told_as_unreadable(project, cache_dir):
    def rows(images):
        return np.array([[np.nan if np.asarray(image)[..., 2].mean() > 150 else 1] * 3 for image in images], "f4")

    session = open_session(project, model=returning(rows), cache_dir=cache_dir)
    cold = [key for key in session.listing.keys if label_of(key) == "cull"]
    assert list(session.unreadable()) == cold
    assert set(session.unreadable().values()) == {"the encoder own gave no finite numbers for it"}


def test_it_is_never_called_by_two_threads_at_once(tmp_path, cache_dir):
    paths = {f"{n}.jpg": save_photo(tmp_path / f"{n}.jpg", WARM, n) for n in range(12)}
    inside = []

    def encode(self, images):
        inside.append(1)
        assert len(inside) == 1
        rows = Own.encode(self, images)
        inside.pop()
        return rows

    assert ensure(paths, load_encoder(own(encode=encode)), cache_dir, batch_size=1).computed == 12


def test_workers_of_a_cluster_get_the_object_itself(project, cache_dir):
    sent = pickle.loads(pickle.dumps(load_encoder(MeanColour())))
    assert isinstance(sent, OwnEncoder)
    assert isinstance(sent.model, MeanColour)
    session = open_session(project, model=own(), cache_dir=cache_dir, prepare=False)
    with pytest.raises(EncoderError, match=r"^own can't be sent to the workers of a cluster: .*pickle"):
        session.fill_on_cluster()


def test_a_loaded_encoder_is_sent_by_its_name(project, cache_dir, tiny_model, monkeypatch):
    loads = []
    monkeypatch.setattr(cluster, "fill", lambda paths, encoder, load, *_, **__: loads.append(pickle.dumps(load)) or 0)
    open_session(project, model=load_encoder(str(tiny_model)), cache_dir=cache_dir, prepare=False).fill_on_cluster()
    assert pickle.loads(loads[0])().reference == str(tiny_model)
