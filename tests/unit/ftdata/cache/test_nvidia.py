"""Which GPUs count: a program that answers as nvidia-smi does, and the rules of CUDA_VISIBLE_DEVICES."""

import pytest

from ftdata.cache import nvidia

_MIB = 2**20
_GPU = """<gpu id="0000000{k}:00.0"><product_name>{product}</product_name><uuid>{uuid}</uuid>
<fb_memory_usage><total>81920 MiB</total><free>{free} MiB</free></fb_memory_usage>
<mig_devices>{parts}</mig_devices></gpu>"""
_PART = """<mig_device><index>{k}</index><gpu_instance_id>{instance}</gpu_instance_id>
<compute_instance_id>0</compute_instance_id><fb_memory_usage><free>{free} MiB</free></fb_memory_usage></mig_device>"""
_NO_PARTS = "\n\t\tNone\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Makes a machine whose nvidia-smi answers with these texts to -q -x and -L."""

    def make(gpus, listing=""):
        (tmp_path / "gpus").write_text(f"<?xml version='1.0' ?><nvidia_smi_log>{''.join(gpus)}</nvidia_smi_log>")
        (tmp_path / "list").write_text(listing)
        program = tmp_path / "nvidia-smi"
        program.write_text(f'#!/bin/sh\n[ "$1" = -L ] && exec cat {tmp_path}/list\nexec cat {tmp_path}/gpus\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    return make


def gpu(k, uuid, free, *, product="H100", parts=_NO_PARTS):
    return _GPU.format(k=k, uuid=uuid, free=free, product=product, parts=parts)


def test_no_gpu_is_no_memory(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia.free_memory({}) == 0


@pytest.mark.parametrize("answer", ["", "No devices were found", "<nvidia_smi_log></nvidia_smi_log>", "<gpu><"])
def test_an_answer_without_gpus_is_no_memory(answer, machine, tmp_path):
    machine([])
    (tmp_path / "gpus").write_text(answer)
    assert nvidia.free_memory({}) == 0


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, 500),
        ("0", 81000),
        ("1", 500),
        ("2", 7000),
        ("2,0", 7000),
        (" 2 , 0 ", 7000),
        ("0,1,2", 500),
        ("", 0),
        ("-1", 0),
        ("NoDevFiles", 0),
        ("0,-1,1", 81000),  # what stands behind an entry that is none is not visible
        ("0,7,1", 81000),
        ("7,0", 0),
        ("0,0", 0),
        ("GPU-aa2", 7000),
        ("GPU-aa0,GPU-aa2", 7000),
        ("GPU-aa", 0),  # it could be two of them
        ("GPU-zz,0", 0),
        ("MIG-none", 0),
    ],
)
def test_what_cuda_visible_devices_hides_does_not_count(visible, expected, machine):
    machine([gpu(0, "GPU-aa0", 81000), gpu(1, "GPU-b", 500), gpu(2, "GPU-aa2", 7000)])
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert nvidia.free_memory(environment) == expected * _MIB


def test_numbers_of_gpus_of_several_kinds_are_only_known_in_the_order_of_the_bus(machine):
    machine([gpu(0, "GPU-a", 900, product="T4"), gpu(1, "GPU-b", 80000)])
    assert nvidia.free_memory({"CUDA_VISIBLE_DEVICES": "1"}) == 900 * _MIB  # the fastest would be number 0
    assert nvidia.free_memory({"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}) == 80000 * _MIB
    assert nvidia.free_memory({"CUDA_VISIBLE_DEVICES": "GPU-b"}) == 80000 * _MIB


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, 3000),
        ("0", 3000),
        ("1", 70000),
        ("MIG-22", 4000),
        ("MIG-11", 3000),
        ("MIG-22,MIG-11", 4000),  # a process gets one
        ("MIG-GPU-a/5/0", 4000),
        ("MIG-GPU-a/9/0", 0),
    ],
)
def test_parts_of_a_gpu_count_by_themselves(visible, expected, machine):
    parts = _PART.format(k=0, instance=3, free=3000) + _PART.format(k=1, instance=5, free=4000)
    listing = (
        "GPU 0: H100 (UUID: GPU-a)\n  MIG 1g.10gb     Device  0: (UUID: MIG-11)\n"
        "  MIG 1g.10gb     Device  1: (UUID: MIG-22)\nGPU 1: H100 (UUID: GPU-b)\n"
    )
    machine([gpu(0, "GPU-a", 60000, parts=parts), gpu(1, "GPU-b", 70000)], listing)
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert nvidia.free_memory(environment) == expected * _MIB
