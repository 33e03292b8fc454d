"""Write shards from a folder of images: `python -m ftdata.pack --image_dir=FOLDER --output=FOLDER --format=tfrecord`.

They are read by `--records=FOLDER` with the split and the order of the folder, and by what else reads their format.
"""

import sys


def main(argv: list[str]) -> int:
    """Packs; returns the exit status."""
    from flags.pack import parse

    config = parse(argv)
    from ftdata.errors import UserError
    from ftdata.records import packing

    try:
        packing.pack(config)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        print(f"error: {error.strerror or error}{where}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
