"""Shards are the folder that they were packed from: the same images, splits, order and batches."""

import io
import json
import os
import shutil
import tarfile

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import tensorflow as tf

from ftdata import cache, pipeline
from ftdata.config import DataConfig, PackConfig
from ftdata.errors import UserError
from ftdata.records import packing, shards
from ftdata.records.listed_records import open_records
from ftdata.records.writing import Item, write_parquet, write_tfrecord
from ftdata.sources.source import open_source
from tests.tools.tfds_files import write_tfds

FORMATS = shards.FORMATS
_DATA = {"image_size": 16, "validation_fraction": 0.3}


@pytest.fixture(scope="module")
def folder(photo_folder, tmp_path_factory):
    """The photos, and files whose names and bytes are hard to keep: dots, one stem twice, blanks, NULs at the end."""
    from PIL import Image

    root = tmp_path_factory.mktemp("folder") / "photos.of colours"
    shutil.copytree(photo_folder, root)
    image, blue = Image.new("RGB", (20, 30), (9, 8, 200)), root / "train/blue"
    image.save(blue / "a.b.jpg")
    image.save(blue / "blue-00-0000.png")
    (blue / "ö %2E 1.2.jpeg").write_bytes((blue / "a.b.jpg").read_bytes() + bytes(5))
    (blue / "deeper.v2").mkdir()
    image.save(blue / "deeper.v2/x.bmp")
    return root


@pytest.fixture(scope="module")
def packed(folder, tmp_path_factory):
    """Folders of shards of each format, by format."""
    root = tmp_path_factory.mktemp("packed")
    for kind in FORMATS:
        packing.pack(PackConfig(image_dir=str(folder), output=str(root / kind), format=kind, shards=3))
    return {kind: root / kind for kind in FORMATS}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return str(tmp_path_factory.mktemp("data_dir"))


def batches(config, tier, *, all_kinds=True):
    source = open_source(config)
    split = source.train if all_kinds else source.train.subset(source.train.plain)
    images = cache.open_split(split, config, tier=tier)
    weights = np.ones(len(source.class_names), np.float32)
    read = pipeline.for_training(images, split.labels, class_weights=weights, global_batch=10, seed=3, steps=(2, 16))
    return [{name: value.numpy() for name, value in batch.items()} for batch in read]


@pytest.mark.parametrize("kind", FORMATS)
def test_shards_are_the_folder(folder, packed, data_dir, kind):
    files = open_source(DataConfig(image_dir=str(folder), data_dir=data_dir, **_DATA))
    config = DataConfig(records=str(packed[kind]), data_dir=data_dir, **_DATA)
    for _ in ("made", "kept"):
        records = open_source(config)
        assert records.class_names == files.class_names
        for name, split in files.splits.items():
            other = records.splits[name]
            assert other.names == split.names
            for column in ("labels", "digests", "plain"):
                np.testing.assert_array_equal(getattr(other, column), getattr(split, column))
            assert list(other.encoded().as_numpy_iterator()) == list(split.encoded().as_numpy_iterator())
    assert len(list((config.folder / "records").glob("*/index.npz"))) >= 1


def assert_same(found, expected):
    assert len(found) == len(expected) == 14
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_batches_are_those_of_the_files(folder, packed, data_dir):
    files = DataConfig(image_dir=str(folder), data_dir=data_dir, **_DATA)
    records = DataConfig(records=str(packed["webdataset"]), data_dir=data_dir, **_DATA)
    assert_same(batches(records, "none", all_kinds=False), batches(files, "memory", all_kinds=False))


@pytest.mark.slow  # one format, plain JPEGs: the test above
def test_batches_of_each_format_and_tier_are_those_of_the_files(folder, packed, data_dir):
    expected = batches(DataConfig(image_dir=str(folder), data_dir=data_dir, **_DATA), "memory")
    for kind in FORMATS:
        for tier in ("memory", "none"):
            assert_same(batches(DataConfig(records=str(packed[kind]), data_dir=data_dir, **_DATA), tier), expected)


def _of_folder(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_other_readers_find_what_was_packed(folder, packed):
    expected, names = _of_folder(folder), ["blue", "green", "red"]

    found = {}
    paths = sorted(map(str, packed["tfrecord"].glob("*.tfrecord-*")))
    spec = {
        "image/encoded": tf.io.FixedLenFeature((), tf.string),
        "image/filename": tf.io.FixedLenFeature((), tf.string),
        "image/class/label": tf.io.FixedLenFeature((), tf.int64),
    }
    for record in tf.data.TFRecordDataset(paths).map(lambda data: tf.io.parse_single_example(data, spec)):
        name = record["image/filename"].numpy().decode()
        found[name] = record["image/encoded"].numpy()
        assert name.split("/")[1] == names[int(record["image/class/label"])]
    assert found == expected

    keys = {}
    for path in packed["webdataset"].glob("*.tar"):
        with tarfile.open(path) as archive:
            for member in archive:
                head, _, tail = member.name.rpartition("/")
                stem, _, ending = tail.partition(".")  # as WebDataset cuts it
                content = archive.extractfile(member).read()
                assert keys.setdefault(f"{head}/{stem}", {}).setdefault(ending, content) is content
    assert len(keys) == len(expected)
    for key, sample in keys.items():
        (ending,) = sample.keys() - {"cls", "json"}
        said = json.loads(sample["json"])
        assert sample[ending] == expected[said["filename"]]
        assert names[int(sample["cls"])] == said["class_name"] == key.split("/")[1]

    table = pyarrow.concat_tables(map(pyarrow.parquet.read_table, sorted(packed["parquet"].glob("*.parquet"))))
    rows = table.to_pylist()
    assert {row["image"]["path"]: row["image"]["bytes"] for row in rows} == expected
    assert all(names[row["label"]] == row["image"]["path"].split("/")[1] for row in rows)
    assert json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]["label"]["names"] == names


@pytest.mark.parametrize("options", [{"compression": "snappy"}, {"compression": "none", "use_dictionary": True}])
def test_parquet_as_others_write_it(folder, tmp_path, options):
    expected = [(name, content) for name, content in sorted(_of_folder(folder).items()) if name.startswith("train")]
    image = [{"bytes": content, "path": None} for _, content in expected]
    table = pyarrow.table({"label": [name.split("/")[1] for name, _ in expected], "image": image})
    pyarrow.parquet.write_table(table, tmp_path / "train-00000-of-00001.parquet", row_group_size=25, **options)
    listing, reader = open_records(str(tmp_path / "*.parquet"), keep_in=tmp_path / "kept")
    files = listing.splits["train"]
    found = {name: reader.read(path) for path, name in zip(files.paths, files.names, strict=True)}
    wanted = {f"train-00000-of-00001.parquet/{row:07d}": content for row, (_, content) in enumerate(expected)}
    assert found == wanted
    copies = list((tmp_path / "kept").glob("*/unpacked-*.bin"))
    assert len(copies) == (options["compression"] == "snappy")
    if copies:  # gone: made again
        assert any("are compressed" in note for note in listing.notes)
        copies[0].unlink()
        open_records(str(tmp_path / "*.parquet"), keep_in=tmp_path / "kept")
        assert copies[0].exists()


def test_what_tfds_writes_is_read(photo_folder, tmp_path):
    write_tfds(photo_folder, tmp_path, name="shades")
    pattern = str(tmp_path / "shades/1.0.0/*tfrecord*")
    records = open_source(DataConfig(records=pattern, data_dir=str(tmp_path), **_DATA))
    named = open_source(DataConfig(dataset="shades", data_dir=str(tmp_path), **_DATA))
    assert records.class_names == named.class_names == ("blue", "green", "red")
    assert [len(split) for split in records.splits.values()] == [len(records.train), 60 - len(records.train), 15]
    pairs = sorted(zip(records.test.labels.tolist(), records.test.encoded().as_numpy_iterator(), strict=True))
    assert pairs == sorted(zip(named.test.labels.tolist(), named.test.encoded().as_numpy_iterator(), strict=True))


def test_webdataset_as_others_write_it(photo_folder, tmp_path):
    with tarfile.open(tmp_path / "part-000.tar", "w") as archive:
        for number, path in enumerate(sorted((photo_folder / "train").rglob("*.jpg"))):
            for ending, content in (("txt", f"{path.parent.name}\n".encode()), ("jpg", path.read_bytes())):
                member = tarfile.TarInfo(f"./{number:04d}.{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    listing, reader = open_records(str(tmp_path / "part-{000,}.tar".replace("{000,}", "*")), keep_in=tmp_path)
    assert listing.class_names == ("blue", "green", "red")
    files = listing.splits["train"]
    assert files.names[:2] == ("0000.jpg", "0001.jpg")
    assert reader.read(files.paths[0]) == sorted((photo_folder / "train/blue").iterdir())[0].read_bytes()


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("flowers-train.tfrecord-00000-of-00004", "train"),
        ("validation-00000-of-00128", "validation"),
        ("test_tubes-train-00003.tar", "train"),
        ("test/shard-0.tar", "test"),
        ("data/test-00000-of-00002-abc.parquet", "test"),
        ("part-000.tar", "train"),
    ],
)
def test_the_name_of_a_shard_says_its_split(path, split):
    assert shards.split_of(path) == split


def test_shards_that_the_names_of_the_others_count_are_missed(packed, tmp_path):
    copy = shutil.copytree(packed["tfrecord"], tmp_path / "copy")
    assert not [note for note in shards.find(str(copy))[2] if "not among" in note]
    gone = sorted(copy.glob("*-train.*"))[1]
    gone.unlink()
    (note,) = [note for note in shards.find(str(copy))[2] if "not among" in note]
    assert note == f"warning: not among the shards, though their names count them: {gone.name}"


def write_examples(path, *features):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for one in features:
            values = {
                name: tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
                if isinstance(value, int)
                else tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                for name, value in one.items()
            }
            example = tf.train.Example(features=tf.train.Features(feature=values))
            writer.write(example.SerializeToString())


JPEG = b"\xff\xd8\xff..."


def _refusal(tmp_path, pattern="*"):
    with pytest.raises(UserError) as error:
        open_records(str(tmp_path / pattern), keep_in=tmp_path / ".kept")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_bad_tfrecords_are_named(tmp_path):
    path = tmp_path / "a-train.tfrecord-00000-of-00001"
    write_examples(path, {"image": JPEG, "label": 0}, {"name": b"x", "label": 1})
    assert f"record 1 of {path} (at byte" in (said := _refusal(tmp_path))
    assert "holds no image: its features" in said
    write_examples(path, {"image": JPEG, "label": 0}, {"image": JPEG})
    assert "record 1 of" in (said := _refusal(tmp_path))
    assert "has no label" in said
    (tmp_path / "label.labels.txt").write_text("a\nb\n")
    write_examples(path, {"image": JPEG, "label": 0}, {"image": JPEG, "label": 2})
    assert "record 1 of" in (said := _refusal(tmp_path))
    assert "has the label 2, which must be 0 to 1" in said
    write_examples(path, {"image": JPEG, "label": -1})
    assert "leave their shards out" in _refusal(tmp_path)
    write_examples(path, {"image": JPEG * 9, "label": 0}, {"image": JPEG * 9, "label": 1})
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert f"record 1 of {path} (at byte {len(whole) // 2}) is cut off" in _refusal(tmp_path)
    path.write_bytes(whole[:40] + b"?" + whole[41:])
    assert f"record 0 of {path} (at byte 0) is damaged: its checksum" in _refusal(tmp_path)


def test_bad_tars_are_named(packed, tmp_path):
    path = tmp_path / "x-train-00000.tar"
    whole = next(packed["webdataset"].glob("*train-00000.tar")).read_bytes()
    path.write_bytes(whole[:10_000])
    assert f"{path} is damaged or cut off (" in _refusal(tmp_path)
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        last = archive.getmembers()[-1]
    path.write_bytes(whole[: last.offset])
    assert "no end of the archive" in _refusal(tmp_path)
    damaged = bytearray(whole)
    damaged[last.offset : last.offset + 8] = b"?" * 8
    path.write_bytes(damaged)
    assert "a damaged header" in _refusal(tmp_path)
    for members, said in (({"a.cls": b"1"}, "(a) holds no image: its files end in cls"), ({"a.jpg": JPEG}, "no label")):
        with tarfile.open(path, "w") as archive:
            for name, content in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        assert said in _refusal(tmp_path)


def test_bad_parquets_are_named(tmp_path, monkeypatch):
    path = tmp_path / "train-00000-of-00001.parquet"
    write_parquet(path, [Item("a.jpg", 0, "a", lambda: JPEG), Item("b.jpg", 1, "b", lambda: b"")], ["a", "b"])
    assert f"record 1 of {path} holds no image, only the path b.jpg" in _refusal(tmp_path)
    write_parquet(path, [Item("a.jpg", 7, "a", lambda: JPEG)], ["a", "b"])
    assert "record 0 of" in (said := _refusal(tmp_path))
    assert "has the label 7, which must be 0 to 1" in said
    path.write_bytes(path.read_bytes()[:-9])
    assert f"{path} is damaged or cut off (" in _refusal(tmp_path)
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a"]}), path)
    assert "needs a column image of structs of bytes and path, it has text" in _refusal(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)  # as where it is not installed
    assert "needs the package pyarrow" in _refusal(tmp_path)


def test_patterns_that_cannot_be_used(packed, tmp_path):
    assert "no file matches it" in _refusal(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    assert "1 file of other kinds" in _refusal(tmp_path)
    write_tfrecord(tmp_path / "a-test.tfrecord", [Item("a.jpg", 0, "a", lambda: JPEG)], ["a"])
    assert "all are of the test split by their names" in _refusal(tmp_path)
    shutil.copy(next(packed["parquet"].glob("*")), tmp_path)
    (tmp_path / "b.tar").write_bytes(next(packed["webdataset"].glob("*test*.tar")).read_bytes())
    assert "must be of one format, got" in _refusal(tmp_path)
    (tmp_path / "c.tar.gz").write_bytes(b"\x1f\x8b....")
    assert "unpack it with gunzip" in _refusal(tmp_path)
    with pytest.raises(UserError, match="records must not be given together with image_dir"):
        DataConfig(records="a", image_dir="b")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.tfrecord", b"file,label\na.jpg,cat\n" * 9, "its name is that of a TFRecord, and it holds text"),
        ("a-00000-of-00001", b"%PDF-1.7 and more", "a TFRecord, and it holds a PDF file"),
        ("a.tfrecord", JPEG, "a TFRecord, and it holds an image"),
        ("a.tar", b"notes\n" * 200, "a tar, and it holds text"),
        ("a.parquet", b"PK\3\4 zipped", "a Parquet file, and it holds a ZIP archive"),
    ],
)
def test_what_is_no_shard_is_not_called_damaged(name, content, said, tmp_path):
    (tmp_path / name).write_bytes(content)
    found = _refusal(tmp_path, name)
    assert said in found
    assert "damaged" not in found
    assert str(tmp_path / name) in found


def test_tars_of_before_ustar_and_empty_ones_are_tars(tmp_path):
    member = tarfile.TarInfo("a.jpg")
    old = bytearray(member.tobuf(tarfile.USTAR_FORMAT))
    old[257:265] = bytes(8)  # no mark
    old[148:156] = b"%06o\0 " % (sum(old[:148]) + 8 * 32 + sum(old[156:]))
    for content in (bytes(old) + bytes(1024), bytes(1024)):
        (tmp_path / "a.tar").write_bytes(content)
        assert shards.find(str(tmp_path / "*.tar"))[0] == shards.WEBDATASET


def test_names_of_classes_are_read_and_not_passed_over(packed, tmp_path):
    assert (packed["tfrecord"] / "labels.txt").is_file()
    assert shards.find(str(packed["tfrecord"]))[2] == ()
    shutil.copytree(packed["tfrecord"], tmp_path / "more")
    (tmp_path / "more/notes.txt").write_text("x")
    assert shards.find(str(tmp_path / "more"))[2] == ("files beside the shards that are passed over: notes.txt",)


@pytest.mark.parametrize("tier", ["memory", "none"])
def test_a_shard_that_changes_under_a_run_is_named(packed, tmp_path, tier):
    shutil.copytree(packed["tfrecord"], tmp_path / "shards")
    config = DataConfig(records=str(tmp_path / "shards"), data_dir=str(tmp_path / "data"), **_DATA)
    source = open_source(config)
    (changed,) = (tmp_path / "shards").glob("*train*00001-of*")
    os.utime(changed, ns=(1, 1))

    def read():
        cache.open_split(source.train, config, tier=tier).take(np.arange(len(source.train)))

    with pytest.raises((UserError, tf.errors.InvalidArgumentError), match=f"{changed.name} has changed since") as error:
        read()
    if tier == "memory":
        assert "\n" not in str(error.value)
        assert "Error" not in str(error.value)


def test_pack_refuses_and_leaves_nothing(folder, packed, tmp_path):
    with pytest.raises(UserError, match=r"^output must not exist yet, got .*: it is a folder"):
        packing.pack(PackConfig(image_dir=str(folder), output=str(packed["parquet"])))
    with pytest.raises(UserError, match="image_dir must be a folder"):
        packing.pack(PackConfig(image_dir=str(tmp_path / "none"), output=str(tmp_path / "out")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow  # traces the decoder of all formats
def test_pack_names_what_it_cannot_decode_and_leaves_nothing(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "in")
    (tmp_path / "in/train/red/zz.jpg").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"^cannot decode train/red/zz\.jpg: text, not an image"):
        packing.pack(PackConfig(image_dir=str(tmp_path / "in"), output=str(tmp_path / "out"), image_size=8))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.slow  # traces the decoder of all formats
def test_pack_resizes_and_bounds_shards(folder, tmp_path):
    packing.pack(PackConfig(image_dir=str(folder), output=str(tmp_path / "out"), image_size=16, shard_mib=0.01))
    assert len(list((tmp_path / "out").glob("*-train.tfrecord-*"))) == 5  # 64 images of 768 bytes, 13 a shard
    resized, files = (
        open_source(DataConfig(**named, data_dir=str(tmp_path), image_size=16))
        for named in ({"records": str(tmp_path / "out")}, {"image_dir": str(folder)})
    )
    config = DataConfig(image_size=16)
    one, other = (cache.open_split(source.test, config, tier="memory").tensor for source in (resized, files))
    np.testing.assert_array_equal(one, other)
