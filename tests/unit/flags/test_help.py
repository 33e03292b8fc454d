"""`--help`: every line stands by itself, and its default is the one in force."""

import re
import subprocess
import sys
import time

import pytest

import flags
from flags.train import FlagError, HelpRequested, parse, preset_names
from ftdata.settings import as_text
from tests import ROOT
from trainers.config import TrainConfig, settings

FIELDS = {field.name: field for field, _ in settings(TrainConfig())}
_UNIT = re.compile(
    r"\b(?:pixels|degrees|fraction|factor|probability|epochs|steps|seconds|GiB|MiB|images|parts|units|seed|strength|grey"
    r"|number|rate|decay|norm|views)\b"
)


def page(*arguments):
    with pytest.raises(HelpRequested) as caught:
        parse(["main", "--help", *arguments])
    return str(caught.value)


def entries(text):
    """Flag -> all that is said of it, on one line."""
    found = re.findall(r"^  --(\w+) +(.*(?:\n {10,}\S.*)*)", text, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", said) for name, said in found}


def shown_default(said):
    return re.search(r"\((?:default|default with \w+|in force): (.*?)(?:; otherwise .*)?\)$", said)[1]


def test_every_setting_is_there_once_under_a_heading_within_the_width():
    text = page()
    names = re.findall(r"^  --(\w+)", text, re.MULTILINE)
    assert sorted(names) == sorted(FIELDS)
    assert max(map(len, text.splitlines())) <= 110
    titles = re.findall(r"^(\w+): ", text, re.MULTILINE)
    using = ["Search", "Machine", "Watching", "Using", "Serving"]
    assert titles == ["Run", "Data", "Augmentation", "Model", "Training", *using]
    for name in preset_names():
        assert re.search(rf"^  {name} +[A-Z]", text, re.MULTILINE)


@pytest.mark.parametrize("name", FIELDS)
def test_a_line_stands_by_itself(name):
    said = entries(page())[name]
    description = FIELDS[name].metadata["description"]
    assert said.startswith(description)
    assert len(description.split()) >= 3
    assert description.split()[0].lower() not in ("its", "it", "their", "of", "this", "that", "these", "the", "same")
    assert shown_default(said)


@pytest.mark.parametrize("name", FIELDS)
def test_a_number_has_a_unit(name):
    field = FIELDS[name]
    if field.metadata["minimum"] is not None:
        assert _UNIT.search(field.metadata["description"])


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.metadata["choices"]])
def test_the_choices_are_shown_and_no_list_of_them_twice(name):
    said, choices = entries(page())[name], FIELDS[name].metadata["choices"]
    listed = f"[{'|'.join(choices)}]"
    explained = all(re.search(rf"\b{choice}\b", FIELDS[name].metadata["description"]) for choice in choices)
    assert said.count(listed) == (0 if explained else 1)


GIVEN = [
    {},
    {"image_dir": "X"},
    {"dataset": "mnist"},
    {"preset": "notebook", "image_dir": "X"},
    {"phase": "evaluate"},
    *({"preset": name} for name in preset_names()),
]


@pytest.mark.parametrize("given", GIVEN, ids=str)
def test_the_default_shown_is_what_a_run_with_these_flags_has(given):
    """`image_dir` and the like are left out, as what is given is no default."""
    said = entries(page(*(f"--{name}={value}" for name, value in given.items())))
    in_force = {field.name: value for field, value in settings(flags.config(**given))}
    for name, field in FIELDS.items():
        if name == "preset" or name not in given:
            value = in_force[name]
            unset = "none" if name == "preset" else field.metadata["unset"]
            assert shown_default(said[name]) == (unset if value is None else as_text(value)), name


def test_what_the_preset_changes_is_told_with_what_holds_without_it():
    said = entries(page("--image_dir=X"))
    assert said["jpeg_decode"].endswith("(default with photos: scaled; otherwise full)")
    assert said["warmup_steps"].endswith("(default with photos: 50; otherwise 0)")
    assert said["early_stopping_patience"].endswith("(default with photos: 5; otherwise off)")
    assert said["batch_size"].endswith("(default: 32)")  # the preset says the same
    assert entries(page())["jpeg_decode"].endswith("(default: full)")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "Preset in force: demo (none of --dataset, --image_dir, --labels_csv, --records is given)."),
        (["--image_dir=X"], "Preset in force: photos (--image_dir is given)."),
        (["--preset", "notebook"], "Preset in force: notebook (--preset is given)."),
        (["--phase=predict"], "Preset in force: none (--phase=predict: a trained model brings its own settings)."),
        (["--batch_siz=3", "--image_dir=X"], "Preset in force: photos (--image_dir is given)."),  # help comes first
    ],
)
def test_the_preset_in_force_is_named_with_the_reason(arguments, line):
    assert line in page(*arguments).splitlines()


@pytest.mark.parametrize("argument", ["-h", "-help", "--helpfull", "--help=batch_size"])
def test_help_is_found_anywhere(argument):
    with pytest.raises(HelpRequested, match="--image_dir"):
        parse(["main", "--batch_siz=3", argument])


def test_help_under_a_preset_that_is_none_names_those_there_are():
    with pytest.raises(FlagError, match="^--preset must be one of best, demo, "):
        parse(["main", "--help", "--preset=nope"])


def test_help_of_the_program_is_the_page_and_quick():
    began = time.monotonic()
    command = [sys.executable, "-m", "trainers.main", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (page() + "\n", "")
    assert time.monotonic() - began < 5  # seconds; TensorFlow alone takes more


def test_words_are_the_standard_ones():
    text = " ".join([page(), *(field.metadata["unset"] for field in FIELDS.values())]).lower()
    assert not re.findall(r"\b(?:pictures?|anew|go(?:es)? on|left out|mend\w*|chief)\b", text)
