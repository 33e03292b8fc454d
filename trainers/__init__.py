"""Batches become a trained model, its numbers and its files: `run(TrainConfig(...))`.

A folder for each section of the configuration, and for each subject; each imports only those before it:

    config      every setting
    runtime     processes, devices, signals, output streams, compilation
    rundir      what a run keeps on disk
    models      a name becomes a classifier
    evaluation  scores, calibration, figures, reports
    export      a trained model as others run it
    training    one phase: step, loop, optimizer
    doctor      the data looked at before training
    search      what is tried in a given time, and which of it is best
    report      what the files of a run say, on one page
    refusals    what flags and files alone refuse, without TensorFlow
    commands    what a run does, by --phase
    experiment  run(config): launches, hands over to a command
    main        the command line
"""

import os

from ftdata import lazy

# Read when TensorFlow is imported: it leaves oneDNN off on processors without AVX512, where it is faster too
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_CONFIGS = ("ModelConfig", "RuntimeConfig", "TrainConfig", "TrainingConfig", "UseConfig")
__all__, __getattr__, __dir__ = lazy.exports(__name__, {"run": "experiment", **dict.fromkeys(_CONFIGS, "config")})
