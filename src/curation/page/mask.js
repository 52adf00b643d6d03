// Masks as one byte a pixel, by rows; on the wire as run lengths, background first.
export function fromRuns({ size, runs }) {
  const pixels = new Uint8Array(size[0] * size[1]);
  let at = 0, value = 0;
  for (const run of runs) {
    if (value) pixels.fill(1, at, at + run);
    at += run;
    value = 1 - value;
  }
  return pixels;
}

export function toRuns(pixels, height, width) {
  const runs = [];
  let value = 0, run = 0;
  for (const pixel of pixels) {
    if (pixel !== value) {
      runs.push(run);
      run = 0;
      value = pixel;
    }
    ++run;
  }
  runs.push(run);
  return { size: [height, width], runs };
}

// A line of round brush marks; radii in pixels along x and y, for pixels that are not square.
export function stroke(pixels, width, height, from, to, rx, ry, value) {
  const steps = Math.max(1, Math.ceil(Math.hypot(to.x - from.x, to.y - from.y)));
  for (let i = 0; i <= steps; ++i) {
    const cx = from.x + (to.x - from.x) * i / steps, cy = from.y + (to.y - from.y) * i / steps;
    for (let y = Math.max(0, Math.floor(cy - ry)); y <= Math.min(height - 1, cy + ry); ++y) {
      for (let x = Math.max(0, Math.floor(cx - rx)); x <= Math.min(width - 1, cx + rx); ++x) {
        const dx = (x + 0.5 - cx) / rx, dy = (y + 0.5 - cy) / ry;
        if (dx * dx + dy * dy <= 1) pixels[y * width + x] = value;
      }
    }
  }
}

// Pixels whose centre lies within the polygon (even-odd).
export function fillPolygon(pixels, width, height, points, value) {
  for (let y = 0; y < height; ++y) {
    const crossings = [];
    for (let i = 0; i < points.length; ++i) {
      const a = points[i], b = points[(i + 1) % points.length];
      if ((a.y <= y + 0.5) !== (b.y <= y + 0.5))
        crossings.push(a.x + (y + 0.5 - a.y) / (b.y - a.y) * (b.x - a.x));
    }
    crossings.sort((p, q) => p - q);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const first = Math.max(0, Math.ceil(crossings[i] - 0.5));
      const last = Math.min(width - 1, Math.floor(crossings[i + 1] - 0.5));
      for (let x = first; x <= last; ++x) pixels[y * width + x] = value;
    }
  }
}
