// Who reviews: signing in and out.
import { request } from "./api.js";
import { offerReasons } from "./decisions.js";
import { $ } from "./dom.js";
import { next } from "./records.js";

async function enter(who) {
  $("login").hidden = true;
  $("review").hidden = false;
  $("who").textContent = `${who.name} (${who.role})`;
  offerReasons(who.reasons);
  await next(-1);
}

/// Goes on with the session of this browser, or asks for name and password.
export function start() {
  request("GET", "/api/me").then(enter).catch(() => {
    $("login").hidden = false;
    $("name").focus();
  });
}

$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    enter(await request("POST", "/api/login",
      { name: $("name").value, password: $("password").value }));
  } catch (error) {
    $("login-error").textContent = error.message;
  }
  $("password").value = "";
});

$("logout").onclick = async () => {
  await request("POST", "/api/logout").catch(() => {});
  location.reload();
};
