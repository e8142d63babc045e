"""Train the built-in encoder: `python -m recipe --photos … --teacher …` (see imlcull_al/builtin/README.md).

Two stages, block by block and then as a whole; what is drawn depends on the seed and the step alone, so that a run
that was broken off and goes on sees what it would have seen. Every few minutes the state is saved in `--work`.
"""

import argparse
import csv
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import ViTConfig, ViTModel

from imlcull_al import backbone  # noqa: F401 - registers the attention that is quick on processors
from imlcull_al.terminal import progress_bar
from recipe import scenes, sources, views
from recipe.blockwise import Blockwise
from recipe.curves import plot
from recipe.endtoend import OUTPUTS, WEIGHTS, EndToEnd

ATTENTION = "imlcull_two_products"
SAVE_SECONDS = 180.0


@dataclass(frozen=True)
class Recipe:
    """All that the weights depend on, beside photos and teacher."""

    layers: int = 6
    seed: int = 0
    blockwise_steps: int = 3000
    endtoend_steps: int = 2600
    blockwise_rate: float = 2e-3
    endtoend_rate: float = 5e-4
    bursts: int = 8
    plain: int = 8

    @property
    def steps(self) -> int:
        """Of both stages."""
        return self.blockwise_steps + self.endtoend_steps


class Training:
    """The state of a run: student, optimiser, step."""

    def __init__(self, recipe: Recipe, teacher: Path) -> None:
        """`teacher`: the folder of a ViT of 192 channels."""
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.teacher = ViTModel.from_pretrained(teacher, add_pooling_layer=False).eval().requires_grad_(False)
        self.student = ViTModel(config(recipe.layers))
        for model in (self.teacher, self.student):
            model.set_attn_implementation(ATTENTION)
        self.step = 0
        self.seconds = 0.0
        self._begin()

    def _begin(self) -> None:
        """The loss and the optimiser of the stage that `step` is in."""
        first = self.step < self.recipe.blockwise_steps
        self.loss: nn.Module = (Blockwise if first else EndToEnd)(self.student, self.teacher)
        rate = self.recipe.blockwise_rate if first else self.recipe.endtoend_rate
        trained = dict(self.student.named_parameters())
        if first:
            trained = {n: p for n, p in trained.items() if not n.startswith(("layernorm.", "pooler."))}
        self.optimizer = torch.optim.AdamW(trained.values(), lr=rate, weight_decay=0.01, betas=(0.9, 0.98))

    def run(self, pool: sources.Pool) -> Tensor:
        """One step; the parts of its loss."""
        recipe = self.recipe
        chance = np.random.default_rng([recipe.seed, 1, self.step])
        torch.manual_seed(1_000_003 * recipe.seed + self.step)
        first = self.step < recipe.blockwise_steps
        done = self.step / recipe.blockwise_steps
        if not first:
            done = (self.step - recipe.blockwise_steps) / recipe.endtoend_steps
        top = recipe.blockwise_rate if first else recipe.endtoend_rate
        self.optimizer.param_groups[0]["lr"] = top * min(1.0, 0.02 + 50 * done, 1.02 - done)
        if first:
            pixels, row, column = views.batch(pool, chance)
            with torch.autocast("cpu", torch.bfloat16):
                parts = self.loss(pixels, row, column, max(0.0, 1.5 * done - 0.6))
            parts.sum().backward()
        else:
            some = scenes.batch(pool, recipe.bursts, chance)
            plain = views.plain(pool, recipe.plain, chance)
            with torch.autocast("cpu", torch.bfloat16):
                parts = self.loss(some, plain)
            (parts * torch.tensor(WEIGHTS)).sum().backward()
            nn.utils.clip_grad_norm_(self.student.parameters(), 5.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        if self.step == recipe.blockwise_steps:
            self.student.layernorm.load_state_dict(self.teacher.layernorm.state_dict())
            self._begin()
        return parts.detach()

    def save(self, file: Path) -> None:
        """All of the state, written whole or not at all."""
        state = {
            "recipe": asdict(self.recipe),
            "step": self.step,
            "seconds": self.seconds,
            "student": self.student.state_dict(),
            "spread": self.loss.spread,
            "optimizer": self.optimizer.state_dict(),
        }
        torch.save(state, file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)

    def load(self, file: Path) -> None:
        """Go on from what `save` wrote."""
        state = torch.load(file, weights_only=True)
        if state["recipe"] != asdict(self.recipe):
            raise SystemExit(f"{file} is of another recipe: {state['recipe']}. Name another --work.")
        self.step, self.seconds = state["step"], state["seconds"]
        self.student.load_state_dict(state["student"])
        self._begin()
        self.loss.spread.copy_(state["spread"])
        self.optimizer.load_state_dict(state["optimizer"])


def config(layers: int) -> ViTConfig:
    """The student's shape."""
    return ViTConfig(
        hidden_size=192, num_hidden_layers=layers, num_attention_heads=3, intermediate_size=768,
        layer_norm_eps=1e-6, pooler_output_size=len(OUTPUTS), pooler_act="linear",
    )  # fmt: skip


def export(student: ViTModel, folder: Path) -> None:
    """What `ViTModel.from_pretrained` loads, in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.half().contiguous() for name, tensor in student.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    fields = student.config.to_dict() | {"architectures": ["ViTModel"], "dtype": "float16"}
    for needless in ("_name_or_path", "id2label", "label2id", "_attn_implementation"):
        fields.pop(needless, None)
    (folder / "config.json").write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n")


def main() -> None:
    """Train, or go on training, and write the model folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="the folder with LICENCES.md")
    parser.add_argument("--teacher", type=Path, required=True, help="folder of a ViT of 192 channels and 12 blocks")
    parser.add_argument("--work", type=Path, default=Path("cache/recipe"), help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("imlcull_al/builtin"), help="default: %(default)s")
    recipe_defaults = asdict(Recipe())
    for name, value in recipe_defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    options = parser.parse_args()
    recipe = Recipe(**{name: getattr(options, name) for name in recipe_defaults})
    options.work.mkdir(parents=True, exist_ok=True)
    training = Training(recipe, options.teacher)
    state, log = options.work / "state.pt", options.work / "log.csv"
    if state.exists():
        training.load(state)
    with progress_bar() as progress:
        photos = sources.load(sources.training_photos(options.photos), progress)
        pool = sources.Pool(photos, list(sources.generated(sources.GENERATED, recipe.seed, progress)))
        saved = last = time.monotonic()
        with log.open("a", newline="") as lines:
            while training.step < recipe.steps:
                parts = training.run(pool)
                now = time.monotonic()
                training.seconds, last = training.seconds + now - last, now
                values = [f"{part:.4f}" for part in parts.tolist()]
                csv.writer(lines).writerow([training.step, f"{training.seconds:.1f}", *values])
                progress("training", training.step, recipe.steps)
                if now - saved >= SAVE_SECONDS:
                    lines.flush()
                    training.save(state)
                    saved = now
    training.save(state)
    export(training.student, options.out)
    plot(log, recipe.blockwise_steps, options.out / "training.png")


if __name__ == "__main__":
    main()
