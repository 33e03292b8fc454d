"""--phase=predict with a small trained run, and with the classifier that ImageNet weights came with."""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from ftdata.config import DataConfig
from ftdata.folders import named_images
from tests import ROOT
from tests.tools import bad_files
from trainers import command_line, experiment
from trainers.config import ModelConfig, TrainConfig, TrainingConfig, UseConfig
from trainers.models import imagenet, symmetries


@pytest.fixture
def photos(photo_folder, tmp_path):
    """Two good pictures below a folder, one of them not square, a damaged one and an unlike file."""
    return _photos(photo_folder, tmp_path / "photos")


def _photos(photo_folder, folder):
    (folder / "more").mkdir(parents=True)
    shutil.copy(photo_folder / "test/red/red-00-0000.jpg", folder / "b.jpg")
    Image.new("RGB", (90, 30), (20, 160, 20)).save(folder / "more/a.PNG")
    (folder / "broken.jpg").write_bytes((folder / "b.jpg").read_bytes()[:200])
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.jpg").write_bytes(b"")
    return folder


_USE = ("model", "json", "test_time_augmentation", "label_next")


def predict(model_dir, images, **settings):
    use = UseConfig(images=str(images), **{k: v for k, v in settings.items() if k in _USE})
    others = {k: v for k, v in settings.items() if k not in _USE}
    return experiment.run(TrainConfig(phase="predict", model_dir=str(model_dir), use=use, **others))["predict"]


GOOD_NAMES = (b"b.jpg", b"a.PNG")
ODD_NAMES = (b"\xff\xfe.jpg", b"two\nlines.jpg", b"$a^$.jpg", "café.jpg".encode())


@pytest.fixture(scope="module")
def predicted(trained_run, photo_folder, tmp_path_factory):
    """`photos` with odd ones, and the test images below `test`: where they lie, model_dir, the result, what was said.

    Names that are no text, and files that only an examination refuses: a bomb, and damage that libjpeg forgives.
    """
    root = tmp_path_factory.mktemp("predicted")
    model_dir = shutil.copytree(trained_run, root / "run")
    folder = _photos(photo_folder, root / "photos")
    shutil.copytree(photo_folder / "test", folder / "test")
    good = (folder / "b.jpg").read_bytes()
    for name in ODD_NAMES:
        with open(os.path.join(os.fsencode(folder), name), "wb") as stream:
            stream.write(good)
    (folder / "bomb.png").write_bytes(bad_files.png_claiming(16_000, 16_000))
    (folder / "damaged.jpg").write_bytes(bad_files.garbled(bad_files.JPEG))
    settings = {"data": DataConfig(data_dir=str(root / "data")), "training": TrainingConfig(batch_size=16)}
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        result = predict(model_dir, folder, **settings)
    return folder, model_dir, result, (out.getvalue(), err.getvalue())


def _is_of_test(path):
    return Path(path).parent.parent.name == "test"


def test_the_probabilities_are_those_of_the_evaluation(predicted):
    _, model_dir, result, _ = predicted
    rows = [row for row in result["predictions"] if _is_of_test(row["file"])]
    table = np.genfromtxt(model_dir / "evaluation/predictions.csv", delimiter=",", skip_header=1)[:, 3:]
    np.testing.assert_allclose(_probabilities(rows), table, atol=5e-3)  # bfloat16, in other batches
    assert {guess["index"]: guess["class"] for guess in rows[0]["top"]} == {0: "blue", 1: "green", 2: "red"}


def _probabilities(rows):
    by_class = [sorted(row["top"], key=lambda guess: guess["index"]) for row in rows]
    return np.array([[guess["probability"] for guess in guesses] for guesses in by_class])


@pytest.mark.parametrize("kind", ["flip", pytest.param("dihedral", marks=pytest.mark.slow)])
def test_probabilities_are_averaged_over_the_image_mirrored_and_turned_by_a_model_that_brings_its_classes_along(
    trained_run, tmp_path, capsys, kind
):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    several = np.concatenate([np.asarray(image) for image in symmetries.images_of(pixels[None], kind)])
    (tmp_path / "photos").mkdir()
    for number, image in enumerate(several):
        Image.fromarray(image).save(tmp_path / f"photos/{number}.png")
    file = str(trained_run / "transfer/best.keras")
    alone = keras.saving.load_model(file)(several.astype(np.float32)).numpy()
    rows = predict(tmp_path, tmp_path / "photos", model=file, test_time_augmentation=kind)["predictions"]
    expected = np.tile(alone.mean(axis=0), (len(several), 1))
    np.testing.assert_allclose(_probabilities(rows), expected, atol=5e-3)  # bfloat16
    assert alone.std(axis=0).max() > 1e-3
    assert f"images, averaged over {len(several)} of each ({kind})" in capsys.readouterr().err
    assert {guess["index"]: guess["class"] for guess in rows[0]["top"]} == {0: "blue", 1: "green", 2: "red"}


def test_what_to_label_next_is_listed_by_names_in_the_folder(trained_run, photo_folder, tmp_path, monkeypatch, capsys):
    model_dir = shutil.copytree(trained_run, tmp_path / "run")
    photos = shutil.copytree(photo_folder / "test/red", tmp_path / "photos")
    monkeypatch.chdir(photos)
    tables = []
    for images in (str(photos), "*.jpg"):
        predict(model_dir, images, label_next=3)
        assert "3 images to label next are in" in capsys.readouterr().err
        tables.append((model_dir / "label_next.csv").read_text())
    assert tables[0] == tables[1]
    names = [line.split(",")[0] for line in tables[0].splitlines()]
    assert names[0] == "file"
    assert all((photos / name).is_file() for name in names[1:])


def test_images_are_examined_as_before_training_and_any_name_is_printed(predicted):
    folder, model_dir, result, (out, err) = predicted
    reasons = {Path(path).name: reason for path, reason in result["left_out"].items()}
    assert reasons == {
        "broken.jpg": "truncated JPEG",
        "bomb.png": "too large: 16000 x 16000 is 256,000,000 pixels, the limit is 100,000,000",
        "damaged.jpg": "damaged JPEG (premature end of data segment)",
    }
    others = {
        os.path.basename(os.fsencode(row["file"])) for row in result["predictions"] if not _is_of_test(row["file"])
    }
    assert others == {*ODD_NAMES, *GOOD_NAMES}
    assert f"skipped: {folder / 'broken.jpg'}: truncated JPEG\n" in err
    lines = [line for line in out.splitlines() if "/photos/test/" not in line]
    assert len(lines) == 6
    assert len(out.splitlines()) == 6 + 15
    assert [line.split()[0] for line in lines if line.split()[0].endswith(("/b.jpg", "/a.PNG"))] == [
        *(str(folder / "b.jpg"), str(folder / "more/a.PNG"))
    ]
    assert any(r"/two\nlines.jpg " in line for line in lines)
    assert any(r"/\udcff\udcfe.jpg " in line for line in lines)
    with Image.open(model_dir / "predictions.png") as grid:
        assert grid.width > 200


def test_a_model_by_its_file_alone_answers_with_names_beside_it_as_json_where_nothing_can_be_drawn(
    trained_run, predicted, tmp_path, capfd
):
    folder, _, result, _ = predicted
    alone = shutil.copy(trained_run / "transfer/best.keras", tmp_path / "alone.keras")
    with pytest.raises(ValueError, match=r"nothing beside it names its classes.*labels\.txt"):
        predict(tmp_path, folder / "b.jpg", model=str(alone))
    (tmp_path / "labels.txt").write_text("azure\nlime\nscarlet\n")
    (tmp_path / "predictions.png").mkdir()  # stops root too, whom no permission does
    use = UseConfig(images=str(folder), json=True, model=str(alone))
    config = TrainConfig(phase="predict", model_dir=str(tmp_path), use=use)
    assert command_line.run(config, given=("images", "json"), command_line=()) == 0
    said = capfd.readouterr()
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [row["file"] for row in rows] == [row["file"] for row in result["predictions"]]
    assert {"file", "predicted", "probability", "top"} == set(rows[0])
    assert "not drawn: " in said.err
    assert "(Is a directory)" in said.err
    names = {"blue": "azure", "green": "lime", "red": "scarlet"}
    for row, before in zip(rows, result["predictions"], strict=True):
        assert [guess["class"] for guess in row["top"]] == [names[guess["class"]] for guess in before["top"]]


def test_nothing_to_predict_is_a_failure(trained_run, photos, capsys):
    for images, message in (
        (photos / "broken.jpg", "names 1 file, of which none can be read"),
        (photos / "*.gif", "no file matches it"),
    ):
        config = TrainConfig(phase="predict", model_dir=str(trained_run), use=UseConfig(images=str(images)))
        assert command_line.run(config, given=(), command_line=()) == 1
        assert message in capsys.readouterr().err


def test_a_pattern_and_a_file_name_what_they_say(photos):
    assert named_images.find(str(photos / "**/*.PNG"))[0] == [str(photos / "more/a.PNG")]
    assert named_images.find(str(photos / "notes.txt"))[0] == [str(photos / "notes.txt")]
    assert [Path(path).name for path in named_images.find(str(photos))[0]] == ["b.jpg", "broken.jpg", "a.PNG"]


def test_brackets_in_a_folder_that_is_there_mean_themselves(tmp_path):
    folder = tmp_path / "photos [2019]*"
    for name in ("photos [2019]*", "photos 2*"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").touch()
    assert named_images.find(str(folder / "*.jpg"))[0] == [str(folder / "a.jpg")]
    assert named_images.find(str(tmp_path / "photos [0-9]*" / "*.jpg"))[0] == [str(tmp_path / "photos 2*" / "a.jpg")]


def test_imagenet_names_are_in_the_order_of_the_weights():
    names = imagenet.class_names()
    assert (names[618], names[813], names[910]) == ("ladle", "spatula", "wooden spoon")


@pytest.mark.slow
def test_the_original_classifier_is_the_network_of_keras_applications(tmp_path, photos):
    arguments = {"alpha": 0.35}
    reference = keras.applications.MobileNetV2(weights=None, input_shape=(96, 96, 3), **arguments)
    weights = tmp_path / "mobile.weights.h5"
    reference.save_weights(weights)
    model = ModelConfig("MobileNetV2", weights=str(weights), backbone_args=arguments)
    network = imagenet.create(model, image_size=96)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3)).astype(np.float32)
    np.testing.assert_allclose(network(pixels), reference(pixels / 127.5 - 1), atol=1e-6)


def test_vgg_nano_has_no_original_classifier():
    with pytest.raises(ValueError, match="model=imagenet needs a backbone of Keras Applications, got vgg_nano"):
        imagenet.create(ModelConfig("vgg_nano", weights="objects"), image_size=96)


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_ends_it_without_a_word(trained_run, photos, tmp_path):
    model_dir = shutil.copytree(trained_run, tmp_path / "run")
    command = [sys.executable, "-m", "trainers.main", "--phase=predict", "--json", f"--images={photos}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, f"--model_dir={model_dir}"], cwd=ROOT, **pipes) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 141
    assert "error:" not in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_real_spoons_are_kitchen_things(real_photos, tmp_path):
    weights = real_photos.parent / "weights/mobilenet_v2_1.0_224_dequantized_imagenet_top.weights.h5"
    if not weights.is_file():
        pytest.skip("the 1000-class weights are not here")
    model = ModelConfig("MobileNetV2", weights=str(weights))
    images = real_photos / "spoony/test"
    use = UseConfig(images=str(images), model="imagenet")
    config = TrainConfig(phase="predict", model_dir=str(tmp_path), model=model, use=use)
    rows = experiment.run(config)["predict"]["predictions"]
    kitchen = {"spatula", "wooden spoon", "ladle"}
    hits = [row for row in rows if kitchen & {guess["class"] for guess in row["top"]}]
    assert len(hits) >= 5  # of 20 odd photos (8 with these quantized weights); by chance 0.3
