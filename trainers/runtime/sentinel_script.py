"""The process of sentinel.py: `python sentinel_script.py PROCESS SECONDS ADVICE [DESCRIPTOR NAME]...`

Ends when its standard input does, which is when the process it watches is past the block, or gone.
"""

import os
import select
import signal
import sys
import time


def main(process, seconds, advice, *peers):
    """Watches, and ends the process with a line."""
    names = {int(number): name for number, name in zip(peers[::2], peers[1::2], strict=True)}
    poll = select.poll()
    poll.register(0, select.POLLIN)
    for number in names:  # not POLLIN: what a living one sends stays unread meanwhile
        poll.register(number, getattr(select, "POLLRDHUP", 0))
    deadline = time.monotonic() + float(seconds)
    reason = ""
    while not reason:
        events = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        if any(number == 0 for number, _ in events):
            return
        gone = [names[number] for number, _ in events]
        if gone:
            reason = f"{gone[0]} is gone"
        elif time.monotonic() >= deadline:
            reason = f"TensorFlow has not joined the workers in {float(seconds):g} s"
    try:
        os.write(2, f"stopped: {reason}; {advice}\n".encode())
    except OSError:  # a terminal that is gone
        pass
    finally:
        os.kill(int(process), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
