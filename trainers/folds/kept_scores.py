"""The scores that each fold keeps of the images it left out, a file for each candidate, and weights that may be
averaged."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from trainers.evaluation import scores
from trainers.evaluation.scores import Evaluation
from trainers.folds import soup
from trainers.folds.division import Fold
from trainers.rundir.run_dir import write_atomically
from trainers.training.context import Candidate


def keeper(root: Path, soup_of: str | None) -> Callable[[str, Candidate, Evaluation, Sequence[keras.Variable]], None]:
    """What takes (phase, candidate, scores, weights) of every validation of the fold whose run is in `root`.

    Args:
      root: of the fold.
      soup_of: the phase whose weights are kept too; None for none.
    """
    return functools.partial(_keep, root, soup_of)


def _keep(
    root: Path,
    soup_of: str | None,
    phase: str,
    candidate: Candidate,
    scored: Evaluation,
    weights: Sequence[keras.Variable],
) -> None:
    def write(temporary: Path) -> None:
        with temporary.open("wb") as stream:
            np.save(stream, scored.logits.astype(np.float32), allow_pickle=False)

    if phase == soup_of and candidate.epoch:
        values = [weight.numpy() for weight in weights]
        write_atomically(weights_file(root, phase, candidate), lambda path: soup.keep(path, values))
    write_atomically(scores_file(root, phase, candidate), write)


def candidates(roots: Sequence[Path], phase: str) -> list[Candidate]:
    """Those of which every fold in `roots` has kept scores, in the order of their files' names.

    An epoch that one fold kept scores of may have been trained again, with other decays, before its first checkpoint.
    """
    names = set.intersection(*({path.name for path in _folder(root, phase).glob("[0-9]*.npy")} for root in roots))
    return [_candidate(name) for name in sorted(names)]


def pooled(
    roots: Sequence[Path], folds: Sequence[Fold], phase: str, candidate: Candidate, labels: np.ndarray, classes: int
) -> Evaluation:
    """The scores of all images, each by the model of the fold that left it out: 0 where that is not in `folds`.

    Args:
      roots: of the folds.
      folds: that the runs in `roots` are of.
      phase: of the models.
      candidate: which of them.
      labels: of the images, int [n], or of several labels each float32 [n, classes].
      classes: how many there are.
    """
    logits = np.zeros((len(labels), classes))
    for root, fold in zip(roots, folds, strict=True):
        logits[fold.left_out] = np.load(scores_file(root, phase, candidate), allow_pickle=False)
    return scores.scored(logits, labels)


def scores_file(root: Path, phase: str, candidate: Candidate) -> Path:
    """Logits, float32 [left out, classes]."""
    return _folder(root, phase) / f"{_name(candidate)}.npy"


def weights_file(root: Path, phase: str, candidate: Candidate) -> Path:
    """As `soup.keep` writes them."""
    return root / phase / "weights" / f"{_name(candidate)}.npz"


def _folder(root: Path, phase: str) -> Path:
    return root / phase / "left_out"


def _name(candidate: Candidate) -> str:
    average = "" if candidate.ema_decay is None else f"_ema_{candidate.ema_decay}"
    share = "" if candidate.alpha == 1 else f"_alpha_{candidate.alpha}"
    return f"{candidate.epoch:05}{average}{share}"


def _candidate(file: str) -> Candidate:
    """What `_name` gave this name."""
    epoch, *others = file.removesuffix(".npy").split("_")
    named = dict(zip(others[::2], map(float, others[1::2]), strict=True))
    return Candidate(int(epoch), named.get("ema"), named.get("alpha", 1.0))
