"""The flags of the benchmarks."""

import sys

from absl import flags

from flags.train import FlagError


def parse(argv: list[str]) -> flags.FlagValues:
    """Reads `--json=FILE` and `--quick`; ends the program with a line and status 2 on anything else."""
    values = flags.FlagValues()
    flags.DEFINE_string("json", None, "file for the results", flag_values=values)
    flags.DEFINE_bool("quick", False, "fewer repeats on smaller batches: does it run, not how fast", flag_values=values)
    if "--help" in argv:
        print("flags:\n  --json=FILE  write the results there\n  --quick      fewer repeats, smaller batches")
        sys.exit(0)
    try:
        rest = values(argv)[1:]
        if rest:
            raise FlagError(f"{rest[0]!r} is not a flag; the flags are --json=FILE and --quick")
    except (flags.Error, FlagError) as error:
        print(str(error).splitlines()[0], file=sys.stderr)
        sys.exit(2)
    return values
