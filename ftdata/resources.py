"""How much there is to be had: memory, disk, accelerator memory. Bytes; standard library only."""

import os
import resource
import shutil
import subprocess
from pathlib import Path


def available_memory() -> int:
    """Host memory this process may still take: the least that the machine, the cgroup and the limits leave."""
    candidates = [_machine_available(), *_cgroup_available(), *_rlimit_available()]
    return max(0, min(value for value in candidates if value is not None))


def free_disk(folder: Path) -> int:
    """Free space where `folder` is or would be made."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def free_gpu_memory() -> int:
    """Free memory of the fullest NVIDIA GPU; 0 without one."""
    command = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        return min(int(line) for line in answer.split()) * 2**20
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def _machine_available() -> int | None:
    kilobytes = _fields(Path("/proc/meminfo")).get("MemAvailable")
    if kilobytes is not None:
        return kilobytes * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2  # no Linux: half of all there is


def _cgroup_available(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> list[int]:
    """What the limits of this process's control group and of those above it leave (version 2, else 1)."""
    try:
        lines = [line.split(":", 2) for line in own.read_text().split()]
    except OSError:
        return []
    found = []
    for _, controllers, path in lines:
        base, limit, usage = root, "memory.max", "memory.current"
        if "memory" in controllers.split(","):
            base, limit, usage = root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
        elif controllers:
            continue
        group = base / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(base):
                found.append(_group_available(folder, limit, usage))
    return [value for value in found if value is not None]


def _group_available(folder: Path, limit: str, usage: str) -> int | None:
    try:
        most = (folder / limit).read_text().strip()
        if most == "max":
            return None
        statistics = _fields(folder / "memory.stat")
        reclaimable = statistics.get("inactive_file", 0)  # page cache, given back under pressure
        return int(most) - int((folder / usage).read_text()) + reclaimable
    except (OSError, ValueError):
        return None


def _rlimit_available() -> list[int]:
    """What `ulimit -v` and `ulimit -d` leave."""
    status = _fields(Path("/proc/self/status"))
    found = []
    for limit, used in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        soft, _ = resource.getrlimit(limit)
        if soft != resource.RLIM_INFINITY:
            found.append(soft - status.get(used, 0) * 1024)
    return found


def _fields(path: Path) -> dict[str, int]:
    """The numbers of a file of lines `name: number ...` or `name number`."""
    try:
        parts = [line.replace(":", " ").split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {part[0]: int(part[1]) for part in parts if len(part) > 1 and part[1].isdigit()}
