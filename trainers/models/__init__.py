"""A name becomes a classifier: backbones, preprocessing, weights, and which layers train.

Obeys `ModelConfig`. Knows nothing of data or of how training goes; evaluation, export, training and the commands
import it.
"""

from ftdata import lazy

_NAMES = {
    "base_of": "classifier",
    "build_classifier": "classifier",
    "load_classifier": "classifier",
    "load_weights": "classifier",
    "logits_of": "classifier",
    "resolve_precision": "precision",
    "set_trainable": "trainable",
}
__all__, __getattr__, __dir__ = lazy.exports(__name__, _NAMES)
