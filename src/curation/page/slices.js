// Slices of the record's volume, and what stands over the picture: scale bar, window, slice.
import { values } from "./api.js";
import { $ } from "./dom.js";
import { picture, work } from "./work.js";

const BARS_MM = [1, 2, 5, 10, 20, 50, 100];
const LONGEST_BAR = 160;  // pixels

let slice = 0, of = null;  // which is shown, of which record

function current() {
  if (of !== work.record) {
    of = work.record;
    slice = of?.picture.slice ?? 0;
  }
  return slice;
}

/// `by`: how many slices further.
export async function moveSlice(by) {
  const { record } = work;
  if (!record || record.picture.slices < 2) return;
  slice = Math.min(record.picture.slices - 1, Math.max(0, current() + by));
  const asked = slice;
  const found = slice === record.picture.slice ? record.values
    : await values(record.position, slice, record.picture.channels);
  if (work.record !== record || slice !== asked) return;
  picture.onOwnSlice = slice === record.picture.slice;
  picture.show(record.picture, found);
}

picture.onDrawn = (scale) => {
  const mm = picture.info.spacing_mm;
  $("scale").hidden = !mm.length;
  if (mm.length) {
    const perMm = scale.x / mm[0];
    const length = BARS_MM.filter((n) => n * perMm < LONGEST_BAR).pop() ?? 1;
    $("scale-line").style.width = `${length * perMm}px`;
    $("scale-text").textContent = `${length} mm`;
  }
  const width = picture.high - picture.low;
  $("window-text").textContent =
    `level ${Math.round(picture.low + width / 2)}, width ${Math.round(width)}`;
  $("slice-text").textContent = picture.info.slices > 1
    ? `slice ${current() + 1} of ${picture.info.slices}` +
      (picture.onOwnSlice ? "" : " (no masks here)")
    : "";
};
