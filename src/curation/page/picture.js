// Draws the picture in its window, masks above it, and turns mouse places into pixels.
const COLOURS = [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178],
  [213, 94, 0], [204, 121, 167]];  // Okabe-Ito: apart for colour-blind readers
export const colourOf = (index) => COLOURS[index % COLOURS.length];
export const css = (colour) => `rgb(${colour.join(",")})`;

export class Picture {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.scratch = document.createElement("canvas");
    this.zoom = 1;
    this.pan = { x: 0, y: 0 };
    this.masks = [];
    this.opacity = 0.4;
    this.hidden = false;
    this.points = [];
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  show(info, values) {
    this.info = info;
    this.values = values;
    this.draw();
  }

  // How many screen pixels one picture pixel has, along x and y: pixels may not be square.
  scale() {
    const { width, height, spacing_mm: mm } = this.info;
    const sx = mm.length ? mm[0] : 1, sy = mm.length ? mm[1] : 1;
    const fit = Math.min(this.canvas.clientWidth / (width * sx),
      this.canvas.clientHeight / (height * sy)) * this.zoom;
    return { x: fit * sx, y: fit * sy };
  }
  origin() {
    const s = this.scale();
    return { x: (this.canvas.clientWidth - this.info.width * s.x) / 2 + this.pan.x,
             y: (this.canvas.clientHeight - this.info.height * s.y) / 2 + this.pan.y };
  }
  pixelAt(event) {
    const box = this.canvas.getBoundingClientRect(), o = this.origin(), s = this.scale();
    return { x: (event.clientX - box.left - o.x) / s.x, y: (event.clientY - box.top - o.y) / s.y };
  }

  render() {
    const { width, height, channels } = this.info;
    const image = new ImageData(width, height);
    const out = image.data, low = this.low, range = Math.max(this.high - this.low, 1e-6);
    for (let i = 0; i < width * height; ++i) {
      for (let c = 0; c < 3; ++c) {
        const value = channels === 3 ? this.values[3 * i + c] : this.values[i];
        out[4 * i + c] = Math.round(255 * Math.min(1, Math.max(0, (value - low) / range)));
      }
      out[4 * i + 3] = 255;
    }
    if (!this.hidden && this.onOwnSlice) this.tint(out, width, height);
    return image;
  }

  tint(out, width, height) {
    for (const mask of this.masks) {
      if (!mask.visible) continue;
      const strength = mask.selected ? Math.min(1, this.opacity + 0.15) : this.opacity;
      for (let y = 0; y < height; ++y) {
        for (let x = 0; x < width; ++x) {
          const i = y * width + x;
          if (!mask.pixels[i]) continue;
          const edge = x === 0 || y === 0 || x === width - 1 || y === height - 1 ||
            !mask.pixels[i - 1] || !mask.pixels[i + 1] || !mask.pixels[i - width] ||
            !mask.pixels[i + width];
          const share = edge && mask.selected ? 1 : edge ? Math.max(strength, 0.8) : strength;
          for (let c = 0; c < 3; ++c)
            out[4 * i + c] = (1 - share) * out[4 * i + c] + share * mask.colour[c];
        }
      }
    }
  }

  draw() {
    if (!this.values) return;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = this.canvas.clientWidth * ratio;
    this.canvas.height = this.canvas.clientHeight * ratio;
    this.scratch.width = this.info.width;
    this.scratch.height = this.info.height;
    this.scratch.getContext("2d").putImageData(this.render(), 0, 0);
    const g = this.context, o = this.origin(), s = this.scale();
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, this.canvas.clientWidth, this.canvas.clientHeight);
    g.imageSmoothingEnabled = s.x < 3;
    g.drawImage(this.scratch, o.x, o.y, this.info.width * s.x, this.info.height * s.y);
    if (this.points.length) this.drawPoints(g, o, s);
    if (this.cursor) this.drawCursor(g, o, s);
    this.onDrawn?.(s);
  }

  drawPoints(g, o, s) {
    g.strokeStyle = "#fff";
    g.lineWidth = 1.5;
    g.beginPath();
    this.points.forEach((p, i) => g[i ? "lineTo" : "moveTo"](o.x + p.x * s.x, o.y + p.y * s.y));
    g.stroke();
    for (const p of this.points) g.strokeRect(o.x + p.x * s.x - 2, o.y + p.y * s.y - 2, 4, 4);
  }

  drawCursor(g, o, s) {
    const { x, y, rx, ry } = this.cursor;
    g.strokeStyle = "#fff";
    g.lineWidth = 1;
    g.beginPath();
    g.ellipse(o.x + x * s.x, o.y + y * s.y, rx * s.x, ry * s.y, 0, 0, 2 * Math.PI);
    g.stroke();
  }
}
