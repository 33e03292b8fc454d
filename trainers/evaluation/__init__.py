"""Logits and labels become scores, calibration, figures and the files of an evaluation.

For what trains, evaluates or exports a model (`trainers.training`, `doctor`, `commands`) and for benchmarks. It knows
models and the files of a run, and nothing of training or of the command line.
"""

from ftdata import lazy

__all__, __getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "EvaluationStep": "step",
        "Evaluation": "scores",
        "assemble": "scores",
        "fit_temperature": "calibration",
        "write_report": "reports",
    },
)
