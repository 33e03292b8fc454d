"""The folder `web`: a page, the model at a fixed shape, its labels and the runtime; nothing comes from elsewhere."""

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import jinja2
import keras
from markupsafe import Markup

from ftdata.decoding.decode import Decoding
from trainers.export import formats
from trainers.export.web import runtime
from trainers.models.class_names import as_lines, in_a_line
from trainers.rundir.run_dir import write_json

_TEMPLATES = Path(__file__).with_name("templates")
_COPIED = ("style.css", "start.js", "app.js", "classifier.js", "pixels.js", "resize.js", "header.js")
_FEW = 4  # class names in the title


def write_web(
    folder: Path, network: keras.Model, class_names: Sequence[str], decoding: Decoding, *, web_runtime: str | None
) -> None:
    """Writes the folder; an earlier one is replaced once the new one is whole.

    Args:
      folder: the path.
      network: from `formats.finished`.
      class_names: in the order of the probabilities.
      decoding: how files become tensors in training.
      web_runtime: where the runtime is, as `runtime.read` takes it.

    Raises:
      UserError: the runtime is missing.
      OSError: no space, no permission.
    """
    found = runtime.read(web_runtime)

    def fill(temporary: Path) -> None:
        temporary.mkdir()
        formats.write_litert(
            temporary / "model.tflite", network, class_names, kind="litert", representative=(), batch_size=1
        )
        (temporary / "labels.txt").write_text(as_lines(class_names), encoding="utf-8")
        names = ("image_size", "resize", "interpolation", "jpeg_decode")
        write_json(temporary / "settings.json", {name: getattr(decoding, name) for name in names})
        for name in _COPIED:
            (temporary / name).write_bytes((_TEMPLATES / name).read_bytes())
        (temporary / "index.html").write_text(_html(class_names), encoding="utf-8")
        for name, content in found.items():
            path = temporary / "runtime" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    formats.replace_folder(folder, fill)


def _html(class_names: Sequence[str]) -> str:
    packages = {f"@litertjs/{name}": f"./runtime/{name}/dist/index.js" for name in ("core", "wasm-utils")}
    import_map = json.dumps({"imports": packages})
    digest = base64.b64encode(hashlib.sha256(import_map.encode()).digest()).decode()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("index.html").render(
        title=_title([in_a_line(name) for name in class_names]),
        import_map=Markup(import_map),
        import_map_digest=Markup(f"sha256-{digest}"),
    )


def _title(names: Sequence[str]) -> str:
    if len(names) > _FEW:
        return f"Which of {len(names):,} classes?"
    return f"{', '.join(names[:-1])} or {names[-1]}?" if len(names) > 1 else f"{names[0]}?"
