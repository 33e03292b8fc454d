"""LiteRT.js, which runs the model in a browser: taken from a folder, or fetched by npm at one version, by digest."""

import base64
import functools
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from ftdata.errors import UserError
from ftdata.log import log

VERSION = "2.5.3"  # that the page was tested with
_LONGEST_S = 180
_WASM = ("litert_wasm_internal", "litert_wasm_compat_internal")  # with and without relaxed SIMD; the browser loads one


class _Package(NamedTuple):
    sha512: str  # of what npm fetches, as npm writes it
    files: tuple[str, ...]  # that the page needs


_PACKAGES = {
    "core": _Package(
        "PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ==",
        ("package.json", "dist/index.js", *(f"wasm/{name}.{kind}" for name in _WASM for kind in ("js", "wasm"))),
    ),
    "wasm-utils": _Package(
        "4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT39A9OYBVdFawteZ/sI1kQ==",
        ("package.json", "dist/index.js"),
    ),
}


def check_runtime(folder: str | None) -> None:
    """Does nothing if the runtime is there, or npm can fetch it, which it does.

    Raises:
      UserError: what is missing, and how to get it.
    """
    read(folder)


def read(folder: str | None) -> dict[str, bytes]:
    """The files of the runtime that the page needs, by their path in it, such as `core/dist/index.js`.

    Args:
      folder: that holds the packages: a `node_modules`, or a folder with one, or with the two files that `npm pack`
        leaves, or the `runtime` of an earlier export. With None npm fetches them.

    Raises:
      UserError: what is missing, and how to get it.
    """
    if folder is not None:
        found = _in_folder(Path(folder).expanduser())
        version = json.loads(found["core/package.json"]).get("version")
        if version != VERSION:
            log.info(f"note: web_runtime {folder} holds @litertjs/core {version}; the page was tested with {VERSION}")
        return found
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(
            "export_formats: web needs the runtime LiteRT.js, and npm, which would fetch it, is not installed here: "
            f"{_how_to_get_it()}"
        )
    return _fetched(npm)


@functools.cache  # 19 MB: what was fetched before a training is there after it, without a network
def _fetched(npm: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as temporary:
        return _fetch(npm, Path(temporary))


def _how_to_get_it() -> str:
    names = " ".join(f"@litertjs/{name}@{VERSION}" for name in _PACKAGES)
    return f"where npm is, run `npm pack {names}`, and give the folder of the two files as --web_runtime"


def _fetch(npm: str, folder: Path) -> dict[str, bytes]:
    names = [f"@litertjs/{name}@{VERSION}" for name in _PACKAGES]
    command = [npm, "pack", "--loglevel=error", "--ignore-scripts", "--prefer-offline", "--fetch-retries=0", *names]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=_LONGEST_S, check=False)
        why = _complaint(done.stderr.decode("utf-8", "replace"), done.returncode) if done.returncode else ""
    except subprocess.TimeoutExpired:
        why = f"no answer in {_LONGEST_S} s"
    archives = {name: folder / f"litertjs-{name}-{VERSION}.tgz" for name in _PACKAGES}
    if not why and not all(path.is_file() for path in archives.values()):
        why = "it left no files"
    if why:
        raise UserError(
            f"export_formats: web needs the runtime LiteRT.js, and npm could not fetch it ({why}): {_how_to_get_it()}"
        )
    found: dict[str, bytes] = {}
    for name, path in archives.items():
        digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
        if digest != _PACKAGES[name].sha512:
            raise UserError(f"export_formats: web: @litertjs/{name} {VERSION} from npm is not the known file (sha512)")
        found |= _of_archive(name, path)
    return found


def _complaint(said: str, status: int) -> str:
    """What npm says in the end, without its code and the place of its log."""
    lines = [line for line in said.splitlines() if line.startswith("npm error ")]
    lines = [line for line in lines if not line.startswith(("npm error code", "npm error A complete log"))]
    return lines[0].removeprefix("npm error ") if lines else f"exit status {status}"


def _in_folder(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        raise UserError(f"web_runtime {folder} is no folder: {_how_to_get_it()}")
    found: dict[str, bytes] = {}
    for name, package in _PACKAGES.items():
        places = [folder / "@litertjs" / name, folder / "node_modules/@litertjs" / name, folder / name]
        archives = sorted(folder.glob(f"litertjs-{name}-*.tgz"))
        whole = [place for place in places if all((place / file).is_file() for file in package.files)]
        if whole:
            found |= {f"{name}/{file}": (whole[0] / file).read_bytes() for file in package.files}
        elif archives:
            found |= _of_archive(name, archives[-1])
        else:
            raise UserError(f"web_runtime {folder} holds no @litertjs/{name}: {_how_to_get_it()}")
    return found


def _of_archive(name: str, path: Path) -> dict[str, bytes]:
    """The needed files of one package as npm packs it."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for file in _PACKAGES[name].files:
                member = archive.extractfile(f"package/{file}")
                assert member is not None
                found[f"{name}/{file}"] = member.read()
    except (tarfile.TarError, OSError, EOFError, KeyError, AssertionError) as error:
        raise UserError(f"web_runtime {path} is no package @litertjs/{name} ({error}): {_how_to_get_it()}") from None
    return found
