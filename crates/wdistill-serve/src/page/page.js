"use strict";

// How long a pause in typing is before the text is translated.
const PAUSE = 250;
const ALTERNATIVES = 2;

const element = (id) => document.getElementById(id);
const [source, target, text, translation] = ["source", "target", "text", "translation"].map(element);

let languages = [];
let underWay = null;
let timer = null;

async function ask(path, body, signal) {
  const init = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(path, { ...init, signal });
  const answer = await response.json();
  if (!response.ok) {
    throw new Error(answer.error ?? `status ${response.status}`);
  }
  return answer;
}

function option(code, name) {
  const made = document.createElement("option");
  made.value = code;
  made.textContent = name;
  return made;
}

// Codes as they are, where no model reads the language itself.
function nameOf(code) {
  const known = languages.find((language) => language.code === code);
  if (known) {
    return known.name;
  }
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code.replace("_", "-"));
  } catch {
    return code;
  }
}

function offerTargets() {
  const before = target.value;
  const offered = languages
    .filter((language) => source.value === "auto" || language.code === source.value)
    .flatMap((language) => language.targets);
  const codes = [...new Set(offered)];
  target.replaceChildren(...codes.map((code) => option(code, nameOf(code))));
  if (codes.includes(before)) {
    target.value = before;
  }
  const back = languages.find((language) => language.code === target.value);
  element("swap").disabled = !back?.targets.includes(source.value);
}

function problem(said) {
  element("problem").textContent = said;
  element("problem").hidden = said === "";
}

function show(answer) {
  translation.value = answer.translatedText;
  element("copy").disabled = answer.translatedText === "";
  const found = answer.detectedLanguage;
  element("detected").textContent = found ? `${nameOf(found.language)}, by its look` : "";
  const others = (answer.alternatives ?? []).filter(
    (other, place, all) => other !== answer.translatedText && all.indexOf(other) === place,
  );
  element("alternatives").replaceChildren(
    ...others.map((other) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = other;
      button.title = "Take this one";
      button.addEventListener("click", () => {
        translation.value = other;
      });
      item.append(button);
      return item;
    }),
  );
  element("others").hidden = others.length === 0;
  problem((answer.notices ?? []).join("; "));
}

async function translate() {
  underWay?.abort();
  // Who types before the languages are there is answered when they are.
  if (languages.length === 0) {
    return;
  }
  if (text.value.trim() === "") {
    show({ translatedText: "" });
    return;
  }
  underWay = new AbortController();
  const { signal } = underWay;
  translation.setAttribute("aria-busy", "true");
  try {
    const request = {
      q: text.value,
      source: source.value,
      target: target.value,
      alternatives: ALTERNATIVES,
      api_key: element("api-key").value || undefined,
    };
    show(await ask("translate", request, signal));
  } catch (error) {
    if (signal.aborted) {
      return;
    }
    problem(error.message);
  }
  translation.setAttribute("aria-busy", "false");
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(translate, PAUSE);
  element("count").textContent = text.value === "" ? "" : `${[...text.value].length} characters`;
}

function swap() {
  const [from, to, said] = [source.value, target.value, translation.value];
  source.value = to;
  offerTargets();
  target.value = from;
  offerTargets();
  text.value = said;
  soon();
}

text.addEventListener("input", soon);
source.addEventListener("change", () => {
  offerTargets();
  translate();
});
target.addEventListener("change", () => {
  offerTargets();
  translate();
});
element("api-key").addEventListener("change", translate);
element("swap").addEventListener("click", swap);
element("clear").addEventListener("click", () => {
  text.value = "";
  soon();
  text.focus();
});
element("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(translation.value);
    element("copy").textContent = "Copied";
    setTimeout(() => (element("copy").textContent = "Copy"), 1500);
  } catch {
    // Without permission the text is selected, for the keyboard.
    getSelection().selectAllChildren(translation);
  }
});
element("form").addEventListener("submit", (event) => event.preventDefault());
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    clearTimeout(timer);
    translate();
  }
});

(async () => {
  try {
    const [offered, settings] = await Promise.all([ask("languages"), ask("frontend/settings")]);
    languages = offered;
    const readable = languages.filter((language) => language.targets.length > 0);
    source.replaceChildren(
      ...(readable.length > 1 ? [option("auto", "Any language")] : []),
      ...readable.map((language) => option(language.code, language.name)),
    );
    // A link may bring languages and a text along, as those to LibreTranslate's page do.
    const link = new URLSearchParams(location.search);
    source.value = link.get("source") ?? source.value;
    source.selectedIndex = Math.max(source.selectedIndex, 0);
    offerTargets();
    target.value = link.get("target") ?? target.value;
    target.selectedIndex = Math.max(target.selectedIndex, 0);
    offerTargets();
    element("key").hidden = !settings.keyRequired;
    text.maxLength = settings.charLimit;
    text.value = link.get("q") ?? text.value;
    soon();
  } catch (error) {
    problem(error.message);
  }
})();
