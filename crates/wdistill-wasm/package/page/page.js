// The page of the package: opens a model from a folder, files or an address, and translates what is typed.

import { Translator } from "../index.js";

const element = (id) => document.getElementById(id);
const [model, state, text, translation, problem] = ["model", "state", "text", "translation", "problem"].map(element);

/** How long the page waits for another key, in milliseconds. */
const PAUSE = 200;

let translator;
let timer;
/** Numbers what was asked for, so that an answer that came late is not shown. */
let asked = 0;

function complain(message) {
  problem.textContent = message;
  problem.hidden = message === "";
}

async function open(source) {
  complain("");
  state.textContent = "The model is being opened.";
  text.disabled = true;
  translator?.close();
  translator = undefined;
  try {
    translator = await Translator.open(source, { long: "split" });
  } catch (error) {
    state.textContent = "No model is open.";
    complain(error.message);
    return;
  }
  const { languages } = translator;
  state.textContent = languages ? `Ready: ${languages.source} to ${languages.target}.` : "Ready.";
  text.disabled = false;
  text.focus();
  translate();
}

function show(result, seconds) {
  translation.textContent = result.map((line) => line.text).join("\n");
  const tokens = result.reduce((sum, line) => sum + line.targetTokens, 0);
  element("speed").textContent = tokens > 0 ? `${Math.round(tokens / seconds)} tokens a second` : "";
  complain([...new Set(result.flatMap((line) => line.notices))].join("\n"));
  element("copy").disabled = translation.textContent === "";
}

async function translate() {
  clearTimeout(timer);
  element("count").textContent = `${text.value.length} characters`;
  if (translator === undefined) return;
  const number = ++asked;
  if (text.value.trim() === "") {
    show([], 1);
    return;
  }
  translation.setAttribute("aria-busy", "true");
  const start = performance.now();
  try {
    const result = await translator.translate(text.value.split("\n"));
    if (number === asked) show(result, (performance.now() - start) / 1000);
  } catch (error) {
    if (number === asked) complain(error.message);
  } finally {
    if (number === asked) translation.setAttribute("aria-busy", "false");
  }
}

/** Files of a dropped folder or of one below it, by their paths. */
async function filesOf(entry, path = "") {
  if (entry.isFile) {
    return [[path + entry.name, await new Promise((resolve, reject) => entry.file(resolve, reject))]];
  }
  const reader = entry.createReader();
  const files = [];
  // A reader gives a hundred entries at most at a time.
  for (;;) {
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return files;
    for (const inner of entries) files.push(...(await filesOf(inner, `${path}${entry.name}/`)));
  }
}

element("folder").addEventListener("change", ({ target }) => target.files.length > 0 && open(target.files));
element("files").addEventListener("change", ({ target }) => target.files.length > 0 && open(target.files));
element("address").addEventListener("submit", (event) => {
  event.preventDefault();
  open(element("url").value);
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  model.classList.add("over");
});
document.addEventListener("dragleave", () => model.classList.remove("over"));
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  model.classList.remove("over");
  const { items, files } = event.dataTransfer;
  // Entries must be asked for before anything is waited for.
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 0) {
    if (files.length > 0) open([...files]);
    return;
  }
  try {
    open(new Map((await Promise.all(entries.map((entry) => filesOf(entry)))).flat()));
  } catch (error) {
    complain(`cannot read what was dropped: ${error.message}`);
  }
});
text.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(translate, PAUSE);
});
text.addEventListener("keydown", (event) => event.key === "Enter" && event.ctrlKey && translate());
element("clear").addEventListener("click", () => {
  text.value = "";
  translate();
  text.focus();
});
element("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(translation.textContent);
  } catch {
    getSelection().selectAllChildren(translation);
  }
});

const address = new URLSearchParams(location.search).get("model");
if (address !== null) {
  element("url").value = address;
  open(address);
}
