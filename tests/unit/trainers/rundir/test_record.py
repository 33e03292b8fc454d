"""config.json: what binds the next start in a folder, and how differences are said."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from ftdata.config import DataConfig
from ftdata.sources.source import open_source
from trainers import command_line
from trainers.commands import resolution
from trainers.config import ModelConfig, TrainConfig, TrainingConfig
from trainers.rundir import checkpoint
from trainers.rundir.fingerprint import data_differences, data_fingerprint
from trainers.rundir.run_dir import RunDir


@pytest.fixture
def photos(photo_folder, tmp_path):
    """A copy of the small folder that a test may change."""
    return shutil.copytree(photo_folder, tmp_path / "photos")


@pytest.fixture
def run_dir(tmp_path):
    return RunDir(tmp_path / "run")


def make_config(photos, **training):
    data = DataConfig(image_dir=str(photos), image_size=32, validation_fraction=0.2)
    model = ModelConfig("vgg_nano", weights="objects")
    return TrainConfig(phase="transfer", data=data, model=model, training=TrainingConfig(**training))


def begin(run_dir, config):
    """What a run does before it trains."""
    source = open_source(config.data)
    record = resolution.record_of(config)
    decided_by = record.compare(run_dir, source)
    record.write(run_dir, decided_by, source=source, model=config.model, command_line=["main"])


def leave_checkpoint(run_dir, phase="transfer"):
    checkpoint.save(run_dir.phase(phase).checkpoints, step=1, arrays={}, state={})


def test_settings_bind_only_once_something_is_computed(photos, run_dir):
    begin(run_dir, make_config(photos, batch_size=16))
    begin(run_dir, make_config(photos, batch_size=8))  # nothing was computed: the new ones replace the old
    leave_checkpoint(run_dir)
    begin(run_dir, make_config(photos, batch_size=8))
    with pytest.raises(ValueError, match="batch_size: was 8, is 16"):
        begin(run_dir, make_config(photos, batch_size=16))
    begin(run_dir, dataclasses.replace(make_config(photos, batch_size=16), overwrite=True))
    assert json.loads(run_dir.config.read_text())["phases"]["transfer"]["batch_size"] == 16


def test_the_start_of_a_run_is_that_of_what_it_has_computed(photos, run_dir):
    def written():
        return json.loads(run_dir.config.read_text())

    long_ago = "2001-09-09T01:46:40+00:00"
    for is_begun in (False, True):
        begin(run_dir, make_config(photos))
        run_dir.config.write_text(json.dumps({**written(), "started": long_ago}))
        if is_begun:
            leave_checkpoint(run_dir)
        begin(run_dir, make_config(photos))
        assert (written()["started"] == long_ago) is is_begun
    before = {name: value for name, value in written().items() if name != "started"}
    run_dir.config.write_text(json.dumps(before))  # of an older version
    begin(run_dir, make_config(photos))
    assert "started" not in written()


def test_a_run_from_before_a_setting_was_there_had_it_off(photos, run_dir):
    config = make_config(photos)
    begin(run_dir, config)
    leave_checkpoint(run_dir)
    recorded = json.loads(run_dir.config.read_text())
    for name in ("hue", "grayscale", "rand_augment", "random_convolution", "background_mixing", "feature_views"):
        del recorded["phases"]["transfer"][name]
    run_dir.config.write_text(json.dumps(recorded))
    begin(run_dir, config)
    run_dir.config.write_text(json.dumps(recorded))
    other = dataclasses.replace(config.augment, rand_augment=(2, 9))
    with pytest.raises(ValueError, match=r"rand_augment: was not set, is 2,9"):
        begin(run_dir, dataclasses.replace(config, augment=other))


@pytest.mark.parametrize("leave", ["best", "metrics"])
def test_a_result_binds_like_a_checkpoint(photos, run_dir, leave):
    begin(run_dir, make_config(photos, batch_size=16))
    file = getattr(run_dir.phase("transfer"), leave)
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    with pytest.raises(ValueError, match="batch_size: was 16, is 8"):
        begin(run_dir, make_config(photos, batch_size=8))


def test_a_later_phase_is_not_bound_by_what_it_was_to_be(photos, run_dir):
    config = dataclasses.replace(make_config(photos, finetune_learning_rate=1e-3), phase="finetune")
    begin(run_dir, config)
    leave_checkpoint(run_dir)  # of transfer
    training = dataclasses.replace(config.training, finetune_learning_rate=1e-4)
    begin(run_dir, dataclasses.replace(config, training=training))
    assert json.loads(run_dir.config.read_text())["phases"]["finetune"]["finetune_learning_rate"] == 1e-4


def test_what_was_settled_on_is_kept_only_with_what_was_computed(photos, run_dir):
    data = DataConfig(image_dir=str(photos))
    config = dataclasses.replace(make_config(photos), data=data, model=ModelConfig("VGG16", weights="none"))
    begin(run_dir, resolution.settle(config, run_dir, on_gpu=False))
    other = dataclasses.replace(config, model=ModelConfig("vgg_nano", weights="objects"))
    assert resolution.settle(other, run_dir, on_gpu=False).data.image_size == 96
    leave_checkpoint(run_dir)
    assert resolution.settle(other, run_dir, on_gpu=False).data.image_size == 224


def add(photos):
    shutil.copy(photos / "train/red/red-00-0000.jpg", photos / "train/red/red-09-0100.jpg")
    shutil.copy(photos / "test/red/red-00-0000.jpg", photos / "test/red/red-09-0100.jpg")


def rename(photos):
    (photos / "test/red/red-00-0000.jpg").rename(photos / "test/red/red-00-9999.jpg")


def rewrite(photos):
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(photos / "test/red/red-00-0000.jpg")


def add_class(photos):
    for split in ("train", "test"):
        shutil.copytree(photos / split / "red", photos / split / "scarlet")


def rename_class(photos):
    for split in ("train", "test"):
        (photos / split / "red").rename(photos / split / "crimson")


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (
            add,
            [
                "training images: were 48, are 49",
                "test images: were 15, are 16",
            ],
        ),
        (rename, ["test images: as many as before (15), but other files"]),
        (rewrite, ["test images: the same file names, but other contents"]),
        (
            add_class,
            [
                "classes: added scarlet",
                "training images: were 48, are 65",
                "validation images: were 12, are 15",
                "test images: were 15, are 20",
            ],
        ),
        (rename_class, ["classes: added crimson; removed red"]),
    ],
)
def test_changed_pictures_are_said_field_by_field(photos, run_dir, change, lines):
    config = make_config(photos)
    begin(run_dir, config)
    leave_checkpoint(run_dir)
    change(photos)
    with pytest.raises(ValueError, match="holds a run with other settings or data") as caught:
        begin(run_dir, config)
    said = [line.strip() for line in str(caught.value).splitlines()[1:-1]]
    assert said[: len(lines)] == lines
    assert not any("{" in line for line in said)


def test_other_labels_for_the_same_files_are_said(photos, run_dir):
    names = [f"train/{name}/{name}-00-{n:04}.jpg" for name in ("blue", "red") for n in (0, 4, 8, 12)]
    table = photos / "labels.csv"
    data = DataConfig(labels_csv=str(table), validation_fraction=0.25)
    config = dataclasses.replace(make_config(photos), data=data)
    table.write_text("file,label\n" + "".join(f"{name},{'ab'[k // 4]}\n" for k, name in enumerate(names)))
    begin(run_dir, config)
    leave_checkpoint(run_dir)
    table.write_text("file,label\n" + "".join(f"{name},{'ab'[k % 2]}\n" for k, name in enumerate(names)))
    with pytest.raises(ValueError, match="training images: "):
        begin(run_dir, config)


def test_touched_pictures_are_the_same_pictures(photos, run_dir):
    begin(run_dir, make_config(photos))
    leave_checkpoint(run_dir)
    for path in photos.rglob("*.jpg"):
        path.touch()
    begin(run_dir, make_config(photos))


def test_other_versions_are_said_where_a_run_goes_on(photos, run_dir, capsys):
    config = make_config(photos)
    begin(run_dir, config)
    values = json.loads(run_dir.config.read_text())
    values["versions"]["keras"] = "3.14.0"
    run_dir.config.write_text(json.dumps(values))
    begin(run_dir, config)
    assert "note:" not in capsys.readouterr().out  # nothing to go on from
    run_dir.config.write_text(json.dumps(values))
    leave_checkpoint(run_dir)
    begin(run_dir, config)
    out = capsys.readouterr().out
    assert "begun with other versions" in out
    assert "keras: was 3.14.0, is 3." in out
    assert "tensorflow: was" not in out


def test_a_run_from_before_there_was_folding_resumes_without_it(photos, run_dir):
    config = make_config(photos)
    off, on = (dataclasses.replace(config.runtime, fold_batch_norm=value) for value in ("false", "true"))
    begin(run_dir, dataclasses.replace(config, runtime=off))
    leave_checkpoint(run_dir)
    values = json.loads(run_dir.config.read_text())
    for settings in (values["settings"], values["phases"]["transfer"]):
        assert settings.pop("fold_batch_norm") == "false"
    run_dir.config.write_text(json.dumps(values))
    begin(run_dir, dataclasses.replace(config, runtime=off))
    with pytest.raises(ValueError, match="fold_batch_norm: was 'false', is 'true'"):
        begin(run_dir, dataclasses.replace(config, runtime=on))


def test_a_damaged_record_is_one_line(photos, run_dir):
    begin(run_dir, make_config(photos))
    run_dir.config.write_text('{"settings": ')
    with pytest.raises(ValueError, match=r"config\.json is damaged .*: remove it, or start over with --overwrite$"):
        begin(run_dir, make_config(photos))


def test_a_record_of_an_older_program_is_no_stack_trace(photos, run_dir):
    begin(run_dir, make_config(photos))
    leave_checkpoint(run_dir)
    values = json.loads(run_dir.config.read_text())
    values["phases"]["transfer"]["data"] = {"counts": [48, 12, 15], "class_names": [], "sha256": "ab"}
    run_dir.config.write_text(json.dumps(values))
    with pytest.raises(ValueError, match="data: recorded by another version of this program"):
        begin(run_dir, make_config(photos))


def spellings(photos, monkeypatch):
    """Ways to name the folder `photos`, with where they hold."""
    (photos.parent / "link").symlink_to(photos)
    (photos.parent / "elsewhere").mkdir()
    monkeypatch.setenv("HOME", str(photos.parent))
    return [
        (photos.parent, "photos"),
        (photos.parent, "photos/"),
        (photos.parent, "./photos//"),
        (photos.parent, str(photos)),
        (photos.parent, "link"),
        (photos.parent, "~/photos"),
        (photos.parent / "elsewhere", "../photos"),
    ]


def test_the_same_pictures_by_any_name_are_the_same_data(photos, run_dir, monkeypatch):
    (first, typed), *others = spellings(photos, monkeypatch)
    monkeypatch.chdir(first)
    begin(run_dir, make_config(typed))
    leave_checkpoint(run_dir)
    for where, typed in others:
        monkeypatch.chdir(where)
        begin(run_dir, make_config(typed))
        assert json.loads(run_dir.config.read_text())["settings"]["image_dir"] in (str(photos), str(first / "link"))
    moved = photos.rename(photos.parent / "moved")
    begin(run_dir, make_config(moved))
    (moved / "train/red/red-00-0000.jpg").unlink()
    with pytest.raises(ValueError, match="training images: were 48, are 47"):
        begin(run_dir, make_config(moved))


@pytest.mark.parametrize("name", ["weights", "backbone", "init_from"])
def test_a_file_to_start_from_is_known_by_its_content(photos, run_dir, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    endings = {"weights": ".weights.h5", "backbone": ".keras", "init_from": ".keras"}
    file = tmp_path / f"a{endings[name]}"
    file.write_bytes(b"some weights")

    def with_file(path):
        config = make_config(photos)
        return dataclasses.replace(config, model=dataclasses.replace(config.model, **{name: str(path)}))

    begin(run_dir, with_file(file.name))
    leave_checkpoint(run_dir)
    assert json.loads(run_dir.config.read_text())["settings"][name] == str(file)
    moved = file.rename(tmp_path / f"b{endings[name]}")
    begin(run_dir, with_file(moved))
    moved.write_bytes(b"other weights")
    with pytest.raises(ValueError, match=f"{name}: was 'a file of SHA-256 .*, is 'a file of SHA-256 "):
        begin(run_dir, with_file(moved))


def test_paths_are_recorded_whole_and_names_as_they_are(photos, run_dir, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    config = make_config("photos")
    begin(run_dir, dataclasses.replace(config, data=dataclasses.replace(config.data, data_dir="~/kept")))
    settings = json.loads(run_dir.config.read_text())["settings"]
    assert [settings[name] for name in ("image_dir", "data_dir")] == [str(photos), str(tmp_path / "kept")]
    assert [settings[name] for name in ("backbone", "weights", "manual_dir")] == ["vgg_nano", "objects", None]


FREE = {
    "batch_size": 8,
    "gradient_accumulation_steps": 2,
    "gradient_clip_norm": 1.0,
    "optimizer": "sgd",
    "learning_rate_schedule": "cosine",
    "ema_decay": 0.9,
    "class_weight": "none",
}


@pytest.mark.parametrize(("name", "value"), FREE.items())
def test_a_finished_phase_leaves_the_next_one_free(photos, run_dir, name, value):
    config = dataclasses.replace(make_config(photos, batch_size=16), phase="finetune")
    begin(run_dir, config)
    leave_checkpoint(run_dir)
    other = dataclasses.replace(config, training=dataclasses.replace(config.training, **{name: value}))
    with pytest.raises(ValueError, match=f"{name}: was "):  # it has begun
        begin(run_dir, other)
    run_dir.phase("transfer").metrics.write_text("{}")
    begin(run_dir, other)
    recorded = json.loads(run_dir.config.read_text())["phases"]
    assert (recorded["transfer"][name], recorded["finetune"][name]) == (getattr(config.training, name), value)
    leave_checkpoint(run_dir, "finetune")
    kept = f"without the folder {run_dir.phase('finetune').root} the finished transfer phase is kept"
    with pytest.raises(ValueError, match=f"{name}: was .*(?s:.*){kept}"):
        begin(run_dir, config)
    shutil.rmtree(run_dir.phase("finetune").root)  # as it says
    begin(run_dir, config)


def test_of_a_finished_phase_the_pictures_and_the_network_bind(photos, run_dir):
    config = dataclasses.replace(make_config(photos), phase="finetune")
    begin(run_dir, config)
    leave_checkpoint(run_dir)
    run_dir.phase("transfer").metrics.write_text("{}")
    for part, name, value in (("data", "split_seed", 1), ("data", "image_size", 40), ("model", "dense_units", 8)):
        other = dataclasses.replace(config, **{part: dataclasses.replace(getattr(config, part), **{name: value})})
        with pytest.raises(ValueError, match=f"{name}: was "):
            begin(run_dir, other)
    free = dataclasses.replace(
        config,
        seed=3,
        augment=dataclasses.replace(config.augment, rotation_range=9.0),
        runtime=dataclasses.replace(config.runtime, mixed_precision="float32", jit_compile="false"),
    )
    begin(run_dir, free)


def test_less_memory_is_advised_so_that_it_can_be_followed(photos, run_dir):
    config = dataclasses.replace(make_config(photos, batch_size=16), phase="finetune", model_dir=str(run_dir.root))
    said = command_line._out_of_memory(config)
    assert said == "out of memory at --batch_size=16: try --batch_size=8"  # nothing binds it yet
    leave_checkpoint(run_dir)
    assert command_line._out_of_memory(config).endswith(
        "try --batch_size=8, in another --model_dir or with --overwrite, which starts over"
    )
    run_dir.phase("transfer").metrics.write_text("{}")
    assert command_line._out_of_memory(config) == said  # the next phase is free
    leave_checkpoint(run_dir, "finetune")
    kept = f"; without the folder {run_dir.phase('finetune').root} the finished transfer phase is kept"
    assert command_line._out_of_memory(config).endswith(kept)


def test_swapped_contents_of_one_size_are_other_pictures(tmp_path):
    folders = [tmp_path / "photos" / name for name in ("a", "b")]
    for shade, folder in enumerate(folders):
        folder.mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (8, 8), (100 * shade, 10 * number, 0)).save(folder / f"{number}.bmp")

    def recorded():
        return data_fingerprint(open_source(DataConfig(image_dir=str(tmp_path / "photos"), data_dir=str(tmp_path))))

    before = recorded()
    folders[0].rename(tmp_path / "c")
    folders[1].rename(folders[0])
    (tmp_path / "c").rename(folders[1])
    assert data_differences(before, recorded())
