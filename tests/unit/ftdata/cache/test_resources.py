"""What is left is read off the system: real limits where the machine allows them."""

import os
import resource
import subprocess
import sys

import pytest

from ftdata.cache import resources

_MIB = 2**20


def test_memory_is_between_nothing_and_all_there_is():
    fields = resources._fields(resources.Path("/proc/meminfo"))
    assert 0 < resources.available_memory() <= fields["MemTotal"] * 1024


def test_an_address_space_limit_counts():
    limit = 3000 * _MIB
    code = "from ftdata.cache import resources; print(resources.available_memory())"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert 1000 * _MIB < int(answer.stdout) < limit


_V2, _V1 = "cgroup2 cgroup2 rw", "cgroup cgroup rw,memory"


@pytest.mark.parametrize(
    ("line", "mount", "files", "expected"),
    [
        # version 2: the group and the one above it; page cache that can be given back does not count as used
        ("0::/job/step", ("/", "", _V2), {"job/memory.max": "1000", "job/memory.current": "300"}, [700]),
        (
            "0::/job/step",
            ("/", "", _V2),
            {
                "job/step/memory.max": "500",
                "job/step/memory.current": "450",
                "job/step/memory.stat": "anon 1\ninactive_file 100",
                "job/memory.max": "max",
                "job/memory.current": "450",
            },
            [150],
        ),
        ("0::/", ("/", "", _V2), {"memory.max": "max", "memory.current": "1"}, []),
        # the kernel slows a group down above memory.high
        ("0::/a", ("/", "", _V2), {"a/memory.max": "900", "a/memory.high": "600", "a/memory.current": "1"}, [899, 599]),
        # names with blanks, a colon, a backslash, a newline's neighbour; a hierarchy at a folder with a blank
        ("0::/my job/a:b\\c\x0b", ("/", "", _V2), {"my job/a:b\\c\x0b/memory.max": "9"}, []),
        (
            "0::/my job/a:b\\c\x0b",
            ("/", "at here", _V2),
            {"at here/my job/a:b\\c\x0b/memory.max": "9", "at here/my job/a:b\\c\x0b/memory.current": "2"},
            [7],
        ),
        # version 1; in a container its own group is mounted, and what is below it counts too
        (
            "4:cpu,memory:/docker/x",
            ("/", "memory", _V1),
            {"memory/docker/x/memory.limit_in_bytes": "900", "memory/docker/x/memory.usage_in_bytes": "100"},
            [800],
        ),
        (
            "4:memory:/my docker/x/sub",
            ("/my docker/x", "memory", _V1),
            {
                "memory/memory.limit_in_bytes": "900",
                "memory/memory.usage_in_bytes": "100",
                "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 5",
                "memory/sub/memory.limit_in_bytes": "90",
                "memory/sub/memory.usage_in_bytes": "10",
            },
            [80, 805],
        ),
        ("9:cpuset:/a", ("/", "", _V2), {"a/memory.max": "5", "a/memory.current": "1"}, []),  # another hierarchy
        ("no control groups", ("/", "", _V2), {"memory.max": "5", "memory.current": "1"}, []),
    ],
)
def test_control_group_limits(tmp_path, line, mount, files, expected):
    root, folder, system = mount
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    own, mounts = tmp_path / "own", tmp_path / "mounts"
    own.write_text(line + "\n", newline="")
    place = str(tmp_path / folder).replace("\\", "\\134").replace(" ", "\\040")
    root = root.replace(" ", "\\040")
    mounts.write_text(f"31 23 0:28 / / rw - ext4 /dev/a rw\n35 31 0:32 {root} {place} rw shared:9 - {system}\n")
    assert resources._cgroup_available(own, mounts) == expected


def test_a_group_with_a_blank_in_its_name_counts_on_this_machine():
    root = resources.Path(
        "/sys/fs/cgroup/memory" if resources.Path("/sys/fs/cgroup/memory").is_dir() else "/sys/fs/cgroup"
    )
    group = root / f"ft data {os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control groups can be made here: {error.strerror}")
    try:
        limit = next(group / name for name in ("memory.limit_in_bytes", "memory.max") if (group / name).exists())
        limit.write_text(str(500 * _MIB))
        code = f"open({str(group / 'cgroup.procs')!r}, 'w').write(str(__import__('os').getpid())); "
        code += "from ftdata.cache import resources; print(resources.available_memory())"
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert 400 * _MIB < int(answer.stdout) <= 500 * _MIB
    except (StopIteration, subprocess.CalledProcessError) as error:
        pytest.skip(f"no memory control here: {error}")
    finally:
        group.rmdir()


def test_free_disk_of_a_folder_that_is_not_there_yet(tmp_path):
    assert resources.free_disk(tmp_path / "not" / "there") > 0
