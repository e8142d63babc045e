"""A trained model as a folder of Hugging Face gives the same scores; and what models say of themselves."""

import json

import numpy as np
import pytest
import torch
from conftest import TINY_CONFIG, TINY_PROCESSOR, save_checkpoint
from PIL import Image
from safetensors.torch import load_file

from imlcull_al.cli.commands import main
from imlcull_al.encoding.load import BESIDE, load_encoder
from imlcull_al.encoding.preprocess import Preprocessing
from imlcull_al.errors import AnswersRefused, ModelFileError
from imlcull_al.exchange import hugging_face
from imlcull_al.learning import head, model
from imlcull_al.learning.inventory import facts, models_in
from imlcull_al.learning.predictor import load_predictor
from imlcull_al.project.stages import Stage
from imlcull_al.project.task import CULL_TASK, Task

GARMENT = Task("garment", ("shirt", "dress", "shoe"))
LOOKS = Task("looks", ("red", "striped"), exclusive=False)
LABELS = {CULL_TASK: {"a.jpg": "cull"}, GARMENT: {"a.jpg": "dress"}, LOOKS: {"a.jpg": "red=1;striped=0"}}
CHANCE = np.random.default_rng(2)
IMAGES = [Image.fromarray(CHANCE.integers(0, 256, (40, 50, 3), dtype=np.uint8)) for _ in range(4)]


@pytest.fixture
def trained(tmp_path, tiny_model):
    """A stage with a model of a task, with random weights in its head."""

    def trained(task, base=str(tiny_model)):
        encoder = load_encoder(base)
        weights = CHANCE.normal(size=(encoder.dim, len(task.classes))).astype(np.float32)
        probe = head.Heads(weights, CHANCE.normal(size=len(task.classes)))
        stage = Stage(tmp_path / "project", 1, task=task.name)
        stage.folder.mkdir(parents=True, exist_ok=True)
        classifier = model.Classifier(
            load_encoder(base).build() if BESIDE not in base else encoder.trained.build(),
            encoder.dim,
            len(task.classes),
        )
        classifier.start_from(head.Head(weights[:, 0], 0.1) if task == CULL_TASK else probe)
        known = {"epoch": 4, "validation_accuracy": 0.875, "seed": 0, "validation_keys": ["a.jpg"]}
        model.save(stage.model, classifier, encoder, known | {"labels": LABELS[task]}, task)
        return stage, model.load(stage.model, task)

    return trained


def says(folder, encoder):
    """Probabilities (N, K) by the library alone, and what is odd about the tensors it found."""
    import transformers

    theirs, odd = transformers.AutoModelForImageClassification.from_pretrained(folder, output_loading_info=True)
    pixels = torch.from_numpy(np.stack([encoder.architecture.preprocessing(image) for image in IMAGES]))
    with torch.inference_mode():
        logits = theirs.eval()(pixels).logits
    exclusive = theirs.config.problem_type == "single_label_classification"
    return (logits.softmax(1) if exclusive else logits.sigmoid()).numpy(), [name for name, each in odd.items() if each]


def own(model, encoder):
    """The same by this program, in float32."""
    pixels = torch.from_numpy(np.stack([encoder.architecture.preprocessing(image) for image in IMAGES]))
    with torch.inference_mode():
        return model.probability(encoder.build()(pixels).numpy())


@pytest.mark.parametrize("task", [CULL_TASK, GARMENT, LOOKS])
def test_the_library_gives_the_same_scores(trained, tmp_path, task):
    stage, loaded = trained(task)
    hugging_face.write(stage, loaded, tmp_path / "hf")
    found, odd = says(tmp_path / "hf", loaded.encoder)
    assert odd == []
    assert np.allclose(found, own(loaded, loaded.encoder), atol=1e-5)
    assert np.ptp(found, axis=0).max() > 1e-3
    assert sorted(path.name for path in (tmp_path / "hf").iterdir()) == [
        "README.md", "config.json", "model.safetensors", "preprocessor_config.json"
    ]  # fmt: skip


@pytest.mark.parametrize("change", [{"intermediate_size": 40}, {"hidden_act": "gelu_new"}, {"layer_norm_eps": 1e-3}])
def test_so_it_does_for_other_transformers(trained, tmp_path, change):
    base = save_checkpoint(tmp_path / "base", {**TINY_CONFIG, **change, "initializer_range": 0.2}, TINY_PROCESSOR)
    stage, loaded = trained(GARMENT, str(base))
    hugging_face.write(stage, loaded, tmp_path / "hf")
    assert np.allclose(says(tmp_path / "hf", loaded.encoder)[0], own(loaded, loaded.encoder), atol=1e-5)


def test_this_program_predicts_with_the_folder(trained, tmp_path):
    stage, loaded = trained(GARMENT)
    hugging_face.write(stage, loaded, tmp_path / "hf")
    predictor = load_predictor(tmp_path / "hf")
    assert (predictor.classes, predictor.exclusive) == (GARMENT.classes, True)
    assert predictor.encoder.architecture.preprocessing == loaded.encoder.architecture.preprocessing
    found = predictor.probability(predictor.encoder.encode(IMAGES))
    assert np.allclose(found, own(loaded, loaded.encoder), atol=2e-2)  # where bfloat16 is native, it is used


def test_tensors_have_the_names_that_every_version_of_the_library_reads(trained, tmp_path):
    stage, loaded = trained(GARMENT)
    hugging_face.write(stage, loaded, tmp_path / "hf")
    names = set(load_file(tmp_path / "hf" / "model.safetensors"))
    assert {"vit.encoder.layer.2.attention.attention.query.weight", "vit.encoder.layer.0.output.dense.bias"} <= names
    assert {"vit.layernorm.weight", "classifier.weight"} <= names


def test_the_card_tells_classes_and_figures_and_no_place(trained, tmp_path, tiny_model):
    stage, loaded = trained(GARMENT)
    hugging_face.write(stage, loaded, tmp_path / "hf")
    card = (tmp_path / "hf" / "README.md").read_text()
    assert "| dress | 1 |" in card and "| shirt | 0 |" in card and "0.875" in card
    assert f"from `{tiny_model.name}`" in card and str(tiny_model.parent) not in card
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["id2label"]["1"] == "dress"


def test_what_the_library_can_not_do_is_refused(trained, tmp_path, tiny_model):
    stage, loaded = trained(GARMENT, f"{tiny_model}{BESIDE}")
    with pytest.raises(ModelFileError, match="it also looks at tiles of the photo"):
        hugging_face.write(stage, loaded, tmp_path / "hf")
    other = save_checkpoint(tmp_path / "deit", {**TINY_CONFIG, "model_type": "deit"}, TINY_PROCESSOR)
    stage, loaded = trained(GARMENT, str(other))
    with pytest.raises(ModelFileError, match="its transformer is a deit model"):
        hugging_face.write(stage, loaded, tmp_path / "hf")
    stage, loaded = trained(GARMENT)
    with pytest.raises(AnswersRefused, match="already exists"):
        hugging_face.write(stage, loaded, tmp_path)
    assert not (tmp_path / "hf").exists()


@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing((32, 24), None, 2, 1 / 255, (0.5, 0.5, 0.5), (0.1, 0.2, 0.3)),
        Preprocessing(40, (32, 32), 3, 1 / 255, None, None),
        Preprocessing(None, (32, 32), 2, None, None, None),
    ],
)
def test_preprocessing_comes_back_from_its_config(preprocessing):
    assert Preprocessing.from_config(preprocessing.as_config()) == preprocessing


def test_models_are_listed_and_described(trained, tmp_path, capsys):
    stage, loaded = trained(GARMENT)
    hugging_face.write(stage, loaded, stage.project / "hf")
    (stage.project / "bad.pth").write_bytes(b"none")
    assert [(path.name, summary[:40]) for path, summary in models_in(stage.project)] == [
        ("bad.pth", "can't be used as a model: it is not a mo"),
        ("stage_1_garment_model.pth", "kind model of imlcull; classes shirt, dr"),
        ("hf", "kind image classifier of Hugging Face; c"),
    ]
    found = facts(stage.model)
    assert (found["task"], found["labels"]) == ("garment", "1 (0 shirt, 1 dress, 0 shoe)")
    assert main(["model", "info", str(stage.model)]) == 0
    assert "validation accuracy: 0.875\n" in capsys.readouterr().out
    assert main(["models", str(stage.project)]) == 0
    assert f"{stage.model}: kind model of imlcull" in capsys.readouterr().out
    with pytest.raises(ModelFileError, match="There are no models in"):
        models_in(stage.folder)


def test_the_command_exports_the_model_of_a_task(trained, tmp_path, capsys):
    stage, _ = trained(GARMENT)
    words = ["export", "hf", str(tmp_path / "hf"), "--project", str(stage.project)]
    assert main(words) == 1
    assert "Run `train` first." in capsys.readouterr().err
    assert main([*words, "--task", "garment"]) == 0
    assert "README.md, config.json, model.safetensors" in capsys.readouterr().out
