"""Image bytes -> uint8 RGB image of one size. The one decoder of training, prediction and serving.

JPEG, PNG, BMP, GIF (first frame) and WebP, and for other channels than three .npy (see `npy`). Grey, alpha (dropped),
palette, 16-bit and CMYK images become three channels; the orientation in EXIF or XMP is honoured. The pixels are
Pillow's, except that of 16 bits of grey the high byte counts, which Pillow clips to 255. Graph operations only.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from ftdata.config import DataConfig
from ftdata.decoding import bmp, bytestring, exif, gif, jpeg, npy, png, reading, webp

# AutoGraph would take 1.8 s of the first trace, and there is nothing to convert
_AS_WRITTEN = tf.autograph.experimental.do_not_convert


@dataclasses.dataclass(frozen=True)
class Decoding:
    """How images become squares of one size; the fields are those of `ftdata.config.DataConfig`.

    `image_size` is the side in pixels. `resize` is `stretch` (the notebook's way), `crop` (the central square) or
    `pad` (black bars). `interpolation` is `bilinear` (antialiased) or `nearest` (the pixels of PIL, so of
    flow_from_directory). `jpeg_decode` is `full`, or `scaled`: a JPEG at least twice as large as needed is decoded
    at 1/2, 1/4 or 1/8 of its size, which leaves the rest of the shrinking to the resize (1200x1000 photos
    to 224: 1.9 times faster; the pixels are 1.0 of 255 apart on average, 24 at most). With other `channels` than 3
    every file is a .npy file of so many, into which `transcoding` turns a TIFF.
    """

    image_size: int
    resize: str = "stretch"
    interpolation: str = "bilinear"
    jpeg_decode: str = "full"
    channels: int = dataclasses.field(default=3, repr=False)  # not in the names of stores of images of three

    @classmethod
    def of(cls, config: DataConfig) -> "Decoding":
        """What `config`, its `image_size` set, asks for."""
        return cls(**{field.name: getattr(config, field.name) for field in dataclasses.fields(cls)})

    @_AS_WRITTEN
    def any_format(self, encoded: tf.Tensor) -> tf.Tensor:
        """Decodes one image of any supported format.

        Args:
          encoded: scalar string, the bytes of an image file.

        Returns:
          uint8 [image_size, image_size, channels].

        Raises:
          tf.errors.InvalidArgumentError: the bytes are no image of a supported format, or are damaged.
        """
        return self.to_square(self.own_size(encoded))

    def own_size(self, encoded: tf.Tensor) -> tf.Tensor:
        """As `any_format`, before it becomes a square: uint8 [height, width, channels]."""
        if self.channels != 3:
            return npy.decode(encoded, self.channels)
        return decode_full(encoded, stored=self._stored)

    @_AS_WRITTEN
    def plain_jpeg(self, encoded: tf.Tensor) -> tf.Tensor:
        """The pixels of `any_format` for a file that `jpeg.is_plain_jpeg`, at half the cost where it is small."""
        # no decode_and_crop_jpeg for `crop`: next to the cut it makes other colours than the whole image has
        return self.to_square(self._stored(encoded))

    @_AS_WRITTEN
    def decode_batch(
        self,
        files: tf.Tensor,
        *,
        plain: bool = False,
        read: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
        parallel_iterations: int | None = None,
        together: bool = True,
    ) -> tf.Tensor:
        """Decodes many images.

        Args:
          files: string [b], the bytes of image files, or what `read` makes such bytes from.
          plain: whether all of them are `jpeg.is_plain_jpeg`.
          read: of one file, such as `tf.io.read_file`.
          parallel_iterations: how many are decoded at a time inside a graph; `tf.map_fn`'s own default where None.
          together: whether to read all of them before the first is decoded, where they are read best like that.

        Returns:
          uint8 [b, image_size, image_size, channels].

        Raises:
          tf.errors.InvalidArgumentError: as `any_format`, if one of them does.
        """
        decode = self.plain_jpeg if plain and self.channels == 3 else self.any_format
        image = tf.TensorSpec((self.image_size, self.image_size, self.channels), tf.uint8)
        if together:
            files, read = reading.together(files, read)
        return tf.map_fn(
            lambda file: decode(read(file)), files, fn_output_signature=image, parallel_iterations=parallel_iterations
        )

    def _stored(self, encoded: tf.Tensor) -> tf.Tensor:
        if self.jpeg_decode == "full":
            return jpeg.stored(encoded)
        return jpeg.scaled(encoded, least_side=self.image_size, of="longer" if self.resize == "pad" else "shorter")

    def to_square(self, image: tf.Tensor) -> tf.Tensor:
        """Brings an image, uint8 [height, width, channels], to uint8 [image_size, image_size, channels]."""
        side = self.image_size
        if self.resize == "crop":
            image = _central_square(image)
        shape = tf.shape(image)
        height, width = (side, side) if self.resize != "pad" else _fit(shape, side)
        is_right_size = (shape[0] == height) & (shape[1] == width)
        resample = _nearest if self.interpolation == "nearest" else _bilinear
        image = tf.cond(is_right_size, lambda: image, lambda: resample(image, height, width))
        if self.resize == "pad":
            image = tf.image.pad_to_bounding_box(image, (side - height) // 2, (side - width) // 2, side, side)
        return tf.ensure_shape(image, [side, side, self.channels])


@_AS_WRITTEN
def decode_full(encoded: tf.Tensor, *, stored: Callable[[tf.Tensor], tf.Tensor] = jpeg.stored) -> tf.Tensor:
    """The upright image at its own size, uint8 [height, width, 3]; `stored` reads the pixels of a JPEG.

    Raises:
      tf.errors.InvalidArgumentError: no image of a supported format, damaged, or of more than `headers.MAX_PIXELS`.
    """

    def from_jpeg() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        found = jpeg.understood(encoded)
        return stored(found.encoded), found.block, found.xmp

    image, block, xmp = tf.cond(jpeg.is_jpeg(encoded), from_jpeg, lambda: _decode_other(encoded))
    return exif.upright(tf.ensure_shape(image, [None, None, 3]), exif.orientation(block, xmp))


def _decode_other(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    kinds = [tf.strings.substr(encoded, 0, len(start)) == start for start in _READERS]
    branches = [lambda reader=reader: reader(encoded) for reader in _READERS.values()]
    return tf.switch_case(tf.argmax(tf.stack(kinds), output_type=tf.int32), branches)


def _without_orientation(
    decode: Callable[[tf.Tensor], tf.Tensor],
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    return lambda encoded: (decode(encoded), tf.constant(b""), tf.constant(b""))


def _refuse(encoded: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([bytestring.refuse_unless(tf.constant(False), "no JPEG, PNG, BMP, GIF or WebP")]):
        return tf.io.decode_png(encoded, channels=3)


# bytes -> the pixels, the EXIF block and the XMP packet, by how a file begins
_READERS = {
    start: tf.function(read, input_signature=[tf.TensorSpec((), tf.string)], **bytestring.APART)
    for start, read in {
        b"\x89PNG": png.decode,
        b"GIF8": _without_orientation(gif.decode),
        b"RIFF": webp.decode,
        b"BM": _without_orientation(bmp.decode),
        b"": _without_orientation(_refuse),
    }.items()
}


def _central_square(image: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(image)
    side = tf.minimum(shape[0], shape[1])
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    return image[top : top + side, left : left + side]


def _fit(shape: tf.Tensor, side: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Height and width of the largest image of the same proportions inside the square."""
    scale = side / tf.cast(tf.maximum(shape[0], shape[1]), tf.float64)
    scaled = tf.cast(tf.round(tf.cast(shape[:2], tf.float64) * scale), tf.int32)
    height_width = tf.clip_by_value(scaled, 1, side)
    return height_width[0], height_width[1]


def _bilinear(image: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    size = tf.stack([height, width])
    shrinks = tf.reduce_any(tf.shape(image)[:2] > size)
    # where nothing shrinks there is nothing to antialias, and the plain kernel takes half the time
    resized = tf.cond(
        shrinks,
        lambda: tf.image.resize(image, size, antialias=True),
        lambda: tf.raw_ops.ResizeBilinear(images=image[None], size=size, half_pixel_centers=True)[0],
    )
    return tf.cast(tf.round(resized), tf.uint8)


def _nearest(image: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(image)
    rows = tf.gather(image, _nearest_positions(shape[0], height), axis=0)
    return tf.gather(rows, _nearest_positions(shape[1], width), axis=1)


def _nearest_positions(side: tf.Tensor, output_side: tf.Tensor) -> tf.Tensor:
    """PIL adds the step up in doubles; a product would round differently at ties."""
    step = tf.cast(side, tf.float64) / tf.cast(output_side, tf.float64)
    steps = tf.concat([[0.5 * step], tf.fill([output_side - 1], step)], 0)
    return tf.minimum(tf.cast(tf.floor(tf.cumsum(steps)), tf.int32), side - 1)
