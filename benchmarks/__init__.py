"""Images per second, measured against what people use today and against what the hardware can do."""

import trainers  # noqa: F401, decides how TensorFlow starts
from ftdata import stderr

with stderr.quiet_import():  # its chatter would stand above every table
    import tensorflow  # noqa: F401
