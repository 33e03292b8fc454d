"""`--quick` of the cheapest benchmark, as a user runs it."""

import json
import subprocess
import sys

import pytest

from tests import ROOT


@pytest.mark.slow
def test_a_trial_writes_the_json_that_scripts_rely_on(tmp_path):
    result = tmp_path / "scaling.json"
    command = [sys.executable, "-m", "benchmarks.scaling", "--quick", "--tiers=memory", f"--json={result}"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    written = json.loads(result.read_text())
    assert {"hardware", "software", "date", "rows"} <= set(written)
    for row in written["rows"]:
        assert {"name", "batch_size", "images_per_second", "repeats", "vs_baseline"} <= set(row)
        assert set(row["images_per_second"]) == {"median", "p10", "p90"}
        assert row["images_per_second"]["p10"] <= row["images_per_second"]["p90"]
    assert [row["name"] for row in written["rows"]] == ["memory, 100 images", "memory, 1,000 images"]
    assert written["rows"][0]["vs_baseline"] == 1.0
    assert "against baseline" in run.stdout


@pytest.mark.slow
def test_a_trial_of_lora_counts_what_trains(tmp_path):
    result = tmp_path / "lora.json"
    command = [sys.executable, "-m", "benchmarks.lora", "--quick", "--backbone=MobileNetV2", f"--json={result}"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    every, few = json.loads(result.read_text())["rows"]
    assert (every["trained"], few["trained"]) == ("385,891", "29,059")
    assert min(every["peak_MiB"], few["peak_MiB"]) > every["built_MiB"] > 100
