"""How much memory is free on the NVIDIA GPUs that this process may use. Bytes; standard library only.

`CUDA_VISIBLE_DEVICES` as in NVIDIA's CUDA C++ Programming Guide, "CUDA Environment Variables": a list of numbers, of
UUIDs or beginnings of them, or of a MIG device; what stands behind an entry that is no device is not visible. The
numbers are CUDA's own, which are those of nvidia-smi with CUDA_DEVICE_ORDER=PCI_BUS_ID or where all GPUs are alike.
"""

import dataclasses
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

_LONGEST_S = 20


@dataclasses.dataclass(frozen=True)
class _Gpu:
    """`parts`: the free bytes of its MIG devices by their names; none where it is not partitioned."""

    uuid: str
    product: str
    free: int
    parts: Mapping[str, int]

    @property
    def least_free(self) -> int:
        """Of the device that CUDA takes for this GPU, which in a partitioned one may be any part."""
        return min(self.parts.values(), default=self.free)


def free_memory(environment: Mapping[str, str] = os.environ) -> int:
    """Free memory of the fullest GPU among those that are visible to this process; 0 without one."""
    try:
        gpus = _gpus()
    except (OSError, ValueError, subprocess.SubprocessError, ElementTree.ParseError):
        return 0
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return min((gpu.least_free for gpu in gpus), default=0)
    is_in_order = environment.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID" or len({gpu.product for gpu in gpus}) == 1
    return min(_visible(visible.split(","), gpus, is_in_order=is_in_order), default=0)


def _visible(entries: Sequence[str], gpus: Sequence[_Gpu], *, is_in_order: bool) -> list[int]:
    """The free memory of each device that the entries name, up to the first that names none."""
    found = []
    if len({entry.strip() for entry in entries}) < len(entries):  # one named twice: none is visible
        return []
    for entry in entries:
        free = _named(entry.strip(), gpus, is_in_order=is_in_order)
        if free is None:
            break
        found.append(free)
        if entry.strip().startswith("MIG-"):  # a process gets one MIG device, and nothing beside it
            break
    return found


def _named(entry: str, gpus: Sequence[_Gpu], *, is_in_order: bool) -> int | None:
    if entry.startswith("MIG-"):
        return next((free for gpu in gpus for name, free in gpu.parts.items() if name == entry), None)
    if entry.startswith("GPU-"):
        fitting = [gpu for gpu in gpus if gpu.uuid.startswith(entry)]
        return fitting[0].least_free if len(fitting) == 1 else None
    number = re.match(r"\d+", entry)
    if number is None or int(number[0]) >= len(gpus):
        return None
    # GPUs of several kinds are numbered by their speed, which nvidia-smi does not tell: the least is safe
    return gpus[int(number[0])].least_free if is_in_order else min(gpu.least_free for gpu in gpus)


def _gpus() -> list[_Gpu]:
    """All, in the order of nvidia-smi, which is that of the bus."""
    root = ElementTree.fromstring(_ask("-q", "-x"))
    gpus = root.findall("gpu")
    names = _mig_names(_ask("-L")) if root.find(".//mig_device") is not None else {}
    found = []
    for place, gpu in enumerate(gpus):
        uuid, parts = gpu.findtext("uuid", ""), dict[str, int]()
        for number, part in enumerate(gpu.findall("mig_devices/mig_device")):
            free, key = _free(part), (place, int(part.findtext("index", str(number))))
            ids = (part.findtext(f"{kind}_instance_id", "") for kind in ("gpu", "compute"))
            parts["/".join((f"MIG-{uuid}", *ids))] = free  # its name under drivers before 470
            parts |= {names[key]: free} if key in names else {}
        found.append(_Gpu(uuid, gpu.findtext("product_name", ""), _free(gpu), parts))
    return found


def _free(element: ElementTree.Element) -> int:
    return int(element.findtext("fb_memory_usage/free", "").removesuffix(" MiB")) * 2**20


def _mig_names(listing: str) -> dict[tuple[int, int], str]:
    """The UUIDs of MIG devices by the places of the GPU and of the device in it."""
    names, place = dict[tuple[int, int], str](), -1
    for line in listing.splitlines():
        place += line.startswith("GPU ")
        if found := re.match(r"\s+MIG .*Device\s+(\d+): \(UUID: (MIG-[^)]+)\)", line):
            names[place, int(found[1])] = found[2]
    return names


def _ask(*options: str) -> str:
    command = ["nvidia-smi", *options]
    done = subprocess.run(command, capture_output=True, timeout=_LONGEST_S, check=True)
    return done.stdout.decode("utf-8", errors="replace")
