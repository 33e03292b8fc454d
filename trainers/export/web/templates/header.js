// What the first bytes of a file say: which kind of image it is, and how large. The formats are those that training reads.

export const MOST_PIXELS = 100_000_000; // as in training
export const MOST_BYTES = 2 ** 29;

const text = (bytes, start, length) => String.fromCharCode(...bytes.subarray(start, start + length));

// "JPEG", "PNG", "GIF", "BMP", "WebP", "HEIC" or null.
export function kindOf(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return "JPEG";
  if (text(bytes, 0, 4) === "\x89PNG") return "PNG";
  if (text(bytes, 0, 4) === "GIF8") return "GIF";
  if (text(bytes, 0, 2) === "BM") return "BMP";
  if (text(bytes, 0, 4) === "RIFF" && text(bytes, 8, 4) === "WEBP") return "WebP";
  if (text(bytes, 4, 4) === "ftyp" && /^(hei[cmsx]|hev[cmsx]|mif1|msf1)$/.test(text(bytes, 8, 4))) return "HEIC";
  return null;
}

// [width, height] as stored, before any turning upright; null where the header does not say.
export function sizeOf(bytes, kind) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return readers[kind]?.(view, bytes) ?? null;
  } catch (error) {
    if (error instanceof RangeError) return null; // it ends in the middle of its header
    throw error;
  }
}

const readers = {
  JPEG: jpeg,
  PNG: (view) => [view.getUint32(16), view.getUint32(20)],
  GIF: (view) => [view.getUint16(6, true), view.getUint16(8, true)],
  BMP: (view) =>
    view.getUint32(14, true) === 12
      ? [view.getUint16(18, true), view.getUint16(20, true)]
      : [Math.abs(view.getInt32(18, true)), Math.abs(view.getInt32(22, true))],
  WebP: webp,
};

// ITU T.81, annex B: segments up to the frame header.
function jpeg(view) {
  let place = 2;
  while (true) {
    if (view.getUint8(place) !== 0xff) return null;
    const marker = view.getUint8(place + 1);
    if (marker === 0xff) {
      place += 1;
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return [view.getUint16(place + 7), view.getUint16(place + 5)];
    if (marker === 0xd9 || marker === 0xda) return null;
    place += 2 + Math.max(view.getUint16(place + 2), 2);
  }
}

// RFC 9649, section 2.
function webp(view, bytes) {
  const chunk = text(bytes, 12, 4);
  const uint24 = (place) => view.getUint16(place, true) + 65536 * view.getUint8(place + 2);
  if (chunk === "VP8X") return [uint24(24) + 1, uint24(27) + 1];
  if (chunk === "VP8 ") return [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff];
  if (chunk !== "VP8L") return null;
  const bits = view.getUint32(21, true);
  return [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1];
}
