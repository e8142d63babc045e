"""Training only the last blocks: as with the others frozen, on every kind of transformer, and with less work."""

import copy
import math

import numpy as np
import pytest
import torch
from conftest import TINY_CONFIG, fill_stage, label_of

from imlcull_al.encoding import backbone
from imlcull_al.encoding.backbone import Backbone, from_config
from imlcull_al.encoding.load import load_encoder
from imlcull_al.errors import EncoderError, TrainingError
from imlcull_al.learning import head, model
from imlcull_al.learning.model import Classifier
from imlcull_al.progress import never, silent
from imlcull_al.project.stages import Stage
from imlcull_al.training import blocks, epoch_loop, train, unfinished
from imlcull_al.training.blocks import Cut
from imlcull_al.training.epoch_loop import FineTuning, Part
from imlcull_al.training.options import Options
from imlcull_al.training.processes import Alone

SHAPE = {**TINY_CONFIG, "num_hidden_layers": 3}
KINDS = {
    "vit": "first",
    "deit": "first",
    "dinov2": "first",
    "dinov2_with_registers": "first",
    "dinov3_vit": "first",
    "clip_vision_model": "pooler",
    "siglip_vision_model": "pooler",
    "beit": "pooler",
}
NO_CHANCE = {"beit": {"drop_path_rate": 0.0}, "dinov3_vit": {"pos_embed_rescale": None}}
"""What these draw at random in training, in blocks that are frozen too."""
SIDES = np.arange(9), np.arange(9, 12)
EPOCHS = 3
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unreported")]


def backbone_of(kind: str, **changes) -> Backbone:
    torch.manual_seed(0)
    made = from_config({**SHAPE, "model_type": kind, **changes}, KINDS.get(kind, "mean"))
    with torch.no_grad():
        for parameter in made.parameters():  # the library's start leaves much at zero, where a mistake would not show
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return made


@pytest.fixture
def exact(monkeypatch):
    """float32 throughout."""
    monkeypatch.setattr(backbone, "_has_bfloat16", lambda device: False)


def values(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / 127.5 - 1


def tuning_of(made: Backbone, photos: int = 12, **options) -> FineTuning:
    """A training of 12 noise photos, ready for its epochs."""
    pixels = torch.randint(0, 256, (photos, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    chosen = Options(**{"epochs": EPOCHS, "batch_size": 4, "learning_rate": 1e-3, **options})
    nothing = np.empty((photos, 0), np.float32)
    tuning = FineTuning(Classifier(made, 32), pixels, nothing, values, chosen, Alone(), silent, never)
    rows = tuning.embeddings()
    probe = head.fit(head.features(rows[SIDES[0]]), np.arange(9), np.arange(9) % 2 == 0)
    tuning.start([Part(probe, *SIDES)], rows, torch.arange(photos) % 2)
    return tuning


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_parts_give_what_the_whole_gives(kind, count):
    made = backbone_of(kind).eval()
    pixels = torch.randn(5, 3, 32, 32)
    cut = Cut(made, count, pixels[:2])
    with torch.inference_mode():
        assert torch.allclose(cut.above(cut.below(pixels)), made(pixels), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_blocks_learn_what_they_learn_with_the_others_frozen(kind, exact):
    """Kept once, or computed again for every batch by the whole transformer with frozen weights."""
    made = backbone_of(kind, **NO_CHANCE.get(kind, {}))
    other = copy.deepcopy(made)
    kept = tuning_of(made, train_blocks=1)
    again = tuning_of(other)
    trained = {name for name, parameter in made.named_parameters() if parameter.requires_grad}
    for name, parameter in other.named_parameters():
        parameter.requires_grad_(name in trained)
    runs = list(zip(kept.epochs(), again.epochs(), strict=True))
    assert len(runs) == EPOCHS
    for one, two in runs:
        assert one.train_loss == pytest.approx(two.train_loss, abs=1e-5)
        assert one.val_loss == pytest.approx(two.val_loss, abs=1e-5)
        assert one.val_accuracy == two.val_accuracy
    for (name, one), two in zip(made.named_parameters(), other.parameters(), strict=True):
        assert torch.allclose(one, two, atol=1e-4), name


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_last_blocks_and_what_follows_change(kind):
    made = backbone_of(kind)
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    for _ in tuning_of(made, train_blocks=2).epochs():
        pass
    changed = {name for name, tensor in made.state_dict().items() if not torch.equal(tensor, before[name])}
    numbers = {int(part) for name in changed for part in name.split(".") if part.isdigit() and "layer" in name}
    assert numbers >= {1, 2}
    assert not [name for name in changed if ".0." in name or "embeddings" in name or "pre_layrnorm" in name]
    assert [name for name in changed if "layer." not in name and "layers." not in name], "the norm after the blocks"


def test_a_weight_that_both_parts_use_stays_as_it_is():
    made = backbone_of("vit")
    layers = made.transformer.layers
    layers[2].layernorm_before = layers[0].layernorm_before
    Cut(made, 1, torch.randn(2, 3, 32, 32))
    assert not layers[2].layernorm_before.weight.requires_grad
    assert layers[2].layernorm_after.weight.requires_grad


def test_what_can_not_be_parted_is_refused():
    swin = {"model_type": "swin", "patch_size": 4, "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 2],
            "window_size": 4, "image_size": 32}  # fmt: skip
    with pytest.raises(EncoderError, match=r"last blocks of this swin transformer .* Train all of them"):
        Cut(from_config(swin, "pooler"), 1, torch.randn(2, 3, 32, 32))
    random = backbone_of("vit_mae")  # drops patches at random: no two runs agree
    with pytest.raises(EncoderError, match="don't reproduce the embedding of the whole"):
        Cut(random, 1, torch.randn(2, 3, 32, 32))
    made = backbone_of("vit")
    made.transformer.config.num_hidden_layers = 7
    with pytest.raises(EncoderError, match="no single list of blocks"):
        blocks.block_count(made)


def count_runs(monkeypatch) -> list[int]:
    """Photos of every run of the frozen blocks, but for the trial."""
    runs, below = [], Cut.below

    def counted(self, pixels):
        runs.append(len(pixels))
        return below(self, pixels)

    monkeypatch.setattr(Cut, "below", counted)
    return runs


def test_the_frozen_blocks_run_once_for_a_photo_and_once_for_its_mirror_image(monkeypatch):
    monkeypatch.setattr(epoch_loop, "_BATCH", 5)
    runs = count_runs(monkeypatch)
    for _ in tuning_of(backbone_of("vit"), train_blocks=1, epochs=4).epochs():
        pass
    assert runs == [5, 5, 2, 5, 4]  # 12 photos, then 9 mirrored; however many epochs


@pytest.mark.parametrize("room", [0, 1, 7, 14])
def test_what_does_not_fit_is_computed_again_and_changes_nothing(monkeypatch, exact, room):
    usual = list(tuning_of(backbone_of("vit"), train_blocks=1).epochs())
    monkeypatch.setattr(epoch_loop, "MOST_KEPT", room * 17 * 32 * 4 + 100)
    tuning = tuning_of(backbone_of("vit"), train_blocks=1)
    assert len(usual) == EPOCHS
    for one, two in zip(usual, tuning.epochs(), strict=True):
        assert one.train_loss == pytest.approx(two.train_loss, abs=1e-5)
        assert one.val_loss == pytest.approx(two.val_loss, abs=1e-5)
    assert tuning._kept._rows.nbytes == room * 17 * 32 * 4


@pytest.mark.parametrize(("room", "runs"), [(5, [5, 5, 2]), (14, [5, 5, 2, 5])])
def test_no_photo_is_run_ahead_that_there_is_no_room_for(monkeypatch, room, runs):
    """Room for 5: these, and the other 7 for their embeddings. Room for 14: all, and one batch of mirror images."""
    monkeypatch.setattr(epoch_loop, "_BATCH", 5)
    monkeypatch.setattr(epoch_loop, "MOST_KEPT", room * 17 * 32 * 4)
    seen = count_runs(monkeypatch)
    tuning = tuning_of(backbone_of("vit"), train_blocks=1)
    tuning._keep(tuning.folds[0].train, mirrored=True)
    assert seen == runs


def test_the_learning_rate_of_nothing_changes_nothing_but_is_finite(exact):
    """The last blocks on photos that are alike: no slope is infinite."""
    tuning = tuning_of(backbone_of("vit"), train_blocks=1, learning_rate=1e-12)
    assert [math.isfinite(epoch.train_loss) for epoch in tuning.epochs()] == [True] * EPOCHS


@pytest.fixture
def stage(tmp_path):
    fill_stage(tmp_path / "stage_1", warm=8, cold=8)
    return Stage(tmp_path, 1)


def fit(stage, folder, **options):
    labels = {path.name: label_of(path.name) for path in stage.folder.iterdir()}
    chosen = Options(**{"epochs": 3, "learning_rate": 1e-3, **options})
    return train.train(stage, load_encoder(str(folder)), labels, chosen)


def test_the_model_file_holds_the_whole_transformer(stage, tiny_model):
    training = fit(stage, tiny_model, train_blocks=1)
    assert training.best.epoch > 0
    before = load_encoder(str(tiny_model)).build().state_dict()
    after = torch.load(stage.model, weights_only=True)["state_dict"]
    assert {f"backbone.{name}" for name in before} | {"head.weight", "head.bias"} == set(after)
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[f"backbone.{name}"])}
    assert changed
    assert not [name for name in changed if "layers.0" in name or "embeddings" in name]
    assert model.load(stage.model).epoch == training.best.epoch


def test_the_same_seed_gives_the_same_training_of_the_last_blocks(stage, tiny_model):
    assert fit(stage, tiny_model, train_blocks=1).epochs == fit(stage, tiny_model, train_blocks=1).epochs


def test_more_blocks_than_there_are_is_said_before_any_photo_is_read(stage, tiny_model, monkeypatch):
    monkeypatch.setattr(train.labeled_photos, "read", lambda *arguments: pytest.fail("read"))
    with pytest.raises(TrainingError, match=r"train_blocks is 3; this transformer has 2 blocks\. Choose 1 to 2"):
        fit(stage, tiny_model, train_blocks=3)
    assert not stage.unfinished.exists()


def test_a_killed_training_of_the_last_blocks_is_offered_as_it_was(stage, tiny_model, monkeypatch):
    notes = []
    monkeypatch.setattr(
        train.labeled_photos, "read", lambda *arguments: notes.append(stage.unfinished.read_bytes()) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        fit(stage, tiny_model, train_blocks=1)
    stage.unfinished.write_bytes(notes[0])
    assert unfinished.interrupted(stage).options == Options(epochs=3, learning_rate=1e-3, train_blocks=1)


def test_bfloat16_is_used_only_where_the_embeddings_agree(monkeypatch):
    monkeypatch.setattr(backbone, "_has_bfloat16", lambda device: True)
    made, pixels = backbone_of("vit").eval(), torch.randn(2, 3, 32, 32)
    assert backbone.agrees_in_bfloat16(made, pixels)
    monkeypatch.setattr(backbone, "AGREEMENT", 1.1)
    assert not backbone.agrees_in_bfloat16(made, pixels)
    assert all(parameter.dtype == torch.float32 for parameter in made.parameters())
