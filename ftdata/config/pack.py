"""What can be set about packing: frozen, validated, standard library only."""

import dataclasses

from ftdata.errors import UserError
from ftdata.settings import check_settings, setting


@dataclasses.dataclass(frozen=True)
class PackConfig:
    """Which images become shards, in which format, and how large."""

    image_dir: str | None = setting(
        None, "folder of images, one subfolder for each class, in any layout that training reads", is_path=True
    )
    output: str | None = setting(None, "folder of the shards, which must not exist yet", is_path=True)
    format: str = setting(
        "tfrecord",
        "format of the shards: tfrecord (as the TensorFlow Model Garden has it), webdataset (tar) or parquet (as "
        "Hugging Face has it)",
        choices=("tfrecord", "webdataset", "parquet"),
    )
    shards: int | None = setting(
        None, "number of shards of each split", unset="as many as --shard_mib asks for", minimum=1, maximum=99_999
    )
    shard_mib: float = setting(
        256.0, "size in MiB that the images of a shard do not exceed, unless one image does", minimum=0.001
    )
    image_size: int | None = setting(
        None,
        "side in pixels of the squares that images are resized to and stored as, in PNG",
        unset="the files' bytes are stored as they are",
        minimum=8,
        maximum=4096,
    )
    resize: str = setting(
        "stretch",
        "with --image_size, how an image that is not square becomes square",
        choices=("stretch", "crop", "pad"),
    )

    def __post_init__(self) -> None:
        check_settings(self)
        for name in ("image_dir", "output"):
            if not getattr(self, name):
                raise UserError(f"{name} must be a folder, got none")
