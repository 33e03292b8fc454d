"""How much there is to be had: memory and disk. Bytes; standard library only."""

import os
import re
import resource
import shutil
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


def _machine_available() -> int | None:
    kilobytes = _fields(Path("/proc/meminfo")).get("MemAvailable")
    if kilobytes is not None:
        return kilobytes * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2  # no Linux: half of all there is


def _cgroup_available(own: Path = Path("/proc/self/cgroup"), mounts: Path = Path("/proc/self/mountinfo")) -> list[int]:
    """What the limits of this process's control group and of those above it leave (version 2 and 1)."""
    try:
        lines = [line.split(":", 2) for line in os.fsdecode(own.read_bytes()).split("\n") if line.count(":") >= 2]
        hierarchies = _hierarchies(os.fsdecode(mounts.read_bytes()))
    except OSError:
        return []
    found = []
    for _, controllers, path in lines:
        limits: tuple[str, ...] = ("memory.max", "memory.high")
        usage = "memory.current"
        if "memory" in controllers.split(","):
            limits, usage = ("memory.limit_in_bytes",), "memory.usage_in_bytes"
        elif controllers:
            continue
        for root, base in hierarchies["memory" if controllers else "version 2"]:
            inside = os.path.relpath(path, root) if Path(path).is_relative_to(root) else "."
            group = base / inside
            for folder in (group, *group.parents):
                if folder.is_relative_to(base):
                    found += [_group_available(folder, limit, usage) for limit in limits]
    return [value for value in found if value is not None]


def _hierarchies(mountinfo: str) -> dict[str, list[tuple[str, Path]]]:
    """Where groups are seen: (the group that is mounted, the folder) of version 2, and of version 1's `memory`.

    The kernel writes blanks, tabs, newlines and backslashes as octal escapes (proc_pid_mountinfo(5)).
    """
    found: dict[str, list[tuple[str, Path]]] = {"version 2": [], "memory": []}
    for line in mountinfo.split("\n"):
        mount, _, system = line.partition(" - ")
        fields, (kind, *_, options) = mount.split(" "), (system.split(" ") if system else ("", ""))
        if kind == "cgroup2" or (kind == "cgroup" and "memory" in options.split(",")):
            root, folder = (re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), text) for text in fields[3:5])
            found["version 2" if kind == "cgroup2" else "memory"].append((root, Path(folder)))
    return found


def _group_available(folder: Path, limit: str, usage: str) -> int | None:
    try:
        most = (folder / limit).read_text(encoding="utf-8").strip()
        if most == "max":
            return None
        statistics = _fields(folder / "memory.stat")
        # page cache, given back under pressure; version 1 counts that of the groups below apart
        reclaimable = statistics.get("total_inactive_file", statistics.get("inactive_file", 0))
        return int(most) - int((folder / usage).read_text(encoding="utf-8")) + reclaimable
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
        parts = [line.replace(":", " ").split() for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return {}
    return {part[0]: int(part[1]) for part in parts if len(part) > 1 and part[1].isdigit()}
