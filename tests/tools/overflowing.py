"""A worker whose gradients overflow in some steps, which ends with what its optimizer did of them, as JSON.

python -m tests.tools.overflowing --model_dir=UNUSED, under TF_CONFIG
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from trainers.config import TrainingConfig
from trainers.runtime import cluster
from trainers.runtime.devices import make_strategy
from trainers.runtime.processes import joined
from trainers.training.optimizer import make_optimizer


def main() -> None:
    """Three steps: one with an overflow on the last replica alone, one with it on the first alone, one without."""
    found = cluster.find("multi_worker_mirrored")
    with joined(found, {}, timeout_s=20.0):
        devices = make_strategy("multi_worker_mirrored", found)
        with devices.scope():
            variable = keras.Variable([3.0, 4.0])
            optimizer = make_optimizer(TrainingConfig(optimizer="sgd"), policy="mixed_float16")
            optimizer.build([variable])
        optimizer.learning_rate.assign(0.5)
        last = devices.num_replicas_in_sync - 1

        @tf.function
        def step(overflowing):
            def replica():
                number = tf.distribute.get_replica_context().replica_id_in_sync_group
                share = 2.0**15 / devices.num_replicas_in_sync
                gradient = tf.where(tf.equal(number, overflowing), np.inf, share)
                optimizer.apply([tf.stack([gradient, 0.0])], [variable])

            devices.run(replica)

        for overflowing in (last, 0, -1):
            step(tf.constant(overflowing))
        done = {"variable": variable.numpy().tolist(), "scale": float(optimizer.dynamic_scale.numpy())}
        print(json.dumps({**done, "steps": int(optimizer.iterations.numpy())}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
