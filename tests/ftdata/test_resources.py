"""What is left is read off the system: real limits where the machine allows them."""

import resource
import subprocess
import sys

import pytest

from ftdata import resources

_MIB = 2**20


def test_memory_is_between_nothing_and_all_there_is():
    fields = resources._fields(resources.Path("/proc/meminfo"))
    assert 0 < resources.available_memory() <= fields["MemTotal"] * 1024


def test_an_address_space_limit_counts():
    limit = 3000 * _MIB
    code = "from ftdata import resources; print(resources.available_memory())"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert 1000 * _MIB < int(answer.stdout) < limit


@pytest.mark.parametrize(
    ("line", "files", "expected"),
    [
        # version 2: the group and the one above it; page cache that can be given back does not count as used
        ("0::/job/step", {"job/memory.max": "1000", "job/memory.current": "300"}, [700]),
        (
            "0::/job/step",
            {
                "job/step/memory.max": "500",
                "job/step/memory.current": "450",
                "job/step/memory.stat": "anon 1\ninactive_file 100",
                "job/memory.max": "max",
                "job/memory.current": "450",
            },
            [150],
        ),
        ("0::/", {"memory.max": "max", "memory.current": "1"}, []),
        # version 1
        (
            "4:cpu,memory:/docker/x",
            {"memory/docker/x/memory.limit_in_bytes": "900", "memory/docker/x/memory.usage_in_bytes": "100"},
            [800],
        ),
        ("9:cpuset:/a", {"a/memory.max": "5", "a/memory.current": "1"}, []),  # another controller's hierarchy
    ],
)
def test_control_group_limits(tmp_path, line, files, expected):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    own = tmp_path / "own"
    own.write_text(line + "\n")
    assert resources._cgroup_available(tmp_path, own) == expected


def test_free_disk_of_a_folder_that_is_not_there_yet(tmp_path):
    assert resources.free_disk(tmp_path / "not" / "there") > 0


def test_no_gpu_is_no_memory(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert resources.free_gpu_memory() == 0


def test_the_fullest_gpu_counts(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 81000\necho 500\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert resources.free_gpu_memory() == 500 * _MIB
