"""What flags and files refuse is refused before TensorFlow is imported, in one line with the way out."""

import json
import os
import socket
import subprocess
import sys

import pytest

from tests import ROOT

_ARGUMENT = '--backbone_args={"beta": 1}'


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder to stand in: images, tables, a run that only its files tell, and files that are no such."""
    root = tmp_path_factory.mktemp("place")
    for split, names in (("photos", ("a", "b")), ("one_class", ("a",)), ("tested/train", ("a", "b")), ("new", ("c",))):
        for name in names:
            (root / split / name).mkdir(parents=True)
            for number in range(3):
                (root / split / name / f"{number}.jpg").write_bytes(b"\xff\xd8 not looked into")
    (root / "empty").mkdir()
    (root / "file.txt").write_text("text")
    (root / "labels.csv").write_text("file,kind\na/0.jpg,a\n")
    (root / "gone.csv").write_text("file,label\na/none.jpg,a\nb/0.jpg,b\n")
    _run(root / "run", {"image_dir": str(root / "moved"), "channels": 3, "task": "single"})
    _run(root / "of_photos", {"image_dir": str(root / "photos"), "channels": 3, "task": "single"})
    _run(root / "five", {"image_dir": str(root / "photos"), "channels": 5, "task": "single"})
    _run(root / "unrecorded", None)
    return root


def _run(folder, settings):
    (folder / "transfer").mkdir(parents=True)
    (folder / "transfer/best.keras").write_bytes(b"not looked into")
    (folder / "transfer/metrics.json").write_text(json.dumps({"class_names": ["a", "b"]}))
    if settings is not None:
        phases = {"transfer": {"batch_size": 48, "backbone": "VGG16"}}
        (folder / "config.json").write_text(json.dumps({"settings": settings, "phases": phases}))


CASES = {
    "a backbone without such weights": (
        ["--backbone=vgg_nano", "--image_dir=photos", "--weights=imagenet"],
        "vgg_nano has no ImageNet weights: use --weights=objects, none or a file",
    ),
    "no such backbone": (["--backbone=VGG17", "--image_dir=photos"], "--backbone must be one of vgg_nano, Effi"),
    "no such argument of it": (
        ["--backbone=MobileNetV2", "--image_dir=photos", _ARGUMENT],
        "--backbone_args must be arguments of MobileNetV2 (alpha), got 'beta'",
    ),
    "no file of weights": (["--weights=none.h5", "--image_dir=photos"], "--weights must be imagenet, none, objects or"),
    "no model to go on from": (["--init_from=none.keras", "--image_dir=photos"], "--init_from must be a trained model"),
    "other classes than those of the model to go on from": (
        ["--init_from=run/transfer/best.keras", "--image_dir=new_pair"],
        "--init_from run/transfer/best.keras was trained on the classes a, b, and these are c, d",
    ),
    "a batch that is not of pairs": (
        ["--image_dir=photos", "--batch_size=15", "--mixup_alpha=0.2"],
        "--batch_size must be even on each device with --mixup_alpha, --cutmix_alpha or --background_mixing",
    ),
    "a batch of unequal pieces": (
        ["--image_dir=photos", "--batch_size=15", "--gradient_accumulation_steps=4"],
        "--batch_size must be a multiple of --gradient_accumulation_steps=4, got 15",
    ),
    "no folder": (["--image_dir=none"], "--image_dir must be a folder, got 'none': no such folder"),
    "no folder to check": (["--phase=check", "--image_dir=none"], "--image_dir must be a folder, got 'none': no such"),
    "one class": (["--image_dir=one_class"], "one_class: needs images of two classes or more, found only 'a'"),
    "no images": (["--image_dir=empty"], "empty: "),
    "no such table": (["--labels_csv=none.csv"], "--labels_csv must be a CSV file, got 'none.csv': no such file"),
    "a table without labels": (["--labels_csv=labels.csv"], "--labels_csv "),
    "a table of files that are not there": (["--labels_csv=gone.csv", "--image_dir=photos"], "line 2 of --labels_csv "),
    "no shards": (["--records=none-*.tar"], "--records must be a pattern of shards in quotes"),
    "no data set of that name": (
        ["--dataset=forks"],
        "--dataset must be one of cutlery, objects, scenes, knifey_spoony",
    ),
    "no folder of archives": (["--dataset=knifey_spoony", "--manual_dir=none"], "--manual_dir must be a folder or an"),
    "a pattern of no name": (["--image_dir=photos", "--group_pattern=film-(\\d+)"], "--group_pattern must match file"),
    "weights of no class": (["--image_dir=photos", "--class_weight=z=2"], "--class_weight must name classes, got z"),
    "no table of what to leave out": (["--image_dir=photos", "--exclude_csv=none.csv"], "--exclude_csv must be a CSV"),
    "no test set": (["--image_dir=photos", "--validation_fraction=0"], "photos has no test set and "),
    "a model_dir that is a file": (["--image_dir=photos", "--model_dir=file.txt"], "--model_dir must be a folder, got"),
    "other settings than those of the run": (
        ["--image_dir=photos", "--model_dir=of_photos", "--phase=transfer", "--batch_size=8"],
        "--model_dir of_photos holds a run with other settings or data:\n",
    ),
    "no run to evaluate": (["--phase=evaluate", "--model_dir=nothere"], "--model_dir nothere is not there: name"),
    "no run to export": (
        ["--phase=export", "--model_dir=empty"],
        "--model_dir empty holds no trained model: name",
    ),
    "images of the run that are gone": (
        ["--phase=evaluate", "--model_dir=run"],
        "--image_dir must be a folder, got '{root}/moved': no such folder (run/config.json says so): the images of the "
        "run are gone or were moved; name where they are now with --image_dir",
    ),
    "no other images": (
        ["--phase=evaluate", "--model_dir=of_photos", "--none_of_these=0.9", "--other_images=none"],
        "--other_images must be a folder of images, a file or a pattern, got 'none': no such file",
    ),
    "what a model of five channels cannot do": (
        ["--phase=evaluate", "--model_dir=five", "--none_of_these=0.9"],
        "--none_of_these cannot go with a model of --channels=5",
    ),
    "no images to predict": (
        ["--phase=predict", "--model_dir=run", "--images=no*.jpg"],
        "--images must be a folder of",
    ),
    "no model to predict by": (
        ["--phase=predict", "--model=none.keras", "--images=photos"],
        "--model must be a trained",
    ),
    "no classifier of ImageNet": (
        ["--phase=predict", "--model=imagenet", "--backbone=vgg_nano", "--images=photos"],
        "--model=imagenet needs a backbone of Keras Applications, got vgg_nano",
    ),
    "nothing to verify": (
        ["--phase=verify", "--model_dir=nothere"],
        "nothere holds no run: name the folder of one",
    ),
    "nothing to report": (
        ["--phase=report", "--model_dir=empty"],
        "--model_dir empty holds no run, and no folder",
    ),
    "a run that does not say its images": (
        ["--phase=check", "--model_dir=unrecorded"],
        "--model_dir unrecorded holds a run without a config.json that says which images it was trained on: name them",
    ),
    "a run whose images are gone, looked at": (
        ["--phase=check", "--model_dir=run"],
        "--image_dir must be a folder, got '{root}/moved': no such folder",
    ),
}


@pytest.fixture(scope="module")
def said(place):
    """What each case says, all of them in one process."""
    for name in ("c", "d"):
        (place / "new_pair" / name).mkdir(parents=True)
        (place / "new_pair" / name / "0.jpg").write_bytes(b"\xff\xd8 not looked into")
    done = subprocess.run(
        [sys.executable, "-m", "tests.tools.refused_at_once"],
        input=json.dumps([argv for argv, _ in CASES.values()]),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(CASES, json.loads(done.stdout), strict=False))


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_before_tensorflow_is_imported(said, place, case):
    assert case in said, f"{list(said)[-1]} imported TensorFlow: {list(said.values())[-1]}"
    found = said[case]
    assert not found["tensorflow"], found
    assert found["status"] == 1
    assert found["err"].startswith(f"error: {CASES[case][1].format(root=place)}"), found["err"]
    assert found["err"].count("error: ") == 1
    assert "['" not in found["err"]


def test_of_a_folder_of_one_class_the_endings_of_files_are_not_listed(said):
    assert ".jpg" not in said["one class"]["err"]
    assert ".jpg" in said["no images"]["err"]


@pytest.mark.extra_serve
def test_a_port_in_use_is_refused_before_tensorflow_is_imported(place):
    pytest.importorskip("uvicorn")
    (place / "served").mkdir()
    (place / "served/saved_model.pb").write_bytes(b"not looked into")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "tests.tools.refused_at_once"],
            input=json.dumps([["--phase=serve", "--model=served", f"--port={port}"]]),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=place,
            capture_output=True,
            text=True,
            check=True,
        )
    (found,) = json.loads(done.stdout)
    assert not found["tensorflow"]
    assert found["err"].startswith(f"error: --port {port} of host 127.0.0.1 cannot be listened on")
