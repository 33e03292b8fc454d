"""What is said to a flag of another program, a flag spelt wrong, and a word that is no flag."""

import pytest

from flags import suggestions
from flags.train import FlagError, parse
from trainers.config import TrainConfig, settings

NAMES = {field.name for field, _ in settings(TrainConfig())}


def said(*arguments):
    with pytest.raises(FlagError) as caught:
        parse(["main", *arguments])
    return str(caught.value)


@pytest.mark.parametrize(
    ("flag", "hint"),
    [
        # spelt wrong
        ("--batch_siz=3", "did you mean --batch_size?"),
        ("--batch-size=3", "did you mean --batch_size?"),
        ("--batchsize=3", "did you mean --batch_size?"),
        ("--BatchSize=3", "did you mean --batch_size?"),
        # of other programs
        ("--epochs=3", "did you mean --transfer_epochs or --finetune_epochs?"),
        ("--lr=1", "did you mean --transfer_learning_rate or --finetune_learning_rate?"),
        ("--learning-rate=1", "did you mean --transfer_learning_rate or --finetune_learning_rate?"),
        ("--data=photos", "did you mean --image_dir or --dataset?"),
        ("--output=runs", "did you mean --model_dir?"),
        ("--imgsz=640", "did you mean --image_size?"),
        ("--arch=resnet50", "did you mean --backbone?"),
        ("--fp16", "did you mean --mixed_precision?"),
        ("--eval", "did you mean --phase=evaluate?"),
        ("--no-augment", "did you mean --augment=false?"),
        ("--config=a.yaml", "did you mean --flagfile or --preset?"),
        ("--gpu=0", "a GPU is used where there is one; CUDA_VISIBLE_DEVICES "),
        ("--resume", "the same command with the same --model_dir resumes"),
        ("--version", "`pip show fast-fine-tuning` says the version"),
        # of none
        ("--zzz", "see --help"),
        ("-b", "see --help"),
    ],
)
def test_an_unknown_flag_is_told_the_nearest(flag, hint):
    name = "--" + flag.lstrip("-").partition("=")[0]
    assert said(flag).startswith(f"{name}: no such flag; {hint}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["transfer"], "'transfer' is not a flag; did you mean --phase=transfer?"),
        (["train"], "'train' is not a flag; did you mean --phase=finetune?"),
        (["notebook"], "'notebook' is not a flag; did you mean --preset=notebook?"),
        (["help"], "'help' is not a flag; did you mean --help?"),
        (["batch_size=3"], "'batch_size=3' is not a flag; did you mean --batch_size=3?"),
        (["–batch_size=3"], "'–batch_size=3' is not a flag; did you mean --batch_size=3, with two hyphens?"),  # noqa: RUF001
        (["--horizontal_flip", "false"], "'false' is not a flag; did you mean --horizontal_flip=false?"),
        (["--zoom_range", "0.8", "1.2"], "'1.2' is not a flag; a list has commas and no spaces: --zoom_range=0.8,1.2"),
        (["--zoom_range=0.8,", "1.2"], "'1.2' is not a flag; a list has commas and no spaces: --zoom_range=0.8,1.2"),
        (
            ["--image_dir=my", "images"],
            "'images' is not a flag; a value with spaces needs quotes: --image_dir='my images'",
        ),
        (["--images", "a.jpg", "b.jpg"], "'b.jpg' is not a flag; a pattern needs quotes: --images='*.jpg'"),
        (["--batch_size=3", "stray"], "'stray' is not a flag; write --name=value"),
    ],
)
def test_a_word_that_is_no_flag_is_told_the_flag_it_may_mean(arguments, message):
    assert said(*arguments) == message


def test_a_folder_may_be_meant_as_the_images(tmp_path):
    assert said(str(tmp_path)).endswith(f"is not a flag; did you mean --image_dir={tmp_path}?")


def test_a_name_that_the_program_does_not_know_is_not_suggested():
    assert suggestions.hint("model", ["backbone"]) == "did you mean backbone?"
    assert suggestions.hint("lr", ["backbone"]) == suggestions.NO_HINT
    assert suggestions.hint("resume", ["backbone"]) == suggestions.NO_HINT  # its advice names --model_dir


def test_every_suggestion_is_a_flag():
    of_benchmarks = {"epochs", "precision", "output"}
    ours = {name.partition("=")[0] for names in suggestions._OURS.values() for name in names}
    assert ours - of_benchmarks - {"flagfile"} <= NAMES
    assert not NAMES & set(suggestions._OURS) - {"model"}
