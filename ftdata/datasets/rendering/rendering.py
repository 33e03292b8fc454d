"""Renders a small photo-like image of a shape: surface, shadow, lit object, light, camera, JPEG.

Everything is a pure function of the Generator handed in: the same seed gives the same bytes under one
version of numpy and Pillow. Needs neither TensorFlow nor any file.
"""

import io
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ftdata.datasets.rendering import backgrounds, materials
from ftdata.datasets.rendering.outlines import Outline

SUPERSAMPLING = 3
JPEG_QUALITY = 85
SLOPE_GAIN = 5  # from a height field's slope per pixel to about -1..1
TEXTURE_PIXELS = 64  # the unit of length of a material's grain

Array = np.ndarray
Frame = tuple[int, int, int, int]  # left, top, right, bottom, pixels


class Part(NamedTuple):
    """Outlines (see `ftdata.datasets.rendering.outlines`) of one material."""

    material: str  # one of materials.MATERIALS
    solids: Sequence[Outline]
    holes: Sequence[Outline] = ()  # cut out of the solids
    dents: Sequence[Outline] = ()  # pressed into them: bowls, grooves, veins


class Scene(NamedTuple):
    """What is photographed; the parts lie over each other in order, and without any it is the surface alone."""

    parts: Sequence[Part]
    background: str  # one of backgrounds.FAMILIES
    zoom: float = 0.8  # half the image's width is 1 / zoom units of the shape
    focus: tuple[float, float] = (0.0, 0.0)  # the point of the shape near the image's middle


def photograph(scene: Scene, *, size: int, rng: np.random.Generator) -> Array:
    """The image of a scene from a random side under random light, uint8 [size, size, 3]."""
    image = backgrounds.draw(scene.background, size=size, rng=rng)
    projection = _random_projection(scene, size=size, rng=rng)
    masks = [_mask(part.solids, part.holes, projection=projection, size=size) for part in scene.parts]
    if masks:
        image *= _shadow(masks, rng)[:, :, None]
    sun, roundness = rng.uniform(0, 2 * math.pi), rng.uniform(1.2, 3.2)
    for part, mask in zip(scene.parts, masks, strict=True):
        dents = _mask(part.dents, (), projection=projection, size=size) if part.dents else None
        frame = _frame(mask)
        height = _height(mask.crop(frame), dents and dents.crop(frame), roundness=roundness, rng=rng)
        surface = _surface(height, frame=frame, sun=sun, projection=projection)
        paint = materials.paint(part.material, surface=surface, rng=rng)
        _lay_over(image, paint, mask=mask.crop(frame), frame=frame)
    image *= _light(size, rng)[:, :, None]
    return _camera(image, rng)


def jpeg(image: Array, *, quality: int = JPEG_QUALITY) -> bytes:
    """A uint8 [height, width, 3] image as the bytes of a JPEG file."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="JPEG", quality=quality)
    return stream.getvalue()


def _random_projection(scene: Scene, *, size: int, rng: np.random.Generator) -> Array:
    """The 3x3 map from shape points (x, y, 1) to pixels (x w, y w, w): any turn, a little lean."""
    angle = rng.uniform(0, 2 * math.pi)
    cos, sin = math.cos(angle), math.sin(angle)
    lean = np.array([(rng.uniform(0.85, 1.15), rng.uniform(-0.15, 0.15)), (0.0, 1.0)])
    projection = np.eye(3)
    projection[:2, :2] = scene.zoom * np.array([(cos, -sin), (sin, cos)]) @ lean
    projection[2, :2] = rng.uniform(-0.15, 0.15, size=2)
    at = projection @ (*scene.focus, 1.0)
    slack = 0.1 + 0.35 * max(0.0, 1.0 - scene.zoom)
    shift = rng.uniform(-slack, slack, size=2) - at[:2] / at[2]
    to_pixels = np.array([(size / 2, 0, size / 2), (0, size / 2, size / 2), (0, 0, 1)])
    return to_pixels @ np.array([(1, 0, shift[0]), (0, 1, shift[1]), (0, 0, 1)]) @ projection


def _mask(solids: Sequence[Outline], holes: Sequence[Outline], *, projection: Array, size: int) -> Image.Image:
    """Coverage 0..255 of every pixel: drawn three times as large, then averaged."""
    canvas = Image.new("L", (size * SUPERSAMPLING, size * SUPERSAMPLING))
    pen = ImageDraw.Draw(canvas)
    for outlines, fill in ((solids, 255), (holes, 0)):
        for outline in outlines:
            points = outline @ projection[:, :2].T + projection[:, 2]
            pixels = np.rint(points[:, :2] / points[:, 2:] * SUPERSAMPLING)
            pen.polygon(pixels.ravel().tolist(), fill=fill)
    return canvas.reduce(SUPERSAMPLING)


def _shadow(masks: Sequence[Image.Image], rng: np.random.Generator) -> Array:
    """How much light the surface keeps around the object, float32 [size, size]."""
    union = np.max([np.asarray(mask) for mask in masks], axis=0)
    reach = rng.uniform(1, 7)
    angle = rng.uniform(0, 2 * math.pi)
    offset = (1, 0, -reach * math.cos(angle), 0, 1, -reach * math.sin(angle))
    cast = Image.fromarray(union).transform(masks[0].size, Image.Transform.AFFINE, offset).reduce(2)
    soft = cast.filter(ImageFilter.GaussianBlur(0.3 + 0.22 * reach)).resize(masks[0].size)
    return 1 - rng.uniform(0.2, 0.65) / 255 * np.asarray(soft, np.float32)


def _frame(mask: Image.Image) -> Frame:
    """The part of the image worth painting: the mask and room for its blur."""
    left, top, right, bottom = mask.getbbox() or (0, 0, 1, 1)
    room = 3
    width, height = mask.size
    return max(left - room, 0), max(top - room, 0), min(right + room, width), min(bottom + room, height)


def _height(mask: Image.Image, dents: Image.Image | None, *, roundness: float, rng: np.random.Generator) -> Array:
    """A rounded height field, float32 [height, width]: blurred coverage less the blurred dents."""
    height = np.asarray(mask.filter(ImageFilter.GaussianBlur(roundness)), np.float32) / 255
    if dents is None:
        return height
    pressed = np.asarray(dents.filter(ImageFilter.GaussianBlur(roundness)), np.float32)
    return height - rng.uniform(0.8, 1.3) / 255 * pressed


def _surface(height: Array, *, frame: Frame, sun: float, projection: Array) -> materials.Surface:
    left, top, right, bottom = frame
    down, to_right = np.gradient(height)
    facing = SLOPE_GAIN * (math.cos(sun) * to_right + math.sin(sun) * down)
    axis_x, axis_y = (projection[:2, 1] / np.hypot(*projection[:2, 1])).tolist()
    steps = np.arange(max(right, bottom), dtype=np.float32) / TEXTURE_PIXELS
    x, y = steps[None, left:right], steps[top:bottom, None]
    return materials.Surface(facing, axis_y * x - axis_x * y, axis_x * x + axis_y * y)


def _lay_over(image: Array, paint: Array, *, mask: Image.Image, frame: Frame) -> None:
    """Puts the paint onto the image where the mask covers it."""
    left, top, right, bottom = frame
    below = image[top:bottom, left:right]
    below += (np.asarray(mask, np.float32) / 255)[:, :, None] * (paint - below)


def _light(size: int, rng: np.random.Generator) -> Array:
    """Brightness over the image: a slope, darker corners and at times the edge of a shadow."""
    x, y = backgrounds.pixel_grid(size)
    light = rng.uniform(0.8, 1.15) + rng.uniform(-0.22, 0.22) * x + rng.uniform(-0.22, 0.22) * y
    light -= rng.uniform(0, 0.18) * (x * x + y * y)
    if rng.random() < 0.3:
        angle, place, width = rng.uniform(0, 2 * math.pi), rng.uniform(-0.8, 0.8), rng.uniform(0.03, 0.3)
        side = (math.cos(angle) * x + math.sin(angle) * y - place) / width
        light *= 1 - rng.uniform(0.1, 0.4) * np.clip(side + 0.5, 0, 1)
    return light


def _camera(image: Array, rng: np.random.Generator) -> Array:
    """White balance, sensor noise, rounding to uint8 and a lens that is at times out of focus."""
    image *= rng.uniform(0.92, 1.08, size=3).astype(np.float32)
    grain = rng.standard_normal(image.shape[:2], dtype=np.float32)
    image += rng.uniform(0.004, 0.03) * grain[:, :, None]
    image *= 255
    pixels = np.clip(image, 0, 255, out=image).astype(np.uint8)
    if rng.random() < 0.5:
        return pixels
    blur = ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9))
    return np.asarray(Image.fromarray(pixels).filter(blur))
