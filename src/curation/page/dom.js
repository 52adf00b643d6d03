// Elements of the page, and what it says.
export const $ = (id) => document.getElementById(id);

export function button(text, act) {
  const made = document.createElement("button");
  made.textContent = text;
  made.onclick = act;
  return made;
}

export function say(text, fault = false) {
  $("message").textContent = text;
  $("message").classList.toggle("fault", fault);
}

export function fail(error) {
  if (error.status === 401) location.reload();
  say(error.message, true);
}
