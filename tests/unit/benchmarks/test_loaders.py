"""webdataset and datasets as peers: the process that is asked reads every image of our shards."""

import contextlib
import subprocess
import sys
from importlib.util import find_spec

import pytest

from benchmarks.harness import page_cache
from benchmarks.sides.loaders import KINDS, Loaders
from ftdata.config import PackConfig
from ftdata.records import packing
from tests import ROOT

_PYTHON = ROOT / ".venv-torch" / "bin" / "python"


@pytest.mark.skipif(find_spec("webdataset") is not None, reason="webdataset is installed here")
def test_a_python_without_the_libraries_says_what_is_missing():
    with pytest.raises(ValueError, match="Python with torch and webdataset and datasets, got .*No module named"):
        Loaders(sys.executable)


def test_evicted_files_are_read_as_before(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"content" * 10_000)
    page_cache.evict([str(file)])
    assert file.read_bytes() == b"content" * 10_000


@pytest.mark.extra_peers
@pytest.mark.parametrize("kind", KINDS)
def test_a_pass_reads_all_images(kind, photo_folder, tmp_path):
    if not _PYTHON.exists() or subprocess.run([_PYTHON, "-c", "import datasets, webdataset"], check=False).returncode:
        pytest.skip("no .venv-torch with webdataset and datasets: `make torch-peer` makes it")
    packing.pack(PackConfig(image_dir=str(photo_folder), output=str(tmp_path / kind), format=kind, shards=2))
    count = len([path for path in photo_folder.rglob("*") if path.is_file()])
    with contextlib.closing(Loaders(str(_PYTHON))) as loaders:
        contender, files = loaders.open(kind, tmp_path / kind, side=16, batch_size=4, images=count)
        contender.call()
        assert files
        fewer, _ = loaders.open(kind, tmp_path / kind, side=16, batch_size=4, images=count + 1)
        with pytest.raises(ValueError, match=f"read {count} of {count + 1} images"):
            fewer.call()
