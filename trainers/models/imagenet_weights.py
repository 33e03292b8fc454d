"""ImageNet weights that Keras fetches: how long it may try, and what is trained where they cannot be had."""

import contextlib
import http.client
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
from keras.src.applications import efficientnet_v2
from keras.src.backend.config import keras_home

from ftdata.errors import UserError
from ftdata.log import log
from trainers.config import ModelConfig
from trainers.models import catalogue, constructors, download_output
from trainers.models.catalogue import AUTO, FALLBACK, PREFERRED

# Networks worth a trial on a small machine, as (backbone, its arguments): the file that Keras keeps their weights in
_FILES: dict[tuple[str, tuple[tuple[str, Any], ...]], str] = {
    ("MobileNetV2", (("alpha", 0.35),)): "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5",
    ("MobileNetV2", ()): "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
    (PREFERRED, ()): "efficientnetv2-b0_notop.h5",
    ("EfficientNetV2B2", ()): "efficientnetv2-b2_notop.h5",
}

_SILENCE_S = 20  # without an answer, or without more of it
_BROKEN_OFF = (TimeoutError, ConnectionError, http.client.HTTPException)


@contextlib.contextmanager
def fetching(backbone: str) -> Iterator[None]:
    """Lets Keras fetch the weights of a backbone while the block runs, unless nothing comes for 20 seconds.

    Raises:
      UserError: they cannot be fetched, or a file that was fetched before cannot be read.
    """
    try:
        with _bounded_silence():
            yield
    except (TypeError, ValueError):  # of the arguments
        raise
    except Exception as error:  # keras.utils.get_file raises a bare Exception without a network
        if not (str(error).startswith("URL fetch failure") or isinstance(error, _BROKEN_OFF)):
            raise UserError(
                f"weights=imagenet: the file of {backbone} in Keras's folder models cannot be read ({error}): "
                "delete it, so that it is fetched again"
            ) from error
        install = "" if catalogue.is_lite_installed(FALLBACK) else f" after {catalogue.INSTALL_LITE}"
        raise UserError(
            f"weights=imagenet: cannot fetch the weights of {backbone} ({_reason(error)}). Without a network use "
            f"--backbone={FALLBACK}{install}, --weights=FILE with a file fetched elsewhere, or --weights=none"
        ) from error


def chosen(model: ModelConfig, *, include_top: bool = False) -> str:
    """The backbone that a model is built on: the one that is named, and for `auto` one whose weights can be had.

    That is PREFERRED, unless its ImageNet weights are neither here nor can be fetched, and those of FALLBACK are
    installed; it is said then. Where neither can be had it is PREFERRED too, and building it says so.

    Args:
      model: the settings.
      include_top: whether the original classifier is wanted.
    """
    if model.backbone != AUTO:
        return model.backbone
    if model.weights != "imagenet" or model.backbone_args or not catalogue.is_lite_installed(FALLBACK):
        return PREFERRED
    try:
        with _bounded_silence():
            _fetch_preferred(include_top=include_top)
    except Exception as error:  # as above
        log.info(
            f"note: the ImageNet weights of {PREFERRED} cannot be fetched ({_reason(error)}): the backbone is "
            f"{FALLBACK}, whose weights are installed; --backbone names another"
        )
        return FALLBACK
    return PREFERRED


def at_hand() -> list[dict[str, Any]]:
    """The networks that can be had with trained weights, as settings of ModelConfig: small ones of which the files of
    their ImageNet weights lie in Keras's folder, PREFERRED if it can be fetched, those of the extra `lite` where it is
    installed, and what comes with this project."""
    found: list[dict[str, Any]] = [
        {"backbone": backbone, "backbone_args": arguments, "weights": "imagenet"}
        for (backbone, arguments), file in _FILES.items()
        if (Path(keras_home()) / "models" / file).is_file()
    ]
    found = [{**network, "backbone_args": dict(network["backbone_args"]) or None} for network in found]
    if not any(network["backbone"] == PREFERRED for network in found):
        with contextlib.suppress(Exception), _bounded_silence():  # keras.utils.get_file raises a bare Exception
            _fetch_preferred(include_top=False)
            found.append({"backbone": PREFERRED, "backbone_args": None, "weights": "imagenet"})
    lite = [name for name in constructors.LITE if catalogue.is_lite_installed(name)]
    found += [{"backbone": name, "backbone_args": None, "weights": "imagenet"} for name in lite]
    return [*found, {"backbone": "vgg_nano", "backbone_args": None, "weights": "objects"}]


def _fetch_preferred(*, include_top: bool) -> None:
    """Fetches the file that Keras's constructor asks for, where it is not here; a test compares the two."""
    suffix, place = (".h5", 0) if include_top else ("_notop.h5", 1)
    name = f"efficientnetv2-b0{suffix}"
    keras.utils.get_file(
        name,
        efficientnet_v2.BASE_WEIGHTS_PATH + name,
        cache_subdir="models",
        file_hash=efficientnet_v2.WEIGHTS_HASHES["b0"][place],
    )


def _reason(error: Exception) -> str:
    """`Connection refused` of `URL fetch failure on https://...: 111 -- [Errno 111] Connection refused`."""
    return re.sub(r"\[Errno -?\d+\] ", "", str(error).rpartition(" -- ")[2])


@contextlib.contextmanager
def _bounded_silence() -> Iterator[None]:
    """Ends connections made in the block that are silent for too long; Keras waits for ever. It says what comes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENCE_S)
    try:
        with download_output.in_our_words():
            yield
    finally:
        socket.setdefaulttimeout(before)
