// A file, or a frame of the camera, -> the square that the model takes.

import { kindOf, MOST_BYTES, MOST_PIXELS, sizeOf } from "./header.js";
import { reduced, toSquare } from "./resize.js";

const TILE = 4096; // phones have no canvases of more than 16 million pixels

// What is wrong with an image, in words for whoever chose it.
export class ImageError extends Error {}

// The upright image: {bitmap: ImageBitmap, kind}. Its colours are as stored, without colour management, as in training.
export async function open(file) {
  const name = file.name ? `"${file.name}"` : "This file";
  if (file.size > MOST_BYTES) {
    throw new ImageError(`${name} is too large: ${Math.round(file.size / 2 ** 20)} MiB, and ${MOST_BYTES / 2 ** 20} MiB is the limit.`);
  }
  let bytes;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new ImageError(`${name} cannot be read. If it is a folder, choose an image inside it.`);
  }
  const kind = kindOf(bytes);
  if (kind === null) throw new ImageError(`${name} is not an image that can be read here: choose a JPEG, PNG, WebP, GIF or BMP.`);
  const [width, height] = sizeOf(bytes, kind) ?? [0, 0];
  if (width * height > MOST_PIXELS) {
    const millions = Math.ceil((width * height) / 1e4) / 100;
    throw new ImageError(
      `${name} is too large: ${width} × ${height} is ${millions} megapixels, and ${MOST_PIXELS / 1e6} is the limit. Make it smaller first.`,
    );
  }
  try {
    return { bitmap: await createImageBitmap(file, { colorSpaceConversion: "none" }), kind };
  } catch {
    if (kind === "HEIC") {
      throw new ImageError(`${name} is a HEIC photo, which this browser cannot read: save or share it as JPEG and choose that.`);
    }
    throw new ImageError(`${name} is a damaged ${kind} file, or too large for the memory of this browser.`);
  }
}

// {pixels: Uint8Array [side, side, 3], isTransparent} of an ImageBitmap.
export function squareOf(bitmap, kind, settings) {
  const whole = rowsOf(bitmap);
  const source = kind === "JPEG" && settings.jpeg_decode === "scaled" ? reduced(whole, settings) : whole;
  const pixels = toSquare(source, settings);
  return { pixels, isTransparent: whole.isTransparent };
}

// The rows of an ImageBitmap, for `toSquare`; `isTransparent` says whether some pixel read so far was.
function rowsOf(bitmap) {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  const { width, height } = bitmap;
  const source = { width, height, isTransparent: false, read };

  function tile(left, top, columns, rows) {
    canvas.width = columns; // clears it too
    canvas.height = rows;
    context.imageSmoothingEnabled = false;
    context.drawImage(bitmap, left, top, columns, rows, 0, 0, columns, rows);
    return context.getImageData(0, 0, columns, rows).data;
  }

  function read(top, count) {
    const whole = width <= TILE ? tile(0, top, width, count) : new Uint8ClampedArray(width * count * 4);
    for (let left = 0; width > TILE && left < width; left += TILE) {
      const columns = Math.min(TILE, width - left), part = tile(left, top, columns, count);
      for (let y = 0; y < count; y++) {
        whole.set(part.subarray(y * columns * 4, (y + 1) * columns * 4), (y * width + left) * 4);
      }
    }
    if (!source.isTransparent) {
      for (let at = 3; at < whole.length; at += 4) {
        if (whole[at] < 255) {
          source.isTransparent = true;
          break;
        }
      }
    }
    return whole;
  }
  return source;
}
