import { colours, decodeRle, draw } from "./masks.js";

const at = (id) => document.getElementById(id);
const state = { image: null, url: "", turns: [], masks: [], busy: false };

const headers = () => {
  const token = at("token").value;
  return token ? { Authorization: `Bearer ${token}` } : {};
};

function fault(text) { at("fault").textContent = text; }

function redraw() {
  if (state.image) draw(at("canvas"), state.image, state.masks, at("opacity").value / 100);
}

function reset() {
  state.turns = [];
  state.masks = [];
  at("dialogue").replaceChildren();
  at("save-answer").disabled = true;
  listMasks();
  redraw();
}

async function take(file) {
  fault("");
  if (!file) return;
  try {
    const bitmap = await createImageBitmap(file);
    state.url = await new Promise((done, failed) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result);
      reader.onerror = failed;
      reader.readAsDataURL(file);
    });
    state.image = bitmap;
  } catch {
    fault(`${file.name}: this browser shows PNG and JPEG; send other files through the API`);
    return;
  }
  at("canvas").hidden = false;
  at("hint").hidden = true;
  at("drop").classList.add("has-image");
  at("save-image").disabled = false;
  reset();
}

function listMasks() {
  at("masks").replaceChildren(...state.masks.map((mask, index) => {
    const item = document.createElement("li"), label = document.createElement("label");
    const box = document.createElement("input"), swatch = document.createElement("span");
    box.type = "checkbox";
    box.checked = mask.visible;
    box.addEventListener("change", () => { mask.visible = box.checked; redraw(); });
    swatch.className = "swatch";
    swatch.style.background = `rgb(${mask.colour.join(",")})`;
    label.append(box, swatch,
      `${index + 1}. ${mask.phrase || "mask"} (score ${mask.score.toFixed(2)})`);
    item.append(label);
    return item;
  }));
}

// Words with their phrases lit; a [SEG] gives the phrase before it the colour of its mask.
function write(element, text, masks) {
  element.replaceChildren();
  let next = 0, lit = null;
  for (const part of text.split(/(<p>.*?<\/p>|\[SEG\])/s)) {
    if (part === "[SEG]") {
      const mask = masks[next++];
      if (lit && mask) lit.style.borderColor = `rgb(${mask.colour.join(",")})`;
    } else if (part.startsWith("<p>") && part.endsWith("</p>")) {
      lit = document.createElement("span");
      lit.className = "phrase";
      lit.textContent = part.slice(3, -4).trim();
      element.append(lit);
    } else {
      element.append(part);
    }
  }
}

function addMasks(answer) {
  const added = answer.masks.map((mask) => ({
    ...decodeRle(mask.rle), rle: mask.rle, phrase: mask.phrase, score: mask.score, visible: true,
    colour: colours[(state.masks.length + answer.masks.indexOf(mask)) % colours.length] }));
  state.masks.push(...added);
  listMasks();
  redraw();
  return added;
}

// The events of a stream, whole ones only.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const whole = rest.split("\n\n");
    rest = whole.pop();
    for (const event of whole) {
      const data = event.split("\n").filter((line) => line.startsWith("data: "))
        .map((line) => line.slice(6)).join("\n");
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

function messages(question) {
  const all = [];
  for (const turn of state.turns) {
    all.push({ role: "user", content: turn.question },
      { role: "assistant", content: turn.answer });
  }
  all.push({ role: "user", content: question });
  all[0].content = [{ type: "image_url", image_url: { url: state.url } },
    { type: "text", text: all[0].content }];
  return all;
}

async function ask(question) {
  if (!state.image) return fault("Choose an image first.");
  fault("");
  state.busy = true;
  at("ask").disabled = true;
  const turn = document.createElement("article");
  turn.className = "turn";
  const asked = document.createElement("p"), answered = document.createElement("p");
  asked.className = "question";
  asked.textContent = question;
  answered.className = "answer";
  turn.append(asked, answered);
  at("dialogue").append(turn);
  let text = "", masks = [];
  try {
    const response = await fetch("/v1/chat/completions", {
      method: "POST", headers: { "Content-Type": "application/json", ...headers() },
      body: JSON.stringify({ messages: messages(question), stream: true }) });
    if (!response.ok) {
      if (response.status === 401) at("token-row").hidden = false;
      throw new Error((await response.json()).error.message);
    }
    for await (const chunk of events(response)) {
      if (chunk.error) throw new Error(chunk.error.message);
      const delta = chunk.choices[0].delta;
      text += delta.content ?? "";
      if (delta.medseg) masks = addMasks(delta.medseg);
      write(answered, text, masks);
    }
    if (!masks.length) {
      const none = document.createElement("p");
      none.className = "quiet";
      none.textContent = "This answer has no mask.";
      turn.append(none);
    }
    state.turns.push({ question, answer: text.trim(), masks });
    at("question").value = "";
    at("save-answer").disabled = false;
  } catch (error) {
    turn.remove();
    fault(error.message);
  }
  state.busy = false;
  at("ask").disabled = false;
  at("question").focus();
}

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

at("drop").addEventListener("click", () => at("file").click());
at("drop").addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === " ") { event.preventDefault(); at("file").click(); }
});
at("drop").addEventListener("dragover", (event) => event.preventDefault());
at("drop").addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer.files[0]);
});
at("file").addEventListener("change", () => take(at("file").files[0]));
at("opacity").addEventListener("input", redraw);
at("reset").addEventListener("click", reset);
at("save-image").addEventListener("click",
  () => at("canvas").toBlob((blob) => save("overlay.png", blob)));
at("save-answer").addEventListener("click", () => save("answer.json", new Blob([JSON.stringify(
  state.turns.map(({ question, answer, masks }) => ({ question, answer,
    masks: masks.map(({ phrase, score, rle }) => ({ phrase, score, rle })) })), null, 2)],
{ type: "application/json" })));
at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = at("question").value.trim();
  if (question && !state.busy) ask(question);
});
at("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.ctrlKey) at("form").requestSubmit();
});
document.addEventListener("keydown", (event) => {
  if (event.target.tagName === "TEXTAREA" || event.target.tagName === "INPUT") return;
  const mask = state.masks[Number(event.key) - 1];
  if (!mask) return;
  mask.visible = !mask.visible;
  listMasks();
  redraw();
});

fetch("/v1/models", { headers: headers() }).then(async (response) => {
  if (response.status === 401) at("token-row").hidden = false;
  else at("model").textContent = (await response.json()).data[0].id;
});
