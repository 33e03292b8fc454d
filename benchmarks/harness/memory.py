"""Memory of this process, as the Linux kernel counts it."""

from pathlib import Path

_NAMES = {"VmRSS": "rss_mib", "RssAnon": "rss_anon_mib", "VmHWM": "peak_rss_mib"}


def now() -> dict[str, float]:
    """Resident, resident and anonymous (no files), and the peak of resident memory; where there is a GPU, its peak.

    MiB, by `rss_mib`, `rss_anon_mib`, `peak_rss_mib` and `peak_gpu_mib`.
    """
    return {**parse(Path("/proc/self/status").read_text(encoding="utf-8")), **_gpu()}


def parse(status: str) -> dict[str, float]:
    """The same from the text of /proc/PID/status, whose numbers are KiB."""
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return {name: int(fields[key].split()[0]) / 1024 for key, name in _NAMES.items()}


def _gpu() -> dict[str, float]:
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return {}
    return {"peak_gpu_mib": tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20}
