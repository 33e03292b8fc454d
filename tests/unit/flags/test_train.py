"""The command line: what it makes of flags, files of flags and presets, and what it says to a wrong one."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

import flags
from flags import train
from flags.train import FlagError, parse, preset_names
from tests import ROOT
from trainers.config import TrainConfig, as_dict, settings, without_effect


def parsed(*arguments):
    return parse(["main", *arguments])[0]


def flat(*arguments):
    return as_dict(parsed(*arguments))


_CLASS_WEIGHT = (
    "--class_weight must be balanced, none, or NAME=WEIGHT,... with each class once and weights from 1e-06 to 1e+06"
)

WRONG = [
    # names: the nearest is suggested
    (["--batch_siz=3"], "--batch_siz: no such flag; did you mean --batch_size?"),
    (["--batch-size=3"], "--batch-size: no such flag; did you mean --batch_size?"),
    (["--zzz=1"], "--zzz: no such flag; see --help"),
    # types
    (["--batch_size=x"], "--batch_size must be a whole number, got 'x'"),
    (["--batch_size=1.5"], "--batch_size must be a whole number, got '1.5'"),
    (["--batch_size="], "--batch_size must be a whole number, got ''"),
    (["--dropout=half"], "--dropout must be a number, got 'half'"),
    (["--horizontal_flip=maybe"], "--horizontal_flip must be true or false, got 'maybe'"),
    (["--noaugment=3"], "--noaugment takes no value, got '3': write --augment or --noaugment"),
    (["--dropout"], "--dropout must be a number, got no value"),
    (["--jit_compile"], "--jit_compile must be one of auto, true, false, got no value"),
    (["--model_dir"], "--model_dir must be a path, got no value"),
    (["--zoom_range"], "--zoom_range must be a text without spaces, or in quotes, got no value"),
    (["--undefok"], "--undefok must be a list of names, got no value"),
    (["--image_size=224x224"], "--image_size must be a whole number or none, got '224x224'"),
    (["--batch_size=1\n2"], "--batch_size must be a whole number, got '1\\n2'"),
    # what is empty where the shell has no such variable
    (["--image_dir="], "--image_dir must not be empty, got ''"),
    (["--dataset="], "--dataset must not be empty, got ''"),
    (["--model_dir="], "--model_dir must not be empty, got ''"),
    (["--time_budget=soon"], "--time_budget must be a time such as 20m, 1h30m or 90s, got 'soon'"),
    (["--time_budget=5s"], "--time_budget must be at least 60s, got 5s"),
    (["--phase=predict", "--images="], "--images must not be empty, got ''"),
    (["--preset="], "--preset must be one of best, demo, knifey_spoony, notebook, photos, pretrain_vgg_nano, got ''"),
    # bounds
    (["--batch_size=0"], "--batch_size must be from 1 to 65536, got 0"),
    (["--batch_size=" + "9" * 30], "--batch_size must be from 1 to 65536, got 9"),
    (["--steps_per_epoch=10000000000"], "--steps_per_epoch must be from 1 to 1000000000, got 10"),
    (["--dropout=0.96"], "--dropout must be from 0 to 0.95, got 0.96"),
    (["--dropout=nan"], "--dropout must be from 0 to 0.95, got nan"),
    (["--transfer_learning_rate=inf"], "--transfer_learning_rate must be finite, got inf"),
    # choices
    (["--resize=squash"], "--resize must be one of stretch, crop, pad, got 'squash'"),
    (
        ["--phase=train"],
        "--phase must be one of pretrain, transfer, finetune, all, check, estimate, find_learning_rate, evaluate, "
        "predict, export, report, serve, verify, got 'train'",
    ),
    (["--jit_compile=perhaps"], "--jit_compile must be one of auto, true, false, got 'perhaps'"),
    # lists
    (["--zoom_range=wide"], "--zoom_range must be comma-separated numbers, got 'wide'"),
    (["--zoom_range=1.2,0.9"], "--zoom_range must have low <= high, got 1.2,0.9"),
    (["--profile_steps=1,2.5"], "--profile_steps must be comma-separated whole numbers, got '1,2.5'"),
    (["--profile_steps=5"], "--profile_steps must be START,STOP with START < STOP, got 5"),
    (["--unfreeze="], "--unfreeze must be layer-name prefixes or all, got ''"),
    (["--ema_decay=slow"], "--ema_decay must be comma-separated numbers, got 'slow'"),
    (["--ema_decay=0.9,1"], "--ema_decay must be from 0 to 0.99999, got 0.9,1"),
    (["--ema_decay=0.9,0.90"], "--ema_decay must be one number or several that differ, got 0.9,0.9"),
    *(
        ([f"--class_weight={given}"], f"{_CLASS_WEIGHT}, got '{given}'")
        for given in ("balance", "cat=2,dog", "cat=-1", "cat=nan", "cat=1e7", "cat=2,cat=3", "=2", "balanced,cat=2")
    ),
    # JSON
    (["--backbone_args={alpha:1}"], "--backbone_args must be a JSON object, got '{alpha:1}': "),
    (["--backbone_args=[1]"], "--backbone_args must be a JSON object, got [1]"),
    (["--backbone_args=" + "[" * 9_999], "--backbone_args must be a JSON object, got '[["),  # deep
    (["--backbone_args=" + "[" * 10_001], "--backbone_args must be a JSON object of up to 10,000 characters"),
    (['--backbone_args={"alpha": ' + "9" * 5_000 + "}"], '--backbone_args must be a JSON object, got \'{"alpha": 9'),
    (['--backbone_args={"alpha": NaN}'], "--backbone_args must have numbers up to 1000, got alpha: nan"),
    (['--backbone_args={"alpha": 1e300}'], "--backbone_args must have numbers up to 1000, got alpha: 1e+300"),
    # rules between settings
    (
        ["--dataset=a", "--image_dir=b"],
        "--dataset must not be given together with --image_dir, got 'a' and 'b': choose one",
    ),
    (["--phase=pretrain"], "--weights must be none for the phase pretrain"),
    (["--group_pattern=("], "--group_pattern must be a regular expression, got '(': "),
    (["--phase=predict"], "--images must be a folder, a file or a pattern for the phase predict, got none"),
    (["--export_formats=keras,onxx"], "--export_formats must be one of saved_model, keras, litert, "),
    (
        ["--distribution_strategy=two"],
        "--distribution_strategy must be one of auto, one_device, mirrored, multi_worker_mirrored, tpu, got 'two'",
    ),
    # what is no flag
    (["stray"], "'stray' is not a flag; write --name=value"),
    (["a\nb"], "'a\\nb' is not a flag; write --name=value"),
    (["--a\nb"], "'--a\\nb': no such flag; see --help"),
    (["--model_dir=gs://bucket/run"], "--model_dir must be a path on this machine, got gs://bucket/run: copy or mount"),
    # files
    (["--flagfile=nowhere.flags"], "--flagfile must name a text file of flags: No such file"),
    (["--flagfile"], "--flagfile must name a text file of flags: "),
    ([f"--flagfile={sys.executable}"], "--flagfile must name a text file of flags: "),  # not text
    (["--preset=nope"], "--preset must be one of best, demo, knifey_spoony, notebook, photos"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_flag_is_one_line(arguments, message):
    with pytest.raises(FlagError) as caught:
        parsed(*arguments)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def run(*arguments, code=None):
    command = ["-c", code] if code else ["-m", "trainers.main", *arguments]
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [["--batch_siz=3"], ["--seed=-1"], ["--phase=serv"]])
def test_wrong_flag_ends_the_process_with_2_and_one_line(arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(arguments[0].split("=")[0])


@pytest.mark.parametrize(("argument", "status"), [("--batch_siz=3", 2), ("--dropout=2", 2), ("--help", 0)])
def test_an_answer_about_flags_needs_no_tensorflow(argument, status):
    code = f"import sys; from trainers import main; s = main.main(['main', '{argument}'])"
    done = run(code=f"{code}; print(s, [name for name in ('tensorflow', 'keras', 'numpy') if name in sys.modules])")
    assert done.stdout.splitlines()[-1] == f"{status} []"


def as_text(value):
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


FIELDS = {field.name: field for field, _ in settings(TrainConfig())}


def another(field, value):
    """Text for a flag that gives the setting another value than `value`."""
    shaped = {  # tied to other settings; a file; JSON; an address
        "phase": "transfer",
        "preset": "photos",
        "backbone_args": '{"alpha": 0.5}',
        "data_service": "grpc://10.0.0.2:5050",
        "folds": "5",
        "time_budget": "20m",
        "ema_decay": "0.9,0.99",
        "class_weight": "cat=2,dog=0.5",
        "layer_decay": "0.7",
        "receipt": "0123456789abcdef",
        "served_name": "another",
    }
    if field.name in shaped:
        return shaped[field.name]
    if field.metadata["choices"]:
        return next(choice for choice in field.metadata["choices"] if choice != value)
    kind, _ = train.value_type(field.type)
    if kind is tuple:
        return {int: "3,5", float: "0.7,1.3", str: "block1,block9"}[train.item_type(field.type)]
    if kind is str:
        return "something/else"
    step = {bool: None, int: 1, float: 0.01}[kind]
    return str((value or field.metadata["minimum"] or 0) + step) if step else str(not value)


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_has_a_flag_that_sets_it(name):
    old = flat()[name]
    text = another(FIELDS[name], old)
    several = ["--labels_csv=labels.csv", "--task=multi"]
    needed = {"head_solver": ["--feature_views=1"], "soup": ["--folds=2"], "lora_rank": ["--unfreeze=all"]}
    needed |= {"lora_targets": ["--lora_rank=4", "--unfreeze=all"], "channels": ["--image_dir=images"]}
    beside = {**needed, "task": several[:1], "label_separator": several}.get(name, [])
    config, given = parse(["main", f"--{name}={text}", *beside])
    new = as_dict(config)[name]
    assert name in given
    assert len(given) == 1 + len(beside)
    assert new != old
    assert text == (json.dumps(new) if name == "backbone_args" else as_text(new))


@pytest.mark.parametrize("name", ["demo", "photos", "notebook", "knifey_spoony"])
def test_presets_are_there(name):
    assert name in preset_names()


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_parses_and_sets_every_flag_it_holds(name):
    config = parsed(f"--preset={name}")
    assert config.preset == name
    lines = (ROOT / "flags" / "presets" / f"{name}.flags").read_text().splitlines()
    held = {line.removeprefix("--").partition("=")[0] for line in lines if line.startswith("--")}
    assert held <= set(FIELDS)
    assert set(without_effect(config, held)) <= {"augment"}  # a preset holds nothing idle


def test_notebook_preset_is_the_notebook():
    values = flat("--preset=notebook")
    expected = {
        **{"dataset": "knifey_spoony", "backbone": "VGG16", "image_size": 224, "preprocessing": "rescale"},
        **{"batch_size": 20, "steps_per_epoch": 100, "transfer_epochs": 20, "finetune_epochs": 20},
        **{"transfer_learning_rate": 1e-5, "finetune_learning_rate": 1e-7, "unfreeze": ["block4", "block5"]},
        **{"pooling": "flatten", "dense_units": 1024, "dropout": 0.5, "class_weight": "balanced"},
        **{"rotation_range": 180.0, "zoom_range": [0.9, 1.5], "horizontal_flip": True, "vertical_flip": True},
        **{"width_shift_range": 0.1, "height_shift_range": 0.1, "shear_range": 0.1, "fill_mode": "nearest"},
    }
    assert {name: values[name] for name in expected} == expected


def test_demo_is_the_default_without_data_and_photos_with_it():
    assert (parsed().preset, parsed().data.dataset) == ("demo", "cutlery")
    for flag in ("--image_dir=photos", "--dataset=mnist", "--labels_csv=labels.csv"):
        assert parsed(flag).preset == "photos"
    assert parsed("--image_dir=photos", "--preset=demo").preset == "demo"


@pytest.mark.parametrize("phase", ["evaluate", "export", "predict"])
def test_a_trained_model_needs_no_preset(phase):
    config = parsed(f"--phase={phase}", "--images=photos")
    assert (config.preset, config.data.dataset) == (None, None)
    assert parsed(f"--phase={phase}", "--images=photos", "--preset=demo").data.dataset == "cutlery"


def test_command_line_wins_over_the_preset():
    config = parsed("--batch_size=7", "--preset=notebook", "--nohorizontal_flip", "--unfreeze=block5, fc")
    assert (config.training.batch_size, config.augment.horizontal_flip) == (7, False)
    assert config.training.unfreeze == ("block5", "fc")
    assert config.augment.vertical_flip is True  # the rest of the preset stays
    assert parsed("--batch_size=7", "--batch_size=8").training.batch_size == 8


@pytest.mark.parametrize("given", ["dog=0.5,cat=2", "cat=2.0, dog=.5", ("dog=5e-1", "cat=2")])
def test_weights_of_classes_are_recorded_alike_however_they_are_written(given):
    assert as_dict(flags.config(class_weight=given))["class_weight"] == ["cat=2", "dog=0.5"]
    assert as_dict(flags.config(class_weight="cat=2.0"))["class_weight"] == "cat=2"


@pytest.mark.parametrize(
    ("given", "recorded"), [("0.9", 0.9), (0.9, 0.9), ([0.9], 0.9), ("0.9,0.99", [0.9, 0.99]), ("none", None)]
)
def test_one_decay_is_a_number_and_several_are_a_list(given, recorded):
    assert as_dict(flags.config(ema_decay=given))["ema_decay"] == recorded
    decays = {None: (), 0.9: (0.9,)}.get(recorded if not isinstance(recorded, list) else 0, (0.9, 0.99))
    assert flags.config(ema_decay=given).training.ema_decays == decays


@pytest.mark.parametrize("name", ["gradient_clip_norm", "early_stopping_patience"])
def test_none_unsets_an_optional_number_that_the_preset_sets(name):
    assert flat("--preset=photos")[name] is not None
    assert flat("--preset=photos", f"--{name}=none")[name] is None
    assert as_dict(flags.config(preset="photos", **{name: "none"}))[name] is None
    assert parse(["main", f"--{name}=none"])[1] == {name}


def test_none_unsets_an_optional_list_and_no_number_that_is_needed():
    assert parsed("--preset=knifey_spoony", "--brightness_range=none").augment.brightness_range is None
    with pytest.raises(FlagError, match="^--batch_size must be a whole number, got 'none'$"):
        parsed("--batch_size=none")


def test_own_data_replace_the_presets():
    data = parsed("--preset=knifey_spoony", "--image_dir=photos").data
    assert (data.dataset, data.image_dir) == (None, "photos")
    assert data.group_pattern == r"-(\d+)-"
    assert parsed("--preset=notebook", "--dataset=mnist").data.dataset == "mnist"


def test_the_backbone_of_photos_is_left_to_the_program_unless_it_or_its_weights_are_named():
    assert parsed("--image_dir=photos").model.backbone == "auto"
    assert parsed("--image_dir=photos", "--weights=imagenet").model.backbone == "EfficientNetV2B0"
    assert parsed("--image_dir=photos", "--weights=none").model.backbone == "EfficientNetV2B0"
    assert parsed("--image_dir=photos", "--backbone=VGG16").model.backbone == "VGG16"
    assert parsed("--preset=notebook", "--weights=none").model.backbone == "VGG16"


def test_defaults_are_those_of_the_dataclasses():
    given = flat("--preset=photos")
    lines = (ROOT / "flags" / "presets" / "photos.flags").read_text().splitlines()
    held = {line.removeprefix("--").partition("=")[0] for line in lines if line.startswith("--")}
    expected = as_dict(dataclasses.replace(TrainConfig(), preset="photos"))
    untouched = set(FIELDS) - held
    assert {name: given[name] for name in untouched} == {name: expected[name] for name in untouched}


def test_settings_from_python_are_those_of_the_same_flags():
    config = flags.config(
        image_dir="photos", model_dir=Path("runs/mine"), zoom_range=[0.9, 1.1], unfreeze="a,b", seed=None
    )
    assert config == parsed("--image_dir=photos", "--model_dir=runs/mine", "--zoom_range=0.9,1.1", "--unfreeze=a,b")
    assert config.preset == "photos"
    assert flags.config(backbone_args={"alpha": 0.35}) == parsed('--backbone_args={"alpha": 0.35}')


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"imagedir": "photos"}, "imagedir: no such flag; did you mean image_dir?"),
        ({"batch_size": "16"}, "--batch_size must be of type int, got '16'"),
        ({"preset": "photo"}, "--preset must be one of best, demo, "),
    ],
)
def test_a_wrong_setting_from_python_is_one_line(given, message):
    with pytest.raises(FlagError) as caught:
        flags.config(**given)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_flagfile(tmp_path):
    (tmp_path / "inner.flags").write_text("--dropout=0.4\n--batch_size=5\n")
    file = tmp_path / "mine.flags"
    file.write_text(f"# my settings\n--image_dir=photos\n\n--flagfile={tmp_path / 'inner.flags'}\n--horizontal_flip\n")
    config, given = parse(["main", f"--flagfile={file}", "--batch_size=6"])
    assert (config.preset, config.data.image_dir) == ("photos", "photos")
    assert (config.model.dropout, config.training.batch_size) == (0.4, 6)  # the later wins
    assert given == {"image_dir", "dropout", "batch_size", "horizontal_flip"}


def test_wrong_flag_in_a_flagfile_is_one_line(tmp_path):
    file = tmp_path / "mine.flags"
    file.write_text("--batch_siz=5\n")
    with pytest.raises(FlagError, match=r"^--batch_siz: no such flag; did you mean --batch_size\?$"):
        parsed(f"--flagfile={file}")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--cval=3"], {"cval": "--fill_mode is nearest, not constant"}),
        (["--cval=3", "--fill_mode=constant"], {}),
        (["--noaugment", "--cval=3"], {"cval": "augmentation is off (--augment=false)"}),
        (["--noaugment", "--rotation_range=9"], {"rotation_range": "augmentation is off (--augment=false)"}),
        (["--phase=transfer", "--unfreeze=all"], {"unfreeze": "--phase=transfer does not fine-tune"}),
        (["--phase=transfer", "--l2_start=0.1"], {"l2_start": "--phase=transfer does not fine-tune"}),
        (["--interpolate_weights", "--layer_decay=0.8", "--l2_start=0.1"], {}),
        (["--phase=transfer", "--finetune_epochs=3"], {"finetune_epochs": "--phase=transfer does not fine-tune"}),
        (["--unfreeze=all", "--finetune_epochs=3", "--transfer_epochs=3"], {}),
        (["--phase=check", "--unfreeze=all", "--finetune_epochs=3", "--transfer_epochs=3"], {}),
        (["--time_budget=9m"], {}),
        (
            ["--phase=transfer", "--time_budget=9m"],
            {"time_budget": "it is for the phases finetune and all, this is transfer"},
        ),
        (["--pretrain_epochs=3"], {"pretrain_epochs": "--phase=finetune does not pretrain"}),
        (["--manual_dir=d"], {"manual_dir": "cutlery is rendered"}),
        (["--image_dir=i", "--manual_dir=d"], {"manual_dir": "images come from files, not from TFDS"}),
        (["--dataset=knifey_spoony", "--manual_dir=d"], {}),
        (
            ["--dataset=imagenet2012", "--manual_dir=d"],
            {},
        ),  # TFDS reads it for every set that has to be fetched by hand
        (["--image_dir=i", "--data_dir=d"], {}),  # the disk cache may lie there
        (
            ["--image_dir=i", "--data_dir=d", "--cache=none"],
            {"data_dir": "images come from files, not from TFDS, and --cache=none keeps nothing there"},
        ),
        (
            ["--validation_fraction=0", "--group_pattern=x"],
            {"group_pattern": "--validation_fraction=0 holds nothing out"},
        ),
        (["--phase=all", "--unfreeze=all", "--finetune_epochs=3", "--export_formats=keras"], {}),
        (["--export_formats=keras"], {"export_formats": "--phase=finetune does not export"}),
        (
            ["--model=resnet"],
            {"model": "it is for --phase=predict, this is finetune; the network to train is --backbone"},
        ),
        (["--json"], {"json": "it is for --phase=predict, this is finetune"}),
        (
            ["--phase=find_learning_rate", "--finetune_learning_rate=1", "--unfreeze=all", "--batch_size=8"],
            {"finetune_learning_rate": "--phase=find_learning_rate has a learning rate for every step"},
        ),
        (
            ["--phase=verify", "--model_dir=m", "--stretch=all", "--seed=8"],
            {"seed": "--phase=verify takes the run as it is recorded"},
        ),
        (
            ["--phase=report", "--model_dir=m", "--batch_size=8"],
            {"batch_size": "--phase=report takes what the files say"},
        ),
        (["--phase=export", "--model_dir=m", "--export_formats=keras", "--batch_size=8"], {}),
        (["--phase=evaluate", "--on_bad_image=skip", "--max_bad_fraction=0.1"], {}),
        (["--image_dir=d", "--max_bad_fraction=0.1"], {"max_bad_fraction": "--on_bad_image=skip is not given"}),
        (["--phase=evaluate", "--target_precision=0.9"], {}),
        (["--phase=evaluate", "--none_of_these=0.9", "--other_images=i"], {}),
        (["--phase=all", "--none_of_these=0.9"], {}),
        (["--none_of_these=0.9"], {"none_of_these": "it is for --phase=evaluate or all, this is finetune"}),
        (["--phase=predict", "--images=i", "--label_next=5"], {}),
        (["--target_recall=0.9"], {"target_recall": "it is for --phase=evaluate, this is finetune"}),
        (["--phase=predict", "--images=i", "--test_time_augmentation=dihedral"], {}),
        (["--phase=export", "--test_time_augmentation=flip"], {}),
        (["--phase=all", "--test_time_augmentation=flip"], {}),
        (
            ["--test_time_augmentation=flip"],
            {"test_time_augmentation": "it is for --phase=evaluate, predict and export, this is finetune"},
        ),
        (["--phase=evaluate", "--dropout=0.1"], {"dropout": "--phase=evaluate takes the trained model as it is"}),
        (
            ["--phase=predict", "--images=i", "--backbone=VGG16"],
            {"backbone": "--phase=predict takes the trained model as it is"},
        ),
        (["--phase=predict", "--images=i", "--model=imagenet", "--backbone=VGG16", "--weights=w", "--json"], {}),
        ([], {}),  # what a preset sets is not the user's
    ],
)
def test_settings_without_effect_are_told(arguments, expected):
    config, given = parse(["main", *arguments])
    assert without_effect(config, given) == expected
