"""What can be set about the server: frozen, validated, standard library only."""

import dataclasses
import re

from ftdata.errors import UserError
from ftdata.settings import NOTHING, check_settings, said, setting


@dataclasses.dataclass(frozen=True)
class ServeConfig:
    """The server of `--phase=serve`, and its bounds."""

    host: str = setting(
        "127.0.0.1",
        "serve: address to listen on; the default is for programs on this machine alone, 0.0.0.0 for all who reach it",
        affects=NOTHING,
    )
    port: int = setting(
        8501,
        "serve: number of the TCP port to listen on; 0 takes a free one",
        minimum=0,
        maximum=65_535,
        affects=NOTHING,
    )
    served_name: str | None = setting(
        None,
        "serve: name of the model in the address, /v1/models/NAME:predict",
        unset="the name of the folder --model_dir",
        affects=NOTHING,
    )
    max_request_mib: float = setting(
        32.0,
        "serve: size of a request in MiB above which it is refused",
        minimum=0.001,
        maximum=1024.0,
        affects=NOTHING,
    )
    max_request_images: int = setting(
        128,
        "serve: number of images in a request above which it is refused",
        minimum=1,
        maximum=10_000,
        affects=NOTHING,
    )
    max_queued_images: int = setting(
        512,
        "serve: number of images that may wait; what would make it more is refused with status 503, to be tried again",
        minimum=1,
        maximum=100_000,
        affects=NOTHING,
    )
    request_timeout_s: float = setting(
        30.0,
        "serve: seconds after which a request that has not arrived or is not answered is given up",
        minimum=0.1,
        maximum=3_600.0,
        affects=NOTHING,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.served_name is not None and not re.fullmatch(r"[\w.-]{1,100}", self.served_name):
            raise UserError(f"served_name must be up to 100 letters, digits and ._-, got {said(self.served_name)}")
        if self.max_request_images > self.max_queued_images:
            raise UserError(
                f"max_request_images must be at most max_queued_images={self.max_queued_images}, "
                f"got {self.max_request_images}"
            )
