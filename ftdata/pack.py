"""Write shards from a folder of images: `python -m ftdata.pack --image_dir=FOLDER --output=FOLDER --format=tfrecord`.

They are read by `--records=FOLDER` with the split and the order of the folder, and by what else reads their format.
"""

import sys


def main(argv: list[str]) -> int:
    """Packs; returns the exit status."""
    from flags.pack import FLAGS, parse

    config = parse(argv)
    from ftdata import stderr
    from ftdata.errors import UserError, with_dashes

    with stderr.quiet_import():  # of TensorFlow
        from ftdata.records import packing

    try:
        packing.pack(config)
    except UserError as error:
        print(f"error: {with_dashes(str(error), FLAGS)}", file=sys.stderr)
        return 1
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        print(f"error: {error.strerror or error}{where}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
