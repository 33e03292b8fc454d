"""Pixels of a JPEG, whole or at a fraction of its size, and what its segments say; graph operations only.

Segments: ITU T.81 annex B; the marker of Adobe: its Technical Note 5116.
"""

import dataclasses

import tensorflow as tf

from ftdata.decoding import bytestring, exif, headers

_START = b"\xff\xd8\xff"
_RATIOS = (8, 4, 2)  # what the inverse DCT of libjpeg can leave out
_WINDOW = 48
_EXIF, _XMP, _ADOBE = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"Adobe"
_ADOBE_SEGMENT = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"  # transform 0: stored as it is


def is_plain_jpeg(encoded: bytes) -> bool:
    """Whether a file is an upright JPEG of usual colours and size, which needs no look at its segments.

    Known before the graph is built, it spares a small image half of its cost: the branches for other formats and
    for EXIF cost as much as decoding 200x200 pixels, though they do nothing.
    """
    if not encoded.startswith(_START):
        return False
    has_adobe, components, pixels = False, 0, 0
    for marker, start, _ in headers.jpeg_segments(encoded):
        if marker == 0xE1 and encoded.startswith((_EXIF, _XMP), start):
            return False
        has_adobe |= marker == 0xEE and encoded.startswith(_ADOBE, start)
        if headers.is_frame(marker) and start + 6 <= len(encoded):
            components = encoded[start + 5]
            height, width = (int.from_bytes(encoded[start + k : start + k + 2], "big") for k in (1, 3))
            pixels = height * width
    return pixels <= headers.MAX_PIXELS and (0 < components < 4 or (components == 4 and has_adobe))


def is_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    """Whether a scalar string begins as a JPEG does; bool scalar."""
    return tf.strings.substr(encoded, 0, len(_START)) == _START


@dataclasses.dataclass(frozen=True)
class Understood:
    """A JPEG that libjpeg reads as Pillow does, and what says its orientation: scalar strings all."""

    encoded: tf.Tensor
    block: tf.Tensor  # of EXIF
    xmp: tf.Tensor

    @property
    def orientation(self) -> tf.Tensor:
        """That of `exif.orientation`."""
        return exif.orientation(self.block, self.xmp)


@tf.autograph.experimental.do_not_convert
def understood(encoded: tf.Tensor) -> Understood:
    """Reads the segments of a JPEG.

    Four components without the marker of Adobe, which TensorFlow takes for inverted, get that marker: such files are
    written as Adobe's are, and so Pillow reads them.

    Raises:
      tf.errors.InvalidArgumentError: no frame header, or more pixels than `headers.MAX_PIXELS`.
    """
    return Understood(*_understood(encoded))


@tf.function(input_signature=[tf.TensorSpec((), tf.string)], **bytestring.APART)
def _understood(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    width, height, components, has_adobe, block, xmp = _segments(encoded)
    with tf.control_dependencies([bytestring.refuse_size(width, height)]):
        bare = (components == 4) & ~has_adobe
    marked = tf.cond(
        bare,
        lambda: tf.strings.join([_START[:2], _ADOBE_SEGMENT, bytestring.cut(encoded, 2, tf.strings.length(encoded))]),
        lambda: encoded,
    )
    return marked, block, xmp


def _segments(encoded: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Width, height (int64), components (int32), whether Adobe's marker is there, the EXIF block, the XMP packet."""
    size = tf.strings.length(encoded)

    def goes_on(position: tf.Tensor, is_over: tf.Tensor, *found: tf.Tensor) -> tf.Tensor:
        return ~is_over & (position < size)

    def step(position: tf.Tensor, is_over: tf.Tensor, *found: tf.Tensor) -> tuple[tf.Tensor, ...]:
        window = bytestring.read(encoded, position, _WINDOW)
        marker = window[1]
        is_segment = (window[0] == 0xFF) & (marker >= 0xC0) & (marker < 0xFF) & ((marker < 0xD0) | (marker > 0xDA))
        # what is no segment, as fill bytes and garbage, is passed over up to the next marker that could be
        pairs = (window[:-1] == 0xFF) & (window[1:] > 0x01) & (window[1:] < 0xFF)
        pairs &= (tf.range(_WINDOW - 1) > 0) & ((window[1:] < 0xD0) | (window[1:] > 0xD8))
        passed = tf.where(tf.reduce_any(pairs), tf.argmax(pairs, output_type=tf.int32), _WINDOW - 1)
        is_over = (window[0] == 0xFF) & ((marker == 0xD9) | (marker == 0xDA))
        length = tf.where(is_segment, 2 + tf.maximum(window[2] * 256 + window[3], 2), passed)
        found = tf.cond(is_segment, lambda: _look(encoded, position, window, *found), lambda: found)
        return position + length, is_over, *found

    nothing = (tf.zeros((), tf.int64),) * 2 + (tf.constant(0), tf.constant(False), tf.constant(b""), tf.constant(b""))
    _, _, *found = tf.while_loop(
        goes_on, step, (tf.constant(2), tf.constant(False), *nothing), maximum_iterations=bytestring.STEPS
    )
    return tuple(found)


def _look(encoded: tf.Tensor, position: tf.Tensor, window: tf.Tensor, *found: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """What is known after the segment at `position`, whose first bytes are `window`."""
    width, height, components, has_adobe, block, xmp = found
    marker, length = window[1], window[2] * 256 + window[3]

    def content(start: int) -> tf.Tensor:
        return bytestring.cut(encoded, position + start, length + 2 - start)

    is_first = (marker >= 0xC0) & (marker <= 0xCF) & tf.reduce_all(marker != [0xC4, 0xC8, 0xCC]) & (components == 0)
    height = tf.where(is_first, bytestring.big(window[5:7]), height)
    width = tf.where(is_first, bytestring.big(window[7:9]), width)
    components = tf.where(is_first, window[9], components)
    has_adobe |= (marker == 0xEE) & (length >= 14) & bytestring.same(window[4:9], _ADOBE)
    is_exif = (marker == 0xE1) & bytestring.same(window[4:10], _EXIF) & (tf.strings.length(block) < exif.MOST)
    block = tf.cond(is_exif, lambda: tf.strings.join([block, content(10)]), lambda: block)
    is_xmp = (marker == 0xE1) & bytestring.same(window[4:33], _XMP)
    xmp = tf.cond(is_xmp, lambda: content(33), lambda: xmp)
    return width, height, components, has_adobe, block, xmp


def stored(encoded: tf.Tensor) -> tf.Tensor:
    """The stored pixels, uint8 [height, width, 3], those of PIL.

    INTEGER_ACCURATE with fancy upscaling; TensorFlow's default is off by up to 5 levels.
    """
    return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")


def scaled(encoded: tf.Tensor, *, least_side: int, of: str) -> tf.Tensor:
    """The stored pixels at 1/2, 1/4 or 1/8 of their size, the smallest that `least_side` allows.

    Args:
      encoded: scalar string, the file.
      least_side: pixels that are needed.
      of: which side has to have them, `shorter` or `longer`.

    Returns:
      uint8 [ceil(height / ratio), ceil(width / ratio), 3]; the whole image where it is less than twice as large.
    """
    shape = tf.image.extract_jpeg_shape(encoded)[:2]
    side = tf.reduce_min(shape) if of == "shorter" else tf.reduce_max(shape)
    readers = [lambda: stored(encoded)] + [lambda ratio=ratio: _at(encoded, ratio) for ratio in reversed(_RATIOS)]
    steps = tf.reduce_sum(tf.cast(side >= tf.constant(_RATIOS) * least_side, tf.int32))
    return tf.switch_case(steps, readers)


def _at(encoded: tf.Tensor, ratio: int) -> tf.Tensor:
    return tf.io.decode_jpeg(encoded, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")
