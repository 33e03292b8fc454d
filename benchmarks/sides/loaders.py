"""Readers of shards that people use with PyTorch: `loader_worker.py` in a Python of its own."""

from pathlib import Path

from benchmarks.harness import timing
from benchmarks.sides.peer_process import PeerProcess
from ftdata import parallelism

KINDS = {"webdataset": "webdataset", "parquet": "datasets"}  # the format of shards: the library that reads it
EXCLUDED = (
    "webdataset {webdataset} and Hugging Face's datasets {datasets} decode and resize with Pillow in {workers} "
    "processes of PyTorch {torch}'s DataLoader, started anew for each pass as for each epoch. webdataset reads in "
    "sequence through a buffer of 1,000; datasets makes a memory-mapped table of Parquet once, before it is measured, "
    "and permutes it."
)
_SCRIPT = Path(__file__).with_name("loader_worker.py")


class Loaders(PeerProcess):
    """A running `loader_worker.py`.

    Args:
      python: path of an interpreter with torch, webdataset and datasets.

    Raises:
      ValueError: it is none.
    """

    def __init__(self, python: str):
        super().__init__(python, _SCRIPT, needs=("torch", "webdataset", "datasets"))

    @property
    def excluded(self) -> str:
        """What of a measurement is whose."""
        return EXCLUDED.format(workers=parallelism.CORES, **self.about)

    def open(
        self, kind: str, shards: Path, *, side: int, batch_size: int, images: int
    ) -> tuple[timing.Contender, list[str]]:
        """A pass over all images, batch by batch, and the files that it reads.

        Args:
          kind: of the shards, a key of KINDS.
          shards: their folder.
          side: of the square images, in pixels.
          batch_size: images a batch.
          images: that are there; a pass which finds another number is an error.
        """
        files = sorted(str(path) for path in shards.iterdir() if path.suffix in (".tar", ".parquet"))
        said = self.ask(
            open={
                **{"kind": KINDS[kind], "shards": files, "side": side, "batch_size": batch_size},
                **{"workers": parallelism.CORES, "cache": str(shards / "cache")},
            }
        )

        def read() -> None:
            found = self.ask(read=said["loader"])["images"]
            if found != images:
                raise ValueError(f"{KINDS[kind]} read {found:,} of {images:,} images")

        return timing.Contender(read, images=images), said["files"]
