"""Train the built-in encoder: `python -m recipe --photos … --teacher …` (see imlcull_al/builtin/README.md).

Two stages: first block by block, then the whole network. The randomness of every step depends only on the seed and the
step number, so a resumed run is identical to an uninterrupted one. All intermediate files (2 GB) go to `--work`; the
state is saved every three minutes.
"""

import argparse
import csv
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import ViTConfig, ViTModel

from imlcull_al.encoding import backbone  # noqa: F401 - registers the attention that is quick on processors
from imlcull_al.progress import Progress
from imlcull_al.terminal import progress_bar
from recipe import blockwise, material, sources, views
from recipe.blockwise import Blockwise
from recipe.curves import plot
from recipe.losses import OUTPUTS, WEIGHTS, Distillation
from recipe.material import SIDE, Views
from recipe.scenes import Frames
from recipe.sources import Pool

ATTENTION = "imlcull_two_products"
SAVE_SECONDS = 180.0
PREPROCESSING = {
    "image_processor_type": "ViTImageProcessor", "size": {"height": SIDE, "width": SIDE}, "resample": 2,
    "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "rescale_factor": 1 / 255,
    "do_resize": True, "do_rescale": True, "do_normalize": True,
}  # fmt: skip
"""How views are fed to the student: see `views.as_pixels`."""
WARM_UP = 100  # steps
WEIGHT_DECAY = 0.05


@dataclass(frozen=True)
class Recipe:
    """Everything the weights depend on, besides photos and teacher."""

    layers: int = 6
    seed: int = 0
    block_steps: int = 3000
    block_rate: float = 2e-3
    steps: int = 2400
    rate: float = 8e-4
    views: int = 16_000
    frames: int = 12_000
    view_batch: int = 80
    burst_batch: int = 6


class Training:
    """State of one stage of a run: student, loss, optimizer, step."""

    def __init__(self, recipe: Recipe, student: ViTModel, loss: nn.Module, rate: float, steps: int) -> None:
        """`loss`: a module that contains the student and everything else that is trained with it."""
        self.recipe, self.student, self.loss = recipe, student, loss
        self.rate, self.steps = rate, steps
        self.optimizer = torch.optim.AdamW(
            loss.parameters(), lr=rate, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98), fused=True
        )
        self.step = 0
        self.seconds = 0.0

    def run(self, parts_of: Callable[[Generator, float], Tensor], weights: Tensor | float) -> Tensor:
        """Take one step and return the parts of its loss, (P,).

        `parts_of`: maps a random generator and the progress of the stage, 0 … 1, to these parts; `weights`: their
        weights.
        """
        chance = np.random.default_rng([self.recipe.seed, 1, self.step])
        torch.manual_seed(1_000_003 * self.recipe.seed + self.step)
        done = self.step / self.steps
        self.optimizer.param_groups[0]["lr"] = self.rate * min(1.0, (self.step + 1) / WARM_UP, 1.01 - done)
        with torch.autocast("cpu", torch.bfloat16):
            parts = parts_of(chance, done)
        (parts * weights).sum().backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        return parts.detach()

    def save(self, file: Path) -> None:
        """Write the whole state, atomically."""
        state = {
            "recipe": asdict(self.recipe),
            "step": self.step,
            "seconds": self.seconds,
            "loss": self.loss.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        torch.save(state, file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)

    def load(self, file: Path) -> None:
        """Restore the state written by `save`."""
        state = torch.load(file, weights_only=True)
        if state["recipe"] != asdict(self.recipe):
            raise SystemExit(f"{file} is of another recipe: {state['recipe']}. Name another --work.")
        self.step, self.seconds = state["step"], state["seconds"]
        self.loss.load_state_dict(state["loss"])
        self.optimizer.load_state_dict(state["optimizer"])

    def to_the_end(
        self, title: str, parts_of: Callable[[Generator, float], Tensor], weights: Tensor | float, work: Path,
        progress: Progress,
    ) -> None:  # fmt: skip
        """Run the remaining steps, resuming from the state in `work` if there is one, and log a row per step."""
        state, log = work / f"{title}.pt", work / f"{title}.csv"
        if state.exists():
            self.load(state)
        saved = last = time.monotonic()
        with log.open("a", newline="") as lines:
            while self.step < self.steps:
                parts = self.run(parts_of, weights)
                now = time.monotonic()
                self.seconds, last = self.seconds + now - last, now
                row = [self.step, f"{self.seconds:.1f}", *(f"{part:.4f}" for part in parts.tolist())]
                csv.writer(lines).writerow(row)
                progress(f"training {title}", self.step, self.steps)
                if now - saved >= SAVE_SECONDS:
                    lines.flush()
                    self.save(state)
                    saved = now
        self.save(state)


def block_by_block(recipe: Recipe, teacher: ViTModel, pool: Pool, work: Path, progress: Progress) -> ViTModel:
    """First stage: a student for the teacher's input size."""
    torch.manual_seed(recipe.seed)
    student = _model(recipe.layers, views.WHOLE)
    loss = Blockwise(student, teacher)

    def parts(chance: Generator, done: float) -> Tensor:
        return loss(*blockwise.windows(pool, chance), max(0.0, 1.5 * done - 0.6))

    stage = Training(recipe, student, loss, recipe.block_rate, recipe.block_steps)
    stage.to_the_end("blocks", parts, 1.0, work, progress)
    student.layernorm.load_state_dict(teacher.layernorm.state_dict())
    return student


def as_a_whole(recipe: Recipe, student: ViTModel, seen: Views, frames: Frames, work: Path, progress: Progress) -> None:
    """Second stage: trains `student` in place. `seen`, `frames`: the complete data sets."""
    torch.manual_seed(recipe.seed + 1)
    loss = Distillation(student, seen)

    def parts(chance: Generator, done: float) -> Tensor:
        some = torch.from_numpy(chance.integers(len(seen.pixels), size=recipe.view_batch))
        first = 2 * torch.from_numpy(chance.integers(len(frames.pixels) // 2, size=recipe.burst_batch))
        both = torch.stack([first, first + 1], dim=1).flatten()
        return loss(Views(*(each[some] for each in seen)), Frames(*(each[both] for each in frames)))

    stage = Training(recipe, student, loss, recipe.rate, recipe.steps)
    stage.to_the_end("whole", parts, torch.tensor(WEIGHTS), work, progress)


def config(layers: int, side: int = SIDE) -> ViTConfig:
    """The student's architecture."""
    return ViTConfig(
        hidden_size=192, num_hidden_layers=layers, num_attention_heads=3, intermediate_size=768, image_size=side,
        layer_norm_eps=1e-6, pooler_output_size=len(OUTPUTS), pooler_act="linear",
    )  # fmt: skip


def export(student: ViTModel, folder: Path) -> None:
    """Write a folder for `ViTModel.from_pretrained`, in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.half().contiguous() for name, tensor in student.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    fields = student.config.to_dict() | {"architectures": ["ViTModel"], "dtype": "float16"}
    for needless in ("_name_or_path", "id2label", "label2id", "_attn_implementation"):
        fields.pop(needless, None)
    for name, content in (("config.json", fields), ("preprocessor_config.json", PREPROCESSING)):
        (folder / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def trained(recipe: Recipe, photos: Path, teacher: Path, work: Path, progress: Progress) -> ViTModel:
    """The student after both stages. `teacher`: folder of a ViT for 224 pixels, of the same width as the student."""
    work.mkdir(parents=True, exist_ok=True)
    images = sources.load(sources.training_photos(photos), progress)
    pool = Pool(images, list(sources.generated(sources.GENERATED, recipe.seed, progress)))
    model = ViTModel.from_pretrained(teacher, add_pooling_layer=False).eval().requires_grad_(False)
    model.set_attn_implementation(ATTENTION)
    student = blockwise.halved(block_by_block(recipe, model, pool, work, progress), _model(recipe.layers, SIDE))
    seen = material.views_of(pool, model, recipe.views, recipe.seed, work, progress)
    frames = material.frames_of(pool, recipe.frames, recipe.seed, work, progress)
    as_a_whole(recipe, student, seen, frames, work, progress)
    return student


def _model(layers: int, side: int) -> ViTModel:
    model = ViTModel(config(layers, side))
    model.set_attn_implementation(ATTENTION)
    return model


def main() -> None:
    """Train, or resume training, and write the model folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="the folder with LICENCES.md")
    parser.add_argument("--teacher", type=Path, required=True, help="folder of a ViT for 224 pixels")
    parser.add_argument("--work", type=Path, default=Path("cache/recipe"), help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("imlcull_al/builtin"), help="default: %(default)s")
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help="default: %(default)s")
    options = parser.parse_args()
    recipe = Recipe(**{name: getattr(options, name) for name in asdict(Recipe())})
    with progress_bar() as progress:
        student = trained(recipe, options.photos, options.teacher, options.work, progress)
    export(student, options.out)
    plot(options.work, options.out / "training.png")


if __name__ == "__main__":
    main()
