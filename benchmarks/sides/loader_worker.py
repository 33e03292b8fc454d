"""Shards read by webdataset and Hugging Face's datasets under PyTorch's DataLoader, for `loaders.py`.

Needs nothing of this project, so that any Python with torch, webdataset and datasets can run it. A request is a line of
JSON on standard input, its answer one on standard output: {"open": {...}} -> {"loader": 0, "files": [...]},
{"read": 0} -> {"images": 512}; {"error": "..."} where that fails.
"""

import json
import os
import sys
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
try:
    import datasets
    import numpy as np
    import torch
    import webdataset
    from PIL import Image
except Exception as _error:  # a broken installation raises anything; the parent says what
    print(json.dumps({"error": str(_error).splitlines()[0]}), flush=True)
    sys.exit(1)

_SHUFFLED = 1000  # samples in webdataset's buffer, the usual number


class Pixels:
    """Pillow image -> uint8 [side, side, 3], by its own bilinear resize."""

    def __init__(self, side: int):
        self.side = side

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """The pixels."""
        resized = image.convert("RGB").resize((self.side, self.side), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(resized))

    def of_tuple(self, found: tuple[Image.Image]) -> torch.Tensor:
        """Of what webdataset gives."""
        return self(found[0])

    def of_columns(self, found: dict[str, list[Image.Image]]) -> dict[str, list[torch.Tensor]]:
        """Of what datasets gives."""
        return {"image": [self(image) for image in found["image"]]}


def _open(kind: str, shards: list[str], side: int, batch_size: int, workers: int, cache: str) -> tuple[Any, list[str]]:
    """A loader of shuffled batches, and the files that it reads."""
    pixels, options = Pixels(side), {"batch_size": batch_size, "num_workers": workers}
    if kind == "webdataset":
        samples = webdataset.WebDataset(shards, shardshuffle=len(shards)).shuffle(_SHUFFLED).decode("pil")
        samples = samples.to_tuple("jpg;jpeg;png;webp;bmp;gif").map(pixels.of_tuple)
        return torch.utils.data.DataLoader(samples, **options), shards
    table = datasets.load_dataset("parquet", data_files=shards, split="train", cache_dir=cache)
    table = table.select_columns(["image"]).cast_column("image", datasets.Image())
    files = [found["filename"] for found in table.cache_files]
    return torch.utils.data.DataLoader(table.with_transform(pixels.of_columns), shuffle=True, **options), files


def _read(loader: Any) -> int:
    return sum(len(batch["image"] if isinstance(batch, dict) else batch) for batch in loader)


def main() -> None:
    """Answers requests until standard input ends."""
    requests, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    datasets.disable_progress_bars()
    versions = {module.__name__: module.__version__ for module in (torch, webdataset, datasets)}
    loaders: list[Any] = []
    _write(answers, versions)
    for line in requests:
        try:
            request = json.loads(line)
            if "read" in request:
                _write(answers, {"images": _read(loaders[request["read"]])})
                continue
            loader, files = _open(**request["open"])
            loaders.append(loader)
            _write(answers, {"loader": len(loaders) - 1, "files": files})
        except Exception as error:  # of a library, of a file: the parent says it and ends
            said = str(error).strip().splitlines()[:1]
            _write(answers, {"error": f"{type(error).__name__}: {' '.join(said)}"})


def _write(file: Any, answer: dict[str, Any]) -> None:
    file.write(json.dumps(answer) + "\n")
    file.flush()


if __name__ == "__main__":
    main()
