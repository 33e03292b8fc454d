"""--phase=export of a small trained run, read back by others."""

import importlib.util
import json
import shutil
import subprocess
import sys
import types
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ftdata.config import DataConfig
from ftdata.decoding.decode import Decoding
from tests.tools import bad_files, markdown_page, odd_files
from trainers import command_line, experiment
from trainers.commands import export, trained_model
from trainers.config import EXPORT_FORMATS, TrainConfig, UseConfig
from trainers.export import formats, golden, onnx_format, openvino_format, parity
from trainers.export.parity import Samples
from trainers.models import symmetries
from trainers.models.classifier import features_of
from trainers.models.novelty import Novelty
from trainers.rundir.run_dir import RunDir
from trainers.runtime.signals import StopRequest

_EXTRAS = ("onnx", "openvino", "web")  # that needs npm
_EXACT = parity.TOLERANCES["keras"]


def _of(probabilities):
    return {"probabilities": probabilities}


@pytest.fixture(scope="module")
def served(trained_run, tmp_path_factory):
    """The SavedModel of the run, as --phase=export writes it, loaded."""
    model, folder = trained_model.of_run(RunDir(trained_run)), tmp_path_factory.mktemp("served") / "saved_model"
    network = formats.finished(model.load(), temperature=1.0)
    formats.write_saved_model(folder, formats.Served(network, model.class_names, model.data))
    return tf.saved_model.load(folder)


@pytest.mark.slow  # a process for each format
def test_the_files_are_there_and_agree(trained_run, tmp_path):
    # signs that are patterns to glob, to the shell, to printf and to matplotlib
    model_dir = shutil.copytree(trained_run, tmp_path / "run [1] *? %d $x$ é\\ -")
    use = UseConfig(export_formats=("saved_model",))
    result = experiment.run(TrainConfig(phase="export", model_dir=str(model_dir), use=use))["export"]
    folder = model_dir / "export"
    assert {path.name for path in folder.iterdir()} == {"saved_model", "labels.txt", "parity.json", "MODEL_CARD.md"}
    assert (folder / "labels.txt").read_text() == "blue\ngreen\nred\n"
    assert json.loads((folder / "parity.json").read_text()) == result
    rows = {(row["format"], row["call"]): row for row in result["exports"]}
    assert set(rows) == {("saved_model", call) for call in ("serving_default", "pixels", "any_size")}
    assert [row["images"] for row in rows.values()] == [15] * 3
    assert all(row["is_within"] for row in rows.values())
    assert rows["saved_model", "pixels"]["max_probability_difference"] < 1e-4
    assert set(rows["saved_model", "pixels"]["latency_ms"]["32"]) == {"p50", "p95", "p99"}
    assert 0 < result["as_trained_max_probability_difference"] < 0.05  # float32 against bfloat16


def test_pixels_of_any_size_and_files_get_the_same_answer(served, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    from_file = served.signatures["serving_default"](image_bytes=tf.constant([(tmp_path / "a.png").read_bytes()]))
    from_pixels = served.signatures["pixels"](images=tf.constant(pixels[None]))
    np.testing.assert_allclose(from_file["probabilities"], from_pixels["probabilities"], atol=1e-6)
    best = int(np.argmax(from_file["probabilities"]))
    assert from_file["label"].numpy() == [("blue", "green", "red")[best].encode()]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bad_files.png_claiming(16_000, 16_000), "image of 16000 x 16000 pixels claimed"),
        (bad_files.jpeg_claiming(60_000, 60_000), "image of 60000 x 60000 pixels claimed"),
        (b"\0\0\0\x18ftypheic" + bytes(64), "no JPEG, PNG, BMP, GIF or WebP"),
    ],
)
def test_what_an_examination_refuses_is_refused_by_the_server(served, content, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served.signatures["serving_default"](image_bytes=tf.constant([content]))


def test_the_server_turns_photos_upright(served):
    sideways = odd_files.ORIENTED["exif_behind_icc_130k"]
    pixels = odd_files.by_pillow(sideways)
    from_file = served.signatures["serving_default"](image_bytes=tf.constant([sideways]))
    from_pixels = served.signatures["pixels"](images=tf.constant(pixels[None]))
    np.testing.assert_allclose(from_file["probabilities"], from_pixels["probabilities"], atol=1e-6)


def test_the_temperature_is_inside_and_no_layer_is_random(trained_run):
    network = trained_model.of_run(RunDir(trained_run)).load()
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.float32)
    plain = formats.finished(network, temperature=1.0)
    halved = formats.finished(network, temperature=2.0)
    scores = np.log(np.asarray(plain(images)))
    expected = np.exp(scores / 2) / np.exp(scores / 2).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(halved(images), expected, atol=1e-5)
    np.testing.assert_allclose(plain(images), network(images), atol=0.03)  # bfloat16
    layers = list(halved._flatten_layers())
    assert {layer.compute_dtype for layer in layers} == {"float32"}
    assert not [layer for layer in layers if type(layer).__name__.startswith("Random")]


@pytest.mark.parametrize("kind", ["flip", "dihedral"])
def test_an_export_averages_over_the_image_mirrored_and_turned(trained_run, kind):
    network = trained_model.of_run(RunDir(trained_run)).load()
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.float32)
    plain = formats.finished(network, temperature=1.0)
    averaged = formats.finished(network, temperature=1.0, test_time_augmentation=kind)
    several = [plain(np.asarray(image)).numpy() for image in symmetries.images_of(images, kind)]
    np.testing.assert_allclose(averaged(images), np.mean(several, axis=0), atol=1e-5)


@pytest.mark.slow
def test_every_format_averages_and_agrees(trained_run, tmp_path):
    model_dir = shutil.copytree(trained_run, tmp_path / "run")
    kinds = tuple(name for name in EXPORT_FORMATS if name not in _EXTRAS)
    use = UseConfig(export_formats=kinds, test_time_augmentation="dihedral")
    result = experiment.run(TrainConfig(phase="export", model_dir=str(model_dir), use=use))["export"]
    assert result["test_time_augmentation"] == "dihedral"
    assert [row["is_within"] for row in result["exports"]] == [True] * 7
    assert result["as_trained_max_probability_difference"] < 0.05  # float32 against bfloat16


def test_a_file_with_other_answers_is_refused(tmp_path):
    reference, labels = np.array([[0.7, 0.3], [0.2, 0.8]]), np.array([0, 1])
    rows = [
        {
            "file": name,
            "call": "call",
            **parity.compare(_EXACT, _of(reference + difference), _of(reference), labels),
        }
        for name, difference in {"same.keras": 9e-5, "other.keras": np.array([2e-4, -2e-4])}.items()
    ]
    with pytest.raises(ValueError, match=r"not the answers of the model, beyond tolerance: other.keras \(call\);"):
        parity.refuse(rows, report=tmp_path)


def test_answers_that_are_no_numbers_are_out_of_tolerance():
    nothing = np.full((2, 3), np.nan, np.float32)
    assert not parity.compare(_EXACT, _of(nothing), _of(np.eye(3)[:2]), np.array([0, 1]))["is_within"]


def test_files_that_refuse_other_images_are_out_of_tolerance():
    expected = {**_of(np.eye(2)), "unlike": np.array([0.9, 1.1])}
    for unlike, is_within in (([0.5, 3.0], True), ([0.9, 0.99], False), ([0.9, np.nan], False)):
        found = parity.compare(_EXACT, {**_of(np.eye(2)), "unlike": np.array(unlike)}, expected, np.array([0, 1]))
        assert found["is_within"] == is_within


def test_what_is_none_of_these_goes_along(trained_run):
    network = trained_model.of_run(RunDir(trained_run)).load()
    images = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3)).astype(np.float32)
    features = np.asarray(features_of(formats.finished(network, temperature=1.0))(images))
    novelty = Novelty.of(features[:6], 3).in_units_of(0.01)
    for kind in ("none", "flip"):
        options = {"temperature": 1.5, "test_time_augmentation": kind}
        found = formats.finished(network, **options, novelty=novelty)(images)
        np.testing.assert_allclose(found["unlike"], novelty.distances(features), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(found["probabilities"], formats.finished(network, **options)(images), atol=1e-6)


@pytest.mark.slow
def test_every_format_knows_none_of_these(trained_run, tmp_path):
    model_dir = shutil.copytree(trained_run, tmp_path / "run")
    use = UseConfig(none_of_these=0.9)
    experiment.run(TrainConfig(phase="evaluate", model_dir=str(model_dir), use=use))
    kinds = tuple(name for name in EXPORT_FORMATS if name not in _EXTRAS)
    use = UseConfig(export_formats=kinds)
    result = experiment.run(TrainConfig(phase="export", model_dir=str(model_dir), use=use))["export"]
    assert [row["is_within"] for row in result["exports"]] == [True] * 7
    assert all(row["none_of_these_agreement"] >= 0.9 for row in result["exports"])  # of things refused among them
    assert result["images"] == 15
    smallest = min(row["bytes"] for row in result["exports"] if row["format"] == "keras")
    assert result["none_of_these"]["bytes"] <= 0.1 * smallest


def test_the_last_line_of_what_a_process_complains_of_is_what_went_wrong(tmp_path):
    code = "import sys; print('many\\nlines', file=sys.stderr); raise ValueError('no model')"
    assert parity._run([sys.executable, "-c", code], str(tmp_path), StopRequest()) == "ValueError: no model"
    assert parity._run([sys.executable, "-c", "raise SystemExit(3)"], str(tmp_path), StopRequest()) == "exit status 3"
    assert parity._run([sys.executable, "-c", ""], str(tmp_path), StopRequest()) is None


@pytest.mark.slow
def test_a_file_that_cannot_be_run_is_named(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"no model")
    samples = Samples(np.zeros((1, 8, 8, 3), np.uint8), [b""], np.array([0]), _of(np.ones((1, 3))))
    with pytest.raises(ValueError, match=r"model\.keras cannot be run by itself: .*[Ee]rror"):
        parity.check_parity("keras", tmp_path / "model.keras", samples, samples, stop=StopRequest())


def test_the_reading_process_cannot_import_this_project(tmp_path):
    code = f"import sys; sys.path.insert(0, {str(parity._SCRIPT.parent)!r}); import parity_worker"
    code += "; sys.meta_path.insert(0, parity_worker._NoProject()); import trainers.config"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "trainers must not be needed to run an export" in done.stderr


@pytest.mark.parametrize("phase", ["all", "export"])
@pytest.mark.parametrize(("kind", "package"), [("onnx", "tf2onnx"), ("openvino", "openvino")])
def test_without_its_extra_is_said_before_anything_is_computed(kind, package, phase, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    config = TrainConfig(phase=phase, model_dir=str(tmp_path / "run"), use=UseConfig(export_formats=(kind,)))
    assert command_line.run(config, given=(), command_line=()) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"error: --export_formats: {kind} needs {package}")
    assert message.endswith(
        f"not installed here: .venv/bin/pip install --constraint constraints.txt --editable '.[{kind}]'\n"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.extra_onnx
@pytest.mark.filterwarnings("default")  # onnx warns of itself
@pytest.mark.parametrize("outputs", [["probabilities"], ["probabilities", "unlike"]])
def test_onnx_agrees_and_names_its_classes(trained_run, tmp_path, outputs):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    model_dir = shutil.copytree(trained_run, tmp_path / "run")
    if "unlike" in outputs:
        use = UseConfig(none_of_these=0.9)
        experiment.run(TrainConfig(phase="evaluate", model_dir=str(model_dir), use=use))
    use = UseConfig(export_formats=("onnx",))
    result = experiment.run(TrainConfig(phase="export", model_dir=str(model_dir), use=use))["export"]
    assert [(row["call"], row["is_within"]) for row in result["exports"]] == [("call", True), ("any_size", True)]
    model = onnx.load(model_dir / "export/model.onnx")
    shape = [size.dim_param or size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim]
    assert shape == ["batch", "height", "width", 3]
    assert {entry.key: entry.value for entry in model.metadata_props} == {"labels": "blue\ngreen\nred"}
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["images", *outputs]


@pytest.mark.extra_onnx
@pytest.mark.filterwarnings("default")
def test_a_network_with_constants_of_its_own_becomes_onnx(tmp_path):
    pytest.importorskip("tf2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    entry = keras.Input((8, 8, 3))
    normalized = keras.layers.Normalization(mean=[100.0, 110.0, 120.0], variance=[50.0, 60.0, 70.0])(entry)
    network = keras.Model(entry, keras.layers.Softmax()(keras.layers.GlobalAveragePooling2D()(normalized)))
    onnx_format.write_onnx(tmp_path / "model.onnx", network, ("a", "b", "c"), Decoding(image_size=8))
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    np.testing.assert_allclose(session.run(None, {"images": images})[0], network(images.astype("float32")), atol=1e-6)


@pytest.mark.extra_onnx
@pytest.mark.filterwarnings("default")
def test_a_network_that_onnx_cannot_hold_is_refused_in_a_line(tmp_path):
    pytest.importorskip("tf2onnx")
    entry = keras.Input((8, 8, 3))
    network = keras.Model(entry, keras.layers.Activation("gelu")(entry))
    with pytest.raises(ValueError, match=r"tf2onnx cannot translate Erfc, which this network uses"):
        onnx_format.write_onnx(tmp_path / "model.onnx", network, ("a", "b", "c"), Decoding(image_size=8))
    assert not list(tmp_path.iterdir())


_SHAPES = [(8, 8), (50, 70), (3, 5), (1, 1), (1, 400), (400, 1), (600, 800)]


def _network():
    """Pixels of 8x8 to three probabilities that hang on each pixel."""
    keras.utils.set_random_seed(0)
    entry = keras.Input((8, 8, 3))
    scaled = keras.layers.Rescaling(1 / 255)(entry)
    scores = keras.layers.Dense(3)(keras.layers.Flatten()(scaled))
    return keras.Model(entry, keras.layers.Softmax()(scores))


def _assert_of_any_size(call, network, decoding):
    """`call` gives what the network gives for the square of training, for one image and for two."""
    rng = np.random.default_rng(0)
    for shape in _SHAPES:
        images = rng.integers(0, 256, (2, *shape, 3), np.uint8)
        squares = np.stack([decoding.to_square(tf.constant(image)) for image in images])
        expected = network(squares.astype(np.float32)).numpy()
        at_most = 1e-6 if shape == (8, 8) else 5e-3  # a pixel may be rounded the other way
        np.testing.assert_allclose(call(images), expected, atol=at_most, err_msg=str(shape))
        np.testing.assert_allclose(call(images[:1]), expected[:1], atol=at_most, err_msg=str(shape))


def _openvino():
    """The package, which tells nobody that it is used here."""
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("the extra openvino is not installed")
    with openvino_format._without_telemetry():
        import openvino
    return openvino


_WAYS = [("stretch", "bilinear"), ("crop", "bilinear"), ("pad", "bilinear"), ("pad", "nearest")]


@pytest.mark.extra_onnx
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("how", "interpolation"), _WAYS)
def test_onnx_takes_images_of_any_size(how, interpolation, tmp_path):
    pytest.importorskip("tf2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    network, decoding = _network(), Decoding(image_size=8, resize=how, interpolation=interpolation)
    onnx_format.write_onnx(tmp_path / "model.onnx", network, ("a", "b", "c"), decoding)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    _assert_of_any_size(lambda images: session.run(None, {"images": images})[0], network, decoding)


@pytest.mark.extra_openvino
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("how", "interpolation"), _WAYS)
def test_openvino_takes_images_of_any_size(how, interpolation, tmp_path):
    openvino = _openvino()
    network, decoding = _network(), Decoding(image_size=8, resize=how, interpolation=interpolation)
    openvino_format.write_openvino(tmp_path / "openvino", network, ("a", "b b", "c"), decoding)
    assert {path.name for path in (tmp_path / "openvino").iterdir()} == {"model.xml", "model.bin"}
    assert str(tmp_path) not in (tmp_path / "openvino/model.xml").read_text()
    model = openvino.Core().read_model(tmp_path / "openvino/model.xml")
    assert model.get_rt_info("labels").astype(str) == "a\nb b\nc"
    # compiled anew, because the first call of a model is where OpenVINO was wrong once
    for shape in ((8, 8), (50, 70)):
        call = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        image = np.random.default_rng(0).integers(0, 256, (1, *shape, 3), np.uint8)
        square = np.asarray(decoding.to_square(tf.constant(image[0])), np.float32)[None]
        np.testing.assert_allclose(call({"images": image})["probabilities"], network(square), atol=5e-3)
    _assert_of_any_size(lambda images: call({"images": images})["probabilities"].copy(), network, decoding)


@pytest.mark.extra_openvino
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("outputs", [["probabilities"], ["probabilities", "unlike"]])
def test_openvino_agrees_and_tells_nobody(trained_run, tmp_path, outputs):
    openvino = _openvino()
    model_dir = shutil.copytree(trained_run, tmp_path / "run")
    if "unlike" in outputs:
        experiment.run(TrainConfig(phase="evaluate", model_dir=str(model_dir), use=UseConfig(none_of_these=0.9)))
    use = UseConfig(export_formats=("openvino",))
    result = experiment.run(TrainConfig(phase="export", model_dir=str(model_dir), use=use))["export"]
    calls = [row["call"] for row in result["exports"]]
    assert calls[:2] == ["call", "any_size"]
    assert all(call.startswith("default_") for call in calls[2:])
    assert all(row["is_within"] for row in result["exports"])
    model = openvino.Core().read_model(model_dir / "export/openvino/model.xml")
    assert [output.any_name for output in model.outputs] == outputs
    assert not [name for name, module in sys.modules.items() if name.startswith("openvino_telemetry") and module]


@pytest.mark.slow
def test_every_format_agrees(trained_run, tmp_path):
    model_dir = shutil.copytree(trained_run, tmp_path / "run")
    use = UseConfig(export_formats=tuple(name for name in EXPORT_FORMATS if name not in _EXTRAS))
    result = experiment.run(TrainConfig(phase="export", model_dir=str(model_dir), use=use))["export"]
    assert [row["is_within"] for row in result["exports"]] == [True] * 7
    sizes = {row["format"]: row["bytes"] for row in result["exports"]}
    assert sizes["litert_int8"] < sizes["litert_float16"] < sizes["litert"]
    with pytest.warns(UserWarning, match="tf.lite.Interpreter is deprecated"):
        interpreter = tf.lite.Interpreter(str(model_dir / "export/model.tflite"))
    signature = interpreter.get_signature_list()["serving_default"]
    assert signature == {"inputs": ["images"], "outputs": ["probabilities"]}
    with zipfile.ZipFile(model_dir / "export/model_int8.tflite") as attached:
        assert attached.read("labels.txt") == b"blue\ngreen\nred\n"


def _exported(trained_run, model_dir, formats, **use):
    """The folder export/ of a copy of the run."""
    shutil.copytree(trained_run, model_dir)
    if use:
        experiment.run(TrainConfig(phase="evaluate", model_dir=str(model_dir), use=UseConfig(**use)))
    experiment.run(TrainConfig(phase="export", model_dir=str(model_dir), use=UseConfig(export_formats=formats)))
    return model_dir / "export"


@pytest.fixture(scope="module")
def exported(trained_run, tmp_path_factory):
    """SavedModel, Keras and LiteRT files of the run."""
    model_dir = tmp_path_factory.mktemp("exported") / "run"
    return _exported(trained_run, model_dir, ("saved_model", "keras", "litert", "litert_int8"))


@pytest.fixture(scope="module")
def exported_unlike(trained_run, tmp_path_factory):
    """Those that know none of these."""
    model_dir = tmp_path_factory.mktemp("exported") / "run"
    return _exported(trained_run, model_dir, ("saved_model", "keras", "litert"), none_of_these=0.9)


@pytest.mark.slow  # a process for each format
@pytest.mark.parametrize("files", ["exported", "exported_unlike"])
@pytest.mark.parametrize("kind", ["saved_model", "model.keras", "model.tflite"])
def test_the_code_in_the_model_card_runs(files, kind, photo_folder, request):
    folder = request.getfixturevalue(files)
    photo = next((photo_folder / "test/green").iterdir())
    shutil.copy(photo, folder / "photo.jpg")
    snippets = markdown_page.snippets((folder / "MODEL_CARD.md").read_text())
    (code,) = [code for name, code in snippets.items() if name.startswith(kind)]
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer, *refused = done.stdout.splitlines()
    model = tf.saved_model.load(folder / "saved_model")
    expected = model.signatures["serving_default"](image_bytes=tf.constant([photo.read_bytes()]))
    assert answer.split()[0] == expected["label"][0].numpy().decode()
    # Pillow decodes and resizes a little otherwise
    assert float(answer.split()[1]) == pytest.approx(float(np.max(expected["probabilities"])), abs=0.02)
    if files == "exported":
        assert not refused
    else:
        assert refused == ["none of these" if expected["unlike"][0] > 1 else "one of these"]


def _check(folder, *arguments):
    """Runs check.py of an export in a fresh process; its exit status and what it said."""
    command = [sys.executable, "-I", "golden/check.py", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr.partition("Traceback")[2]


@pytest.mark.slow  # a process each time
def test_golden_images_check_an_installation(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "export")
    names = {path.name for path in (folder / "golden").iterdir()}
    assert names == {"check.py", "golden.json", *(f"{n}.{ending}" for n in range(1, 6) for ending in ("jpg", "npy"))}
    described = json.loads((folder / "golden/golden.json").read_text())
    assert [image["class"] for image in described["images"]] == ["blue", "green", "red", "blue", "green"]
    status, said = _check(folder)
    assert status == 0, said
    lines = said.splitlines()
    assert len(lines) == 15  # of two models, and of Pillow
    assert all(line.endswith(": OK") for line in lines)
    (folder / "model_int8.tflite").unlink()
    pixels = np.load(folder / "golden/1.npy")
    np.save(folder / "golden/1.npy", 255 - pixels)
    status, said = _check(folder)
    assert (status, "model.tflite on 1.jpg: differs by 0." in said) == (1, True)
    np.save(folder / "golden/1.npy", pixels)
    content = bytearray((folder / "model.tflite").read_bytes())
    half = len(content) // 2
    content[half : half + 20_000] = bytes(20_000)  # among the weights
    (folder / "model.tflite").write_bytes(content)
    status, said = _check(folder)
    assert status == 1
    assert "model.tflite on 1.jpg: differs by 0." in said
    (folder / "model.tflite").unlink()
    status, said = _check(folder)
    assert (status, said.splitlines()[-1]) == (1, f"none of model.tflite, model_int8.tflite lies in {folder}")


@pytest.mark.slow
def test_golden_images_find_another_preprocessing(exported, tmp_path):
    tensors = {path.name: np.load(path) for path in (exported / "golden").glob("*.npy")}
    for name, made, said_of_it in [
        ("one off", lambda pixels: np.where(pixels > 0, pixels - 1, 0).astype(np.uint8), ": OK"),
        ("blue first", lambda pixels: pixels[..., ::-1], "of 255 in the mean over the pixels (1 is allowed)"),
        ("to 1", lambda pixels: pixels / np.float32(255), "is float32 [32, 32, 3], not uint8 [32, 32, 3]"),
    ]:
        folder = tmp_path / name
        folder.mkdir()
        for file, pixels in tensors.items():
            np.save(folder / file, made(pixels))
        status, said = _check(exported, str(folder))
        assert status == (name != "one off"), said
        assert f"1.jpg read by {folder}" in said
        assert all(line.endswith(said_of_it) for line in said.splitlines() if "read by" in line)


def test_golden_images_are_the_smallest_of_each_class():
    sizes, labels = [9, 3, 5, 4, 8, 7, 1], [0, 0, 0, 1, 1, 1, -1]
    samples = Samples(np.zeros((7, 1, 1, 3), np.uint8), [bytes(size) for size in sizes], np.array(labels))
    assert golden._chosen(samples) == [1, 3, 2, 5, 0]
    many = Samples(np.zeros((9, 1, 1, 3), np.uint8), [b""] * 9, np.arange(9))
    assert golden._chosen(many) == [0, 2, 4, 6, 8]


def test_golden_images_that_are_not_wanted_are_removed(tmp_path):
    samples = Samples(np.zeros((1, 1, 1, 3), np.uint8), [b"\xff\xd8"], np.array([0]))
    answers = {"litert": np.ones((1, 1), np.float32)}
    model = types.SimpleNamespace(class_names=("a",), data=DataConfig(image_dir="x", image_size=8))
    assert export._golden(tmp_path / "golden", samples, answers, model, is_wanted=True) == 1
    assert (tmp_path / "golden/1.jpg").read_bytes() == b"\xff\xd8"
    assert export._golden(tmp_path / "golden", samples, answers, model, is_wanted=False) == 0
    assert not list(tmp_path.iterdir())
