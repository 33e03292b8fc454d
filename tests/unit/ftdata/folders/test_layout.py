"""Folders as they are found on people's disks and in well-known data sets: each is read rightly or refused in one line.

An entry is (files, what is found, what is said). `dogs*3` stands for dogs/0.jpg to dogs/2.jpg; found are the numbers of
images by split and class, or nothing where the folder is refused.
"""

import importlib.util
import os
import re
import unicodedata

import pytest

from ftdata.errors import UserError
from ftdata.folders import folder

CAFE_NFC, CAFE_NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
CLASSES = ("cat", "dog")


def in_each(*folders, count=2, classes=CLASSES):
    return [f"{name}/{class_name}*{count}" for name in folders for class_name in classes]


def split(train=2, classes=CLASSES, **others):
    return {name: dict.fromkeys(classes, count) for name, count in {"train": train, **others}.items()}


READ = {
    # names of splits
    "train, test": (in_each("train", "test"), split(test=2), ""),
    "Train, Test": (in_each("Train", "Test"), split(test=2), ""),
    "TRAIN, VAL": (in_each("TRAIN", "VAL"), split(validation=2), ""),
    "Training, Testing": (in_each("Training", "Testing"), split(test=2), ""),
    "training_set, test_set": (in_each("training_set", "test_set"), split(test=2), ""),
    "train2017, val2017": (in_each("train2017", "val2017"), split(validation=2), ""),
    "TrainImages, TestImages": (in_each("TrainImages", "TestImages"), split(test=2), ""),
    "Training Data, Validation Data": (in_each("Training Data", "Validation Data"), split(validation=2), ""),
    "train, valid, test": (in_each("train", "valid", "test"), split(validation=2, test=2), ""),
    "train, dev": (in_each("train", "dev"), split(validation=2), ""),
    "flower_train, flower_val": (in_each("flower_train", "flower_val"), split(validation=2), ""),
    "train, val, evaluation": (in_each("train", "val", "evaluation"), split(validation=2, test=2), ""),
    "train, extra": (in_each("train", "extra"), split(), r"folders passed over: extra/ \(4 images\)"),
    "train, test, notes": (
        [*in_each("train", "test"), "misc/odd*3"],
        split(test=2),
        r"passed over: misc/ \(3 images\)",
    ),
    "empty validation": ([*in_each("train"), "val/.keep"], split(), r"no images in 1 folder, val$"),
    # splits inside the classes
    "<class>/test": ([*in_each("."), "cat/test*1", "dog/test*1"], split(test=1), ""),
    "<class>/val": (
        [*in_each("."), "cat/val*1", "dog/val*1"],
        split(validation=1),
        "the validation images are those in val/ of the class folders",
    ),
    "<class>/train, <class>/Test": (
        ["cat/train*2", "dog/train*2", "cat/Test*1", "dog/Test*1"],
        split(test=1),
        "the test images are those in Test/ of",
    ),
    "<class>/images, <class>/masks": (
        ["cat/images*2", "dog/images*2", "cat/masks*2", "dog/masks*2"],
        split(),
        r"passed over: cat/masks/ \(2 images\), dog/masks/",
    ),
    # one level too high, or doubled
    "one level too high": (in_each("flower_photos"), split(), "the classes are those in flower_photos/"),
    "two levels too high": (in_each("a/b/train", "a/b/test"), split(test=2), "the classes are those in a/b/"),
    "data beside notebooks": (
        [*in_each("data/train", "data/test"), "notebooks*3"],
        split(test=2),
        r"passed over: notebooks/ \(3 images\)",
    ),
    "doubled splits": (in_each("seg_train/seg_train", "seg_test/seg_test"), split(test=2), ""),
    "train/images": (in_each("train/images", "test/images"), split(test=2), ""),
    # classes
    "subfolders of a class": (["cat/2024/may*2", "dog*2"], split(), r"1 of the classes hold no .* \(cat/2024/\)"),
    "tiny-imagenet": (["train/cat/images*2", "train/dog/images*2"], split(), "2 of the classes hold no images"),
    "class called train": (
        ["bus*2", "car*2", "train*2"],
        split(classes=("bus", "car", "train")),
        "train/ is taken as a",
    ),
    "classes called pass and test": (
        ["pass*2", "test*2"],
        split(classes=("pass", "test")),
        "test/ is taken as a class",
    ),
    "class called train in splits": (
        in_each("train", "test", classes=("bus", "train")),
        split(test=2, classes=("bus", "train")),
        "",
    ),
    "classes called Valid and Invalid": (
        ["Valid*2", "Invalid*2"],
        split(classes=("Invalid", "Valid")),
        "Valid/ is taken",
    ),
    "mask or none": (["with_mask*2", "without_mask*2"], split(classes=("with_mask", "without_mask")), "^$"),
    "medical tests": (["Test positive*2", "Test negative*2"], split(classes=("Test negative", "Test positive")), "^$"),
    "steam train": (["steam_train*2", "test_bench*2"], split(classes=("steam_train", "test_bench")), "^$"),
    "Cat and cat": (["Cat*2", "cat*2"], split(classes=("Cat", "cat")), "'Cat' and 'cat' are two classes, but differ"),
    "one name spelled NFC and NFD": (
        [f"train/{CAFE_NFD}*2", "train/tea*2", f"test/{CAFE_NFC}*1", "test/tea*1"],
        {"train": {CAFE_NFC: 2, "tea": 2}, "test": {CAFE_NFC: 1, "tea": 1}},
        "",
    ),
    "both spellings side by side": (
        [f"{CAFE_NFD}*2", f"{CAFE_NFC}*1", "tea*2"],
        {"train": {CAFE_NFC: 3, "tea": 2}},
        "two ways that look the same: they are one class",
    ),
    # what systems and programs leave
    "Synology": ([*in_each("train"), "train/@eaDir/cat*1", "train/cat/@eaDir*9"], split(), "@eaDir/ .* 2 times"),
    "macOS": ([*in_each("x"), "__MACOSX/x/cat*2", "x/.DS_Store"], split(), r"__MACOSX/ \(made by a system\)"),
    "Jupyter": ([*in_each("."), ".ipynb_checkpoints/a.jpg"], split(), r".ipynb_checkpoints/ \(hidden\)"),
    "Windows": ([*in_each("."), "cat/Thumbs.db"], split(), "files passed over: 1 system$"),
    "model_dir inside": (
        [*in_each("."), "runs/mine/config.json", "runs/mine/samples.png", "runs/mine/transfer/history.png"],
        split(),
        r"folders passed over: mine/ \(a model_dir\)",
    ),
    "model_dir without a run": (
        [*in_each("."), "runs/mine/find_learning_rate/history.png", "runs/mine/find_learning_rate/metrics.json"],
        split(),
        r"folders passed over: mine/ \(a model_dir\)",
    ),
    "loose images": (
        [*in_each("."), "sample.jpg"],
        split(),
        r"1 image passed over beside the class .* sample.jpg",
    ),
    "loose images beside splits": (
        [*in_each("train"), "a.jpg", "train/b.jpg"],
        split(),
        r"2 images passed over beside the class",
    ),
    # well-known data sets
    "Intel scenes": (
        [*in_each("seg_train/seg_train", "seg_test/seg_test"), "seg_pred/seg_pred*5"],
        split(test=2),
        r"passed over: seg_pred/ \(5 images\)",
    ),
    "chest X-ray": (
        [*in_each(*(f"{where}{name}" for where in ("", "chest_xray/") for name in ("train", "val", "test")))],
        split(validation=2, test=2),
        r"passed over: chest_xray/ \(12 images\)",
    ),
    "Kvasir": (in_each("kvasir-dataset-v2"), split(), "those in kvasir-dataset-v2/"),
    "Caltech 101": (
        [*in_each("101_ObjectCategories", classes=("BACKGROUND_Google", "ant")), "Annotations/ant/1.mat"],
        split(classes=("BACKGROUND_Google", "ant")),
        "files passed over: 1 .mat",
    ),
    "Imagenette": (
        [*in_each("imagenette2/train", "imagenette2/val"), "imagenette2/n.csv"],
        split(validation=2),
        "1 .csv",
    ),
    "Stanford dogs": (
        ["Images/n02-Beagle*2", "Images/n03-Boxer*2", "Annotation/n02-Beagle/n02_1", "Annotation/n03-Boxer/n03_1"],
        split(classes=("n02-Beagle", "n03-Boxer")),
        "files passed over: 2 no extension",
    ),
    "Food-101": ([*in_each("food-101/images"), "food-101/meta/train.txt"], split(), "those in food-101/images/"),
    "EuroSAT": (in_each("EuroSAT/2750"), split(), "those in EuroSAT/2750/"),
    "traffic signs": (
        [*in_each("Train", classes=("0", "1")), "Test*5", "Meta*2", "Train.csv"],
        split(classes=("0", "1")),
        "Test/ holds 5 images and no class folders: not used",
    ),
    "ASL alphabet": (
        [*in_each("asl_train/asl_train", classes=("A", "B")), "asl_test/asl_test*3"],
        split(classes=("A", "B")),
        "asl_test/asl_test/ holds 3 images and no class folders",
    ),
    "Fruits-360": (
        [*in_each("Training", "Test"), "test-multiple_fruits*4", "papers/a.pdf"],
        split(test=2),
        r"passed over: test-multiple_fruits/ \(4 images\)",
    ),
    "tiny-imagenet-200": (
        ["t/train/cat/images*2", "t/train/dog/images*2", "t/val/images*3", "t/val/val_annotations.txt"],
        split(),
        "t/val/images/ holds 3 images and no class folders: not used",
    ),
    "malaria cells": (
        in_each("cell_images", "cell_images/cell_images"),
        split(),
        "cell_images/ holds folders of the same names as those beside it",
    ),
    "skin lesions": (
        ["HAM10000_images_part_1*2", "HAM10000_images_part_2*2"],
        split(classes=("HAM10000_images_part_1", "HAM10000_images_part_2")),
        "differ in a number alone: if they are pieces of one heap",
    ),
    "birds": (
        [*in_each("CUB/images", "CUB/segmentations"), "CUB/classes.txt"],
        split(),
        r"passed over: CUB/segmentations/ \(4 images\)",
    ),
    "odd one out": (
        ["flowers/rose*2", "flowers/daisy*2", "misc*2"],
        {"train": {"flowers": 4, "misc": 2}},
        "warning: 1 of the classes hold no images themselves",
    ),
    "cats and dogs with spoiled file": ([*in_each("PetImages"), "MSR-LA - 3467.docx"], split(), "1 .docx"),
}

REFUSED = {
    "same subfolders": (
        in_each("color", "grayscale", "segmented"),
        r"color, grayscale, segmented hold no .* \(cat, dog\)",
    ),
    "same subfolders in train": (in_each("train/a", "train/b"), "train: the folders a, b hold no images themselves"),
    "two data sets": (in_each("a/train", "a/test", "b/train", "b/test"), "the folders a, b hold no images themselves"),
    "PlantVillage": (in_each("raw/color", "raw/grayscale"), "raw: the folders color, grayscale .* as --image_dir"),
    "two names of one split": (in_each("train", "val", "valid"), "holds both val/ and valid/: keep the one"),
    "train and Train": (in_each("Train", "train"), "holds both Train/ and train/: keep the one that is meant"),
    "train beside classes": (
        ["bus*2", "car*2", "train/steam*2"],
        r"is train/ the training split, or a class beside bus, car",
    ),
    "splits beside classes": (
        [*in_each("."), *in_each("val")],
        "val/ beside class folders: put the class folders into",
    ),
    "no training split": (in_each("val", "test"), "holds test/, val/ and nothing to train on: .* train/"),
    "Kaggle's cats and dogs": (["train*4", "test1*2"], "/train: holds 4 images and no class folders: .*--labels_csv"),
    "Oxford pets": (["images*4", "annotations/trimaps*4"], "/images: holds 4 images and no class folders"),
    "VOC": (["Annotations/1.xml", "JPEGImages*3", "SegmentationClass*2"], "/JPEGImages: holds 3 images and no class"),
    "YOLO": (
        ["train/images*2", "train/labels/1.txt", "valid/images*2"],
        "train/images: holds 2 images and no class folders",
    ),
    "flat": (["1.jpg", "2.jpg"], "holds 2 images and no class folders: put the images of each class into a folder"),
    "another spelling in test": (
        ["train/Cat*2", "train/dog*2", "test/cat*1"],
        "'cat' and 'Cat' differ only in capitals",
    ),
    "TIFF only": (["Images/a/1.tif", "Images/b/2.tif"], r"found none.*2 images passed over.* 2 TIFF \(such as"),
}


def build(root, files):
    for name in files:
        stem, _, count = name.partition("*")
        for path in [f"{stem}/{k}.jpg" for k in range(int(count))] if count else [stem]:
            os.makedirs(os.path.dirname(f"{root}/{path}"), exist_ok=True)
            open(f"{root}/{path}", "w", encoding="utf-8").close()
    return str(root)


def counts(listing):
    return {
        name: {listing.class_names[k]: files.labels.tolist().count(k) for k in sorted(set(files.labels.tolist()))}
        for name, files in listing.splits.items()
    }


@pytest.mark.parametrize("layout", READ)
def test_layout_is_read_and_what_was_decided_is_said(tmp_path, layout):
    files, found, said = READ[layout]
    listing = folder.scan(build(tmp_path, files))
    assert counts(listing) == found
    assert re.search(said, "\n".join(listing.notes), re.MULTILINE)
    assert all("\n" not in note for note in listing.notes)
    images = sum(map(len, (files.paths for files in listing.splits.values())))
    everything = {f"{where}/{name}" for where, _, names in os.walk(tmp_path) for name in names if name.endswith(".jpg")}
    assert images == len(everything) or "passed over" in "".join(listing.notes) or "not used" in "".join(listing.notes)


@pytest.mark.parametrize("layout", REFUSED)
def test_layout_that_cannot_be_read_is_refused_in_one_line(tmp_path, layout):
    if layout == "TIFF only" and importlib.util.find_spec("tifffile"):
        pytest.skip("TIFF is read where the extra is installed")
    files, message = REFUSED[layout]
    with pytest.raises(UserError, match=f"^{re.escape(str(tmp_path))}[^\n]*{message}[^\n]*$"):
        folder.scan(build(tmp_path, files))


def test_linked_subfolders_are_followed_and_loops_are_said(tmp_path):
    build(tmp_path, ["data/cat*2", "data/dog*1", "elsewhere/more*3"])
    (tmp_path / "data/dog/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data/cat/back").symlink_to("..")
    (tmp_path / "data/cat/gone").symlink_to("nowhere")
    listing = folder.scan(str(tmp_path / "data"))
    assert counts(listing) == {"train": {"cat": 2, "dog": 4}}
    assert listing.splits["train"].names[-1] == "dog/linked/more/2.jpg"
    assert "links passed over, as they lead back to a folder they lie in: cat/back" in listing.notes
    assert "files passed over: 1 broken link" in listing.notes


def test_a_folder_that_is_two_classes_by_a_link_is_refused(tmp_path):
    build(tmp_path, ["cat*2", "dog*1"])
    (tmp_path / "kitten").symlink_to("cat")
    with pytest.raises(UserError, match=r"kitten/ and cat/ are one folder, by a link: its images would count for two"):
        folder.scan(str(tmp_path))


def test_folders_that_link_to_each_other_end(tmp_path):
    names = [f"c{k}" for k in range(12)]
    build(tmp_path, [f"{name}*1" for name in names])
    for name in names:
        for other in names:
            if name != other:
                (tmp_path / name / f"to_{other}").symlink_to(tmp_path / other)
    with pytest.raises(UserError, match="are one folder, by a link"):
        folder.scan(str(tmp_path))


def test_folders_that_lead_into_each_other_by_links_end(tmp_path):
    build(tmp_path, ["data/a/masks*1", "b/masks*1"])
    (tmp_path / "data/a/images").symlink_to(tmp_path / "b")
    (tmp_path / "b/images").symlink_to(tmp_path / "data/a")
    with pytest.raises(UserError, match=r"/data/a/images: images/ leads back to a folder it lies in"):
        folder.scan(str(tmp_path / "data"))


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["cat*2"], {"cat": 2}),  # one class
        (["cat*2", "dog/.keep", "other/.keep"], {"cat": 2}),  # empty class folders
        (["test/cat*2"], {"cat": 2}),  # no training split
        (["train/cat*3", "train/dog*1", "test/cat*2"], {"cat": 2}),  # the test set alone
        (["train/cat*3", "val/cat*2", "val/dog*1"], {"cat": 5, "dog": 1}),  # no test set: everything
        (["mine/cat*2", "mine/dog*1"], {"cat": 2, "dog": 1}),  # a level too high
        (["cat/monday*2", "cat/tuesday*1"], {"cat": 3}),  # a class and not such a level
        (["train*2", "dog*1"], {"train": 2, "dog": 1}),  # a class of that name
        (["Testing/cat*1"], {"cat": 1}),
        (["1.jpg", "more/2.jpg"], {"photos": 2}),  # the folder of a class itself
    ],
)
def test_a_folder_to_measure_a_model_on_needs_neither_two_classes_nor_a_training_split(tmp_path, files, found):
    known = ("cat", "dog", "train", "photos")
    listing = folder.scan(build(tmp_path / "photos", files), known=known)
    assert counts(listing) == {"test": found}


def test_images_without_class_folders_cannot_be_measured(tmp_path):
    with pytest.raises(UserError, match="holds 1 image and no class folders: .*--phase=predict$"):
        folder.scan(build(tmp_path, ["1.jpg"]), known=("cat", "dog"))
