"""What most files cannot be used for is one line; what a few cannot is a line for each."""

import pytest

from ftdata.decoding.foreign_header import wrong_channels
from ftdata.inspection import common_reason
from ftdata.inspection.common_reason import CommonReason

RGB = f"{wrong_channels(3, 5)} (JPEG is read as RGB)"


def _files(count, reason):
    return {f"{number}.jpg": reason for number in range(count)}


def test_one_reason_of_all_files_is_one_line_with_the_way_out():
    common = CommonReason.of(_files(60, RGB), total=60)
    assert common.in_words == "has 3 channels, --channels=5 expected, such as 0.jpg (JPEG is read as RGB)"
    assert common.way_out(to_skip="--on_bad_image=skip") == (
        "Use --channels=3 (the default), or name images of 5 channels, TIFF or .npy files"
    )
    assert common.way_out(of_model=True) == "The model was trained on images of 5 channels: name such ones"


def test_the_others_are_counted_by_kind():
    reasons = {**_files(8, "empty file"), "x.jpg": "truncated JPEG", "y.png": "damaged PNG (no data)"}
    common = CommonReason.of(reasons, total=12)
    assert common.in_words == "8 empty file, such as 0.jpg; 1 truncated JPEG, 1 damaged PNG"
    assert common.way_out(to_skip="--on_bad_image=skip --max_bad_fraction=0.84") == (
        "Remove or replace them, or train without them: --on_bad_image=skip --max_bad_fraction=0.84"
    )


def test_where_no_file_can_be_used_it_is_not_advised_to_skip_them():
    common = CommonReason.of(_files(9, "empty file"), total=9)
    assert common.way_out(to_skip="--on_bad_image=skip --max_bad_fraction=1") == (
        "Are these the images that were meant? Replace them, or name others"
    )


@pytest.mark.parametrize(("bad", "total"), [(3, 3), (10, 21), (0, 5)])
def test_few_files_or_the_smaller_part_have_no_common_reason(bad, total):
    assert CommonReason.of(_files(bad, "empty file"), total=total) is None


def test_files_that_are_skipped_are_one_line_and_the_exceptions_one_each():
    reasons = {**_files(30, RGB), "cut.tif": "truncated TIFF"}
    assert common_reason.skipped(reasons, total=40) == [
        "skipped: 30 of 40 files: has 3 channels, --channels=5 expected, such as 0.jpg (JPEG is read as RGB)",
        "skipped: cut.tif: truncated TIFF",
    ]
    assert common_reason.skipped(_files(2, "empty file"), total=2) == [
        "skipped: 0.jpg: empty file",
        "skipped: 1.jpg: empty file",
    ]


def test_files_of_which_none_is_answered_are_said_in_one_line():
    assert common_reason.of_answered(_files(40, RGB), total=40, names="images=photos") == (
        "images=photos names 40 files, of which none can be read as an image: has 3 channels, --channels=5 expected, "
        "such as 0.jpg (JPEG is read as RGB). The model was trained on images of 5 channels: name such ones"
    )
    assert common_reason.of_answered({"a.jpg": "empty file"}, total=1, names="images=a.jpg") == (
        "images=a.jpg names 1 file, of which none can be read as an image: a.jpg: empty file"
    )
