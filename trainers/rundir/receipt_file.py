"""The file of a receipt as it is read. No TensorFlow."""

import json
from pathlib import Path

from ftdata.errors import UserError
from trainers.rundir.chain import Entry
from trainers.rundir.run_dir import RunDir

FORMAT = 1


def read(run_dir: RunDir) -> list[Entry]:
    """The entries of the receipt of a run, whole or not.

    Raises:
      UserError: there is none, or it cannot be read.
    """
    path: Path = run_dir.receipt
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        entries = found["entries"]
        if found["format"] != FORMAT:
            raise UserError(f"{path} is of format {found['format']}, this version reads {FORMAT}: use its version")
        if not entries or not all(isinstance(entry["kind"], str) and isinstance(entry, dict) for entry in entries):
            raise UserError(f"{path} is damaged: it holds no entries")
    except FileNotFoundError:
        if not run_dir.config.is_file():
            raise UserError(f"{run_dir.root} holds no run: name the folder of one by --model_dir") from None
        raise UserError(
            f"{run_dir.root} has no receipt.json, so there is nothing to verify: its run was trained by a version "
            "without receipts, or the file was removed. Train again, into another --model_dir"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{path} is damaged ({type(error).__name__}: {error}), so nothing can be verified by it: with the file "
            "removed the run resumes and a new receipt begins where it is now; --overwrite starts over"
        ) from None
    return entries
