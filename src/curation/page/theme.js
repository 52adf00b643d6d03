// Dark or light: as the reader chose, else as his system is.
import { $ } from "./dom.js";

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  localStorage.setItem("theme", name);
}
setTheme(localStorage.getItem("theme") ??
  (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"));
$("theme").onclick = () =>
  setTheme(document.documentElement.dataset.theme === "light" ? "dark" : "light");
