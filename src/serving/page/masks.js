// Masks as COCO run lengths: columns first, runs of 0 and 1 in turn, packed 6 bits a character.
export function decodeRle({ size: [height, width], counts }) {
  const runs = [];
  for (let at = 0; at < counts.length;) {
    let value = 0, shift = 0, more = true;
    while (more) {
      const bits = counts.charCodeAt(at++) - 48;
      value |= (bits & 31) << shift;
      more = (bits & 32) !== 0;
      shift += 5;
      if (!more && (bits & 16)) value |= -1 << shift;
    }
    if (runs.length > 2) value += runs[runs.length - 2];
    runs.push(value);
  }
  const pixels = new Uint8Array(width * height);
  let at = 0, set = 0;
  for (const run of runs) {
    if (set) {
      for (let i = at; i < at + run; ++i) pixels[(i % height) * width + Math.floor(i / height)] = 1;
    }
    at += run;
    set = 1 - set;
  }
  return { width, height, pixels };
}

// Distinct on grey images, also for colour-blind eyes.
export const colours = [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66],
  [213, 94, 0], [204, 121, 167], [0, 114, 178], [160, 220, 120], [255, 150, 150]];

// The image with its visible masks laid over it.
export function draw(canvas, image, masks, opacity) {
  canvas.width = image.width;
  canvas.height = image.height;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const shown = context.getImageData(0, 0, canvas.width, canvas.height);
  for (const mask of masks) {
    if (!mask.visible || mask.width !== canvas.width || mask.height !== canvas.height) continue;
    const [red, green, blue] = mask.colour;
    for (let i = 0; i < mask.pixels.length; ++i) {
      if (!mask.pixels[i]) continue;
      const at = 4 * i;
      shown.data[at] += (red - shown.data[at]) * opacity;
      shown.data[at + 1] += (green - shown.data[at + 1]) * opacity;
      shown.data[at + 2] += (blue - shown.data[at + 2]) * opacity;
    }
  }
  context.putImageData(shown, 0, 0);
}
