"""The rows of a cluster are those of a local run; nothing is lost or done twice."""

import os
import pickle
import shutil
import socket
import sys
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import MeanColour, fill_stage, save_photo

from imlcull_al import parallel
from imlcull_al.cli.commands import main
from imlcull_al.encoding import cluster
from imlcull_al.encoding.cluster import fill
from imlcull_al.encoding.cluster_worker import ClusterWorker, packed, unpacked
from imlcull_al.encoding.embeddings import ensure
from imlcull_al.encoding.load import load_encoder
from imlcull_al.errors import Cancelled, ClusterError, EncoderError, StorageError
from tests.torture.cluster_kills import command, descendants, left_behind

ROOT = Path(__file__).parents[1]
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed (requirements-cluster.txt)")
BUILTIN = partial(load_encoder, "builtin")


def paths_of(folder):
    return {path.name: path for path in sorted(folder.iterdir())}


@pytest.fixture
def stage(tmp_path):
    """60 photos, one of them twice, and two that are none."""
    folder = fill_stage(tmp_path / "project" / "stage_1", warm=30, cold=30)
    (folder / "copy.jpg").write_bytes((folder / "warm_01.jpg").read_bytes())
    (folder / "broken.jpg").write_bytes(b"broken")
    (folder / "cut.jpg").write_bytes((folder / "warm_02.jpg").read_bytes()[:300])
    return folder


@pytest.fixture
def in_this_process(monkeypatch):
    """Batches are taken by a worker in this process; a list of those it was given, and how many photos it encoded."""
    given = []

    def outcomes(ray, batches, worker, layout):
        here = ClusterWorker(*worker)
        for batch in batches:
            given.append(unpacked(batch))
            (row,) = zip(*here({"photos": [batch]}).values(), strict=True)
            yield dict(zip(("photos", "unseen", "error"), row, strict=True))

    @contextmanager
    def connected(address):
        yield SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": {"CPU": 2.0}}])

    monkeypatch.setattr(parallel, "_threads", parallel._threads)  # a worker sets it
    monkeypatch.setattr(cluster, "_connected", connected)
    monkeypatch.setattr(cluster, "_outcomes", outcomes)
    return given


def assert_like_a_local_run(stage, cache_dir, tmp_path, load=BUILTIN):
    here = ensure(paths_of(stage), load(), tmp_path / "local")
    there = ensure(paths_of(stage), load(), cache_dir)
    assert (there.keys, there.unreadable, there.computed) == (here.keys, here.unreadable, 0)
    assert set(there.unreadable) == {"broken.jpg", "cut.jpg"}
    # Processors with AMX round bfloat16 differently in batches of another size; other photos' rows differ far more.
    exact = load is MeanColour
    assert np.array_equal(there.rows, here.rows) if exact else np.abs(there.rows - here.rows).max() < 0.01
    assert not list(cache_dir.glob(".imlcull-*.tmp"))


@pytest.mark.slow
@pytest.mark.ray
@needs_ray
def test_a_ray_cluster_has_the_rows_of_a_local_run_and_leaves_no_process(stage, cache_dir, tmp_path):
    """With one worker, since each takes seconds to start; tests/torture/cluster_kills.py kills several."""
    told = []
    paths = list(paths_of(stage).values())
    computed = fill(paths, BUILTIN(), BUILTIN, cache_dir, cores=2, progress=lambda *so_far: told.append(so_far[1:]))
    assert computed == 60
    assert (told[0], told[-1]) == ((0, 63), (63, 63))
    # Decoders of this process may start at any time: an app of an earlier test may still work in a thread.
    assert left_behind(process for process in descendants() if "ray" in command(process)) == []
    assert_like_a_local_run(stage, cache_dir, tmp_path)
    assert fill(paths, BUILTIN(), None, cache_dir) == 0


@pytest.mark.slow
def test_a_run_on_a_cluster_says_the_same_as_a_local_one(stage, cache_dir, tmp_path, in_this_process, capsys):
    def said(cache: Path, *engine: str) -> str:
        words = ["embed", "--project", stage.parent, "--cache-dir", cache, "--model", "builtin", *engine]
        assert main(list(map(str, words))) == 0
        return capsys.readouterr().out

    ray = ("--engine", "ray")
    first = "63 photos in stage_1: 1 found in the cache, 60 computed, 2 unreadable\n"
    assert (said(tmp_path / "local"), said(cache_dir, *ray)) == (first, first)
    (stage / "new.jpg").write_bytes((stage / "warm_03.jpg").read_bytes())
    save_photo(stage / "newer.jpg", (90, 90, 90))
    later = "65 photos in stage_1: 62 found in the cache, 1 computed, 2 unreadable\n"
    assert (said(tmp_path / "local"), said(cache_dir, *ray)) == (later, later)
    assert said(cache_dir, *ray) == "65 photos in stage_1: 63 found in the cache, 0 computed, 2 unreadable\n"


@pytest.mark.slow
def test_a_stopped_run_goes_on_where_it_was(stage, cache_dir, tmp_path, in_this_process):
    paths, asked = list(paths_of(stage).values()), iter([False, False, True])
    with pytest.raises(Cancelled, match="what was done is kept"):
        fill(paths, MeanColour(), MeanColour, cache_dir, batch_size=4, stop=lambda: next(asked))
    assert [len(batch) for batch in in_this_process] == [12, 12, 12]
    in_this_process.clear()
    assert fill(paths, MeanColour(), MeanColour, cache_dir, batch_size=4) == 60 - 33
    assert [path for batch in in_this_process for path in batch] == paths[36:]
    assert_like_a_local_run(stage, cache_dir, tmp_path, MeanColour)


@pytest.mark.slow
def test_a_copy_of_a_known_photo_is_not_computed_again(stage, cache_dir, tmp_path, in_this_process, monkeypatch):
    paths = list(paths_of(stage).values())
    fill(paths, MeanColour(), MeanColour, cache_dir)
    copies = [shutil.copy2(path, tmp_path / path.name) for path in paths]
    monkeypatch.setattr(MeanColour, "encode", None)
    assert fill(copies, MeanColour(), MeanColour, cache_dir) == 0
    seen = ensure({path.name: path for path in copies}, MeanColour(), cache_dir)
    assert (seen.computed, len(seen.keys), set(seen.unreadable)) == (0, 61, {"broken.jpg", "cut.jpg"})


def test_a_worker_with_another_encoder_is_refused(stage, cache_dir, in_this_process, tiny_model):
    other = partial(load_encoder, str(tiny_model))
    with pytest.raises(EncoderError) as refused:
        fill([stage / "warm_00.jpg"], BUILTIN(), other, cache_dir)
    for each in (BUILTIN(), other()):
        assert each.fingerprint[:16] in str(refused.value)


def test_a_worker_that_does_not_see_the_cache_is_refused(stage, tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "_threads", parallel._threads)
    worker = ClusterWorker(pickle.dumps(BUILTIN), BUILTIN().fingerprint, tmp_path / "gone" / "run", 4, 1)
    outcome = worker({"photos": [packed([stage / "warm_00.jpg"])]})
    error = pickle.loads(outcome["error"][0])
    assert isinstance(error, StorageError)
    assert f"does not see the cache in {tmp_path / 'gone'}. Choose" in str(error)


def test_photos_that_workers_do_not_see_are_told(stage, cache_dir, in_this_process, caplog):
    assert fill([stage / "warm_00.jpg", stage / "gone.jpg"], MeanColour(), MeanColour, cache_dir) == 1
    assert "Photos that workers did not see: 1." in caplog.text


def test_paths_are_packed_as_the_bytes_they_are(tmp_path):
    paths = [tmp_path / "a b.jpg", tmp_path / os.fsdecode(b"\xff\n.jpg")]
    assert unpacked(packed(paths)) == paths


@pytest.mark.parametrize(
    ("nodes", "cores", "layout"),
    [
        ([{"CPU": 2.0}], None, (2, 0, 1)),
        ([{"CPU": 2.0}], 1, (1, 0, 2)),
        ([{"CPU": 64.0}, {"CPU": 6.0}, {"memory": 1.0}], None, (2, 0, 35)),
        ([{"CPU": 16.0, "GPU": 8.0}, {"CPU": 8.0, "GPU": 2.0}, {"CPU": 32.0}], None, (2, 1, 10)),
    ],
)
def test_workers_fill_the_machines(nodes, cores, layout):
    assert cluster._layout(nodes, cores) == layout


def test_batches_are_whole_ones_of_the_encoder_and_enough_for_all(tmp_path):
    paths = [tmp_path / str(number) for number in range(1000)]
    sizes = [len(batch) for batch in cluster._batches(paths, 16, workers=4)]
    assert sizes == [48] * 20 + [40]
    assert {len(batch) for batch in cluster._batches(paths, 16, workers=1)} == {128, 1000 % 128}
    assert {len(batch) for batch in cluster._batches(paths[:20], 16, workers=9)} == {16, 4}


@needs_ray
def test_an_address_without_a_cluster_is_an_error(stage, cache_dir):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(ClusterError, match=f"Found no Ray cluster at {address}: .*refused. Check the address"):
        fill([stage / "warm_00.jpg"], BUILTIN(), BUILTIN, cache_dir, address)
    assert list(cache_dir.iterdir()) == []


def test_without_ray_a_sentence_says_what_to_install(stage, cache_dir, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ["embed", "--project", stage.parent, "--cache-dir", cache_dir, "--model", "builtin", "--engine", "ray"]
    assert main(list(map(str, words))) == 1
    assert f"pip install -r {ROOT / 'requirements-cluster.txt'}" in capsys.readouterr().err
