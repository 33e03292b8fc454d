"""What is recorded of a machine."""

import json

import tensorflow as tf

from trainers.runtime import hardware


def test_the_machine_is_described_in_json_values_and_limits_count(monkeypatch):
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    before = hardware.description(strategy)
    assert json.loads(json.dumps(before)) == before
    assert before["devices"] == "1 CPU"
    assert before["threads"]["cores"] >= 1
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    limited = hardware.description(strategy)
    assert limited["limits"]["ONEDNN_MAX_CPU_ISA"] == "AVX2"
    assert {**limited, "limits": before["limits"]} == before
