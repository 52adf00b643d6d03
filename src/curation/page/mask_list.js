// The list of masks: which is chosen, which are shown, and how strongly.
import { $, button } from "./dom.js";
import { css } from "./picture.js";
import { onChange, picture, refresh, select } from "./work.js";

function line(mask, i) {
  const made = document.createElement("li");
  made.tabIndex = 0;
  made.setAttribute("aria-selected", mask.selected);
  const swatch = document.createElement("span");
  swatch.className = "swatch";
  swatch.style.backgroundColor = css(mask.colour);
  const name = document.createElement("span");
  name.textContent = `${i + 1} ${mask.label}`;
  const eye = button(mask.visible ? "shown" : "hidden", (event) => {
    event.stopPropagation();
    mask.visible = !mask.visible;
    refresh();
  });
  const space = document.createElement("span");
  space.className = "space";
  made.append(swatch, name, space, eye);
  made.onclick = () => select(mask.id);
  return made;
}

onChange(() => $("masks").replaceChildren(...picture.masks.map(line)));
$("opacity").oninput = () => {
  picture.opacity = $("opacity").value / 100;
  picture.draw();
};
