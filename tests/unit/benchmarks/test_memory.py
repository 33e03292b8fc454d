"""What the kernel says of a process's memory."""

from benchmarks.harness import memory

_STATUS = """Name:\tpython
State:\tR (running)
VmPeak:\t 9000000 kB
VmHWM:\t  204800 kB
VmRSS:\t  102400 kB
RssAnon:\t   51200 kB
RssFile:\t   51200 kB
Threads:\t2
"""


def test_numbers_are_mib():
    assert memory.parse(_STATUS) == {"rss_mib": 100.0, "rss_anon_mib": 50.0, "peak_rss_mib": 200.0}


def test_this_process_has_some():
    now = memory.now()
    assert 10 < now["rss_anon_mib"] < now["rss_mib"] <= now["peak_rss_mib"]
