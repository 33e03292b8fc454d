"""What can be set about the data: frozen, validated, standard library only."""

import dataclasses
import re
from pathlib import Path

from ftdata import address
from ftdata.errors import UserError
from ftdata.settings import NOTHING, check_settings, said, setting


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which images, and how they become arrays of one size."""

    dataset: str | None = setting(
        None, "name of the data set: cutlery or scenes (rendered, need no network), knifey_spoony, or any TFDS name"
    )
    image_dir: str | None = setting(
        None,
        "folder of images, one subfolder for each class; train/, validation/ (or val/, valid/) and test/ above the "
        "class folders, in any case, or test/ and val/ inside each of them, are recognised; or its address s3://... or "
        "gs://... (https://... with --labels_csv)",
        is_path=True,
        may_be_remote=True,
    )
    labels_csv: str | None = setting(
        None,
        "CSV file with the columns file,label and optionally split (train, validation, test); its files are relative "
        "to --image_dir, or to the CSV where that is not given; or its address s3://..., gs://... or https://...",
        is_path=True,
        may_be_remote=True,
    )
    records: str | None = setting(
        None,
        "shards of images: a folder of them or a pattern in quotes such as 'data/*.tar'; TFRecord (as TFDS and the "
        "TensorFlow Model Garden write it), WebDataset or Parquet (as Hugging Face has it); their names say the split; "
        "or their address in quotes, 's3://bucket/*.tar' or 'https://host/{000..127}.tar'",
        is_path=True,
        may_be_remote=True,
    )
    task: str = setting(
        "single",
        "labels of an image: single is one class each; multi is several or none, from a --labels_csv with a column of "
        "0 and 1 for each class, or with a column labels of names with --label_separator between them, or from a "
        "--dataset with several",
        choices=("single", "multi"),
    )
    label_separator: str | None = setting(
        None,
        "with --task=multi, the text between the names in the column labels of --labels_csv",
        unset="a semicolon or a bar",
    )
    exclude_csv: str | None = setting(
        None,
        "CSV file whose column file lists images to train and validate without, such as a copy of label_errors.csv of "
        "--phase=estimate; the test set stays whole",
        is_path=True,
    )
    data_dir: str | None = setting(
        None,
        "folder of prepared TFDS data sets and of the disk cache of decoded images and features",
        unset="~/tensorflow_datasets",
        affects=NOTHING,
        is_path=True,
    )
    manual_dir: str | None = setting(
        None,
        "folder of archives that TFDS cannot download by itself, such as that of knifey_spoony, packed or unpacked",
        affects=NOTHING,
        is_path=True,
    )
    validation_fraction: float = setting(
        0.15,
        "fraction of the training images held out to choose the best epoch, where the data set has no validation split",
        minimum=0.0,
        maximum=0.9,
    )
    group_pattern: str | None = setting(
        None, "regular expression over file names: images with the same match stay on one side of a split"
    )
    split_seed: int = setting(
        0,
        "seed that chooses the images held out for validation and test, where the data set has no such splits; --seed "
        "does not change them",
        minimum=0,
        maximum=2**31 - 1,
    )
    image_size: int | None = setting(
        None,
        "side of the square image that the model sees, in pixels",
        unset="the backbone's own",
        minimum=8,
        maximum=4096,
    )
    channels: int = setting(
        3,
        "channels of an image; any number but 3 is for multispectral TIFF and .npy files (uint8 or uint16, [height, "
        "width, channels]) in --image_dir or --labels_csv",
        minimum=1,
        maximum=16,
    )
    resize: str = setting(
        "stretch", "how an image that is not square becomes square", choices=("stretch", "crop", "pad")
    )
    interpolation: str = setting(
        "bilinear",
        "how an image is resized: bilinear is antialiased, nearest gives the pixels of Keras' flow_from_directory",
        choices=("bilinear", "nearest"),
    )
    jpeg_decode: str = setting(
        "full",
        "how a JPEG is decoded: full, or scaled to 1/2, 1/4 or 1/8 where that is still as large as --image_size needs "
        "(faster, with other pixels)",
        choices=("full", "scaled"),
    )
    cache: str = setting(
        "auto",
        "where decoded images are kept between epochs; auto is the fastest that fits",
        choices=("auto", "device", "memory", "disk", "none"),
        affects=NOTHING,
    )
    disk_cache_gib: float | None = setting(
        None,
        "upper limit in GiB of the decoded images and the features below --data_dir, of all data sets together; the "
        "least recently used are deleted first",
        unset="half of what the disk has room for",
        minimum=0.0,
        affects=NOTHING,
    )
    remote_cache_gib: float | None = setting(
        None,
        "upper limit in GiB of the copies below --data_dir of files from s3://, gs:// and https://, of all data sets "
        "together; those of data sets that nothing uses are deleted first",
        unset="half of what the disk has room for",
        minimum=0.0,
        affects=NOTHING,
    )
    remote_timeout_s: float = setting(
        60.0,
        "seconds for which a file of s3://, gs:// or https:// that cannot be read is tried again, before the run ends",
        minimum=1.0,
        affects=NOTHING,
    )
    data_service: str | None = setting(
        None,
        "address grpc://HOST:PORT of a tf.data service whose workers decode the training images at each step",
        affects=NOTHING,
    )
    on_bad_image: str = setting(
        "error",
        "what is done about image files that cannot be used: error lists them and stops, skip trains without them",
        choices=("error", "skip"),
        affects=NOTHING,
    )
    max_bad_fraction: float = setting(
        0.01,
        "with --on_bad_image=skip, largest fraction of the image files that may be skipped: more of them stop the run, "
        "as something else than a few files is wrong",
        minimum=0.0,
        maximum=1.0,
        affects=NOTHING,
    )

    @property
    def named_files(self) -> str | None:
        """The CSV, the shards or the folder that the images are in; None where they are a data set by name."""
        return self.labels_csv or self.records or self.image_dir

    @property
    def folder(self) -> Path:
        """Where prepared data sets, decoded images and what is known of image files are kept."""
        try:
            return Path(self.data_dir or "~/tensorflow_datasets").expanduser()
        except RuntimeError:  # a user without a name or a home, as in a container
            raise UserError("data_dir must be given, as this user has no home folder (HOME is not set)") from None

    def __post_init__(self) -> None:
        check_settings(self)
        files = ("image_dir", "labels_csv")
        for one, others in (("dataset", (*files, "records")), ("records", files)):
            other = next((name for name in others if getattr(self, name)), None)
            if getattr(self, one) and other:
                raise UserError(
                    f"{one} must not be given together with {other}, got {said(getattr(self, one))} and "
                    f"{said(getattr(self, other))}: choose one"
                )
        self._check_listing()
        self._check_labels()
        self._check_channels()
        if self.data_service is not None and not re.fullmatch(r"grpc://[^/]+:\d{1,5}", self.data_service):
            raise UserError(f"data_service must be grpc://HOST:PORT, got {said(self.data_service)}")
        if self.group_pattern:
            try:
                re.compile(self.group_pattern)
            except re.error as error:
                raise UserError(
                    f"group_pattern must be a regular expression, got {said(self.group_pattern)}: {error}"
                ) from None

    def _check_listing(self) -> None:
        """What is named has to be a place whose images can be found."""
        scheme = address.scheme_of(self.image_dir)
        if scheme in ("https", "http") and not self.labels_csv:
            raise UserError(
                f"image_dir={self.image_dir} cannot be listed, as {scheme} has no folders: name its images in a "
                "--labels_csv of file,label (which may lie there too), or put them into shards (python -m ftdata.pack, "
                "--records)"
            )

    def _check_channels(self) -> None:
        """Other channels than red, green and blue come from files, read in this process."""
        named = next((name for name in ("dataset", "records", "data_service") if getattr(self, name)), None)
        if self.channels != 3 and named:
            raise UserError(
                f"channels must be 3 with {named}={getattr(self, named)}, got {self.channels}: images of other "
                "channels are TIFF and .npy files that --image_dir or --labels_csv names"
            )

    def _check_labels(self) -> None:
        """Several labels come from a CSV or a data set of TFDS alone."""
        named = next((name for name in ("records", "image_dir") if getattr(self, name)), None)
        if self.task == "multi" and not self.labels_csv and named:
            way = "name the images and their labels in a --labels_csv"
            way += ", with --image_dir where its files lie elsewhere" if self.image_dir else ""
            raise UserError(
                f"task must be single with {named}={getattr(self, named)}, of one class an image, got multi: {way}"
            )
        if self.label_separator is not None and (self.task == "single" or not self.label_separator.strip()):
            raise UserError(
                "label_separator must be a text such as ; and is for task=multi, got "
                f"{said(self.label_separator)} with task={self.task}"
            )
