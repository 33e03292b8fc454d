// Pixels of any size -> the square that the model takes, in the arithmetic of the training: TensorFlow's float32.
//
// A source has `width`, `height` and `read(top, count)`, which gives rows as RGBA, Uint8ClampedArray or Uint8Array
// [count, width, 4]. Rows are read from top to bottom, a strip at a time, so that a large image is never held twice.

const f = Math.fround;
const STRIP = 2 ** 20; // pixels read at a time

// {pixels: Uint8Array [side, side, 3]} of a source. `settings` are those of the training: image_size, resize
// ("stretch", "crop", "pad"), interpolation ("bilinear", "nearest").
export function toSquare(source, settings) {
  const side = settings.image_size;
  if (settings.resize === "crop") source = centralSquare(source);
  const [height, width] = settings.resize === "pad" ? fit(source, side) : [side, side];
  const image = resample(source, height, width, settings.interpolation);
  if (height === side && width === side) return image;
  const square = new Uint8Array(side * side * 3);
  const top = Math.floor((side - height) / 2), left = Math.floor((side - width) / 2);
  for (let y = 0; y < height; y++) {
    square.set(image.subarray(y * width * 3, (y + 1) * width * 3), ((top + y) * side + left) * 3);
  }
  return square;
}

// A JPEG at least twice as large as needed is read at 1/2, 1/4 or 1/8 of its size in training (jpeg_decode "scaled").
// There libjpeg averages neighbours before it turns them into colours (jidctred.c); here it is done after that.
export function reduced(source, settings) {
  const needed = settings.resize === "pad" ? Math.max(source.width, source.height) : Math.min(source.width, source.height);
  const ratio = [8, 4, 2].find((candidate) => needed >= candidate * settings.image_size);
  if (ratio === undefined) return source;
  const width = Math.ceil(source.width / ratio), height = Math.ceil(source.height / ratio);
  const read = (top, count) => {
    const last = Math.min((top + count) * ratio, source.height);
    return blockMeans(source.read(top * ratio, last - top * ratio), source.width, last - top * ratio, ratio);
  };
  return { width, height, read };
}

function blockMeans(rows, width, height, ratio) {
  const across = Math.ceil(width / ratio), down = Math.ceil(height / ratio);
  const sums = new Uint32Array(across * down * 4);
  for (let y = 0, place = 0; y < height; y++) {
    const row = Math.floor(y / ratio) * across;
    for (let x = 0; x < width; x++, place += 4) {
      const to = (row + Math.floor(x / ratio)) * 4;
      for (let c = 0; c < 4; c++) sums[to + c] += rows[place + c];
    }
  }
  const means = new Uint8Array(sums.length);
  for (let y = 0; y < down; y++) {
    for (let x = 0; x < across; x++) {
      const count = Math.min(ratio, width - x * ratio) * Math.min(ratio, height - y * ratio);
      const at = (y * across + x) * 4;
      for (let c = 0; c < 4; c++) means[at + c] = Math.floor(sums[at + c] / count + 0.5);
    }
  }
  return means;
}

function centralSquare(source) {
  const side = Math.min(source.width, source.height);
  const top = Math.floor((source.height - side) / 2), left = Math.floor((source.width - side) / 2);
  const read = (first, count) => {
    const rows = source.read(top + first, count);
    if (side === source.width) return rows;
    const cut = new Uint8Array(count * side * 4);
    for (let y = 0; y < count; y++) {
      const start = (y * source.width + left) * 4;
      cut.set(rows.subarray(start, start + side * 4), y * side * 4);
    }
    return cut;
  };
  return { width: side, height: side, read };
}

// [height, width] of the largest image of the same proportions inside the square.
function fit(source, side) {
  const scale = side / Math.max(source.height, source.width);
  return [source.height, source.width].map((length) => Math.min(Math.max(halfToEven(length * scale), 1), side));
}

export function halfToEven(value) {
  const floor = Math.floor(value), rest = value - floor;
  if (rest !== 0.5) return Math.floor(value + 0.5);
  return floor % 2 === 0 ? floor : floor + 1;
}

function resample(source, height, width, interpolation) {
  if (source.height === height && source.width === width) return withoutAlpha(source.read(0, height));
  if (interpolation === "nearest") return nearest(source, height, width);
  const shrinks = source.height > height || source.width > width;
  return shrinks ? antialiased(source, height, width) : bilinear(source, height, width);
}

function withoutAlpha(rgba) {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from];
    rgb[to + 1] = rgba[from + 1];
    rgb[to + 2] = rgba[from + 2];
  }
  return rgb;
}

function nearest(source, height, width) {
  const rows = nearestPositions(source.height, height), columns = nearestPositions(source.width, width);
  const image = new Uint8Array(height * width * 3);
  rows.forEach((row, y) => {
    const given = source.read(row, 1);
    columns.forEach((column, x) => image.set(given.subarray(column * 4, column * 4 + 3), (y * width + x) * 3));
  });
  return image;
}

// Pillow adds the step up in doubles; a product would round differently at ties.
function nearestPositions(length, outputLength) {
  const step = length / outputLength, positions = [];
  for (let k = 0, position = 0.5 * step; k < outputLength; k++, position += step) {
    positions.push(Math.min(Math.floor(position), length - 1));
  }
  return positions;
}

// tf.image.resize with antialias: a triangle as wide as the step between output pixels, down the columns first, then
// along the rows (TensorFlow's ScaleAndTranslate).
function antialiased(source, height, width) {
  const down = spans(source.height, height), across = spans(source.width, width);
  const stride = source.width * 3, columns = new Float32Array(height * stride);
  const strip = Math.max(1, Math.floor(STRIP / source.width));
  for (let top = 0, first = 0; top < source.height; top += strip) {
    const count = Math.min(strip, source.height - top), rows = source.read(top, count);
    while (first < height && down[first].start + down[first].weights.length <= top) first++;
    for (let y = first; y < height && down[y].start < top + count; y++) {
      addRows(columns, y * stride, down[y], rows, top, count, source.width);
    }
  }
  const image = new Uint8Array(height * width * 3), sum = new Float32Array(3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const { start, weights } = across[x];
      sum.fill(0);
      for (let k = 0, from = y * stride + start * 3; k < weights.length; k++, from += 3) {
        sum[0] += f(weights[k] * columns[from]);
        sum[1] += f(weights[k] * columns[from + 1]);
        sum[2] += f(weights[k] * columns[from + 2]);
      }
      for (let c = 0; c < 3; c++) image[(y * width + x) * 3 + c] = halfToEven(sum[c]);
    }
  }
  return image;
}

// Adds to one output row, at `to` of `columns`, what the rows from `top` on contribute to it.
function addRows(columns, to, span, rows, top, count, width) {
  const end = Math.min(span.start + span.weights.length, top + count);
  for (let row = Math.max(span.start, top); row < end; row++) {
    const weight = span.weights[row - span.start];
    const last = (row - top + 1) * width * 4;
    for (let from = (row - top) * width * 4, at = to; from < last; from += 4, at += 3) {
      columns[at] += f(weight * rows[from]);
      columns[at + 1] += f(weight * rows[from + 1]);
      columns[at + 2] += f(weight * rows[from + 2]);
    }
  }
}

// For each output pixel the first input pixel that counts and the weights from there on, rounded as TensorFlow does.
function spans(length, outputLength) {
  const inverse = f(1 / f(f(outputLength) / f(length)));
  const reach = Math.max(inverse, 1), overReach = f(1 / reach);
  return Array.from({ length: outputLength }, (_, k) => {
    const center = f(f(k + 0.5) * inverse);
    const clamp = (position) => Math.min(Math.max(position, 0), length - 1);
    const start = clamp(Math.ceil(f(f(center - reach) - 0.5)));
    const end = clamp(Math.floor(f(f(center + reach) - 0.5))) + 1;
    const weights = new Float32Array(end - start);
    let total = 0;
    for (let source = start; source < end; source++) {
      const position = f(f(source + 0.5) - center);
      weights[source - start] = Math.max(0, f(1 - Math.abs(f(position * overReach))));
      total = f(total + weights[source - start]);
    }
    const overTotal = f(1 / total);
    for (let at = 0; at < weights.length; at++) weights[at] = f(weights[at] * overTotal);
    return { start, weights };
  });
}

// TensorFlow's ResizeBilinear with half-pixel centers, where nothing shrinks.
function bilinear(source, height, width) {
  const down = neighbours(source.height, height), across = neighbours(source.width, width);
  const rows = source.read(0, source.height), image = new Uint8Array(height * width * 3);
  const mix = (from, to, share) => f(from + f(f(to - from) * share));
  down.forEach((vertical, y) =>
    across.forEach((horizontal, x) => {
      for (let c = 0; c < 3; c++) {
        const at = (row, column) => rows[(row * source.width + column) * 4 + c];
        const upper = mix(at(vertical.low, horizontal.low), at(vertical.low, horizontal.high), horizontal.share);
        const lower = mix(at(vertical.high, horizontal.low), at(vertical.high, horizontal.high), horizontal.share);
        image[(y * width + x) * 3 + c] = halfToEven(mix(upper, lower, vertical.share));
      }
    }),
  );
  return image;
}

function neighbours(length, outputLength) {
  const step = f(f(length) / f(outputLength));
  return Array.from({ length: outputLength }, (_, k) => {
    const position = f(f(f(k + 0.5) * step) - 0.5), floor = Math.floor(position);
    return { low: Math.max(floor, 0), high: Math.min(Math.ceil(position), length - 1), share: f(position - floor) };
  });
}
