// What index.d.ts says of the package: compiled, never run.

import { Translator, type Translation } from "wdistill";

const translator: Translator = await Translator.open("https://example.org/en-de/", { beamSize: 1, sentences: "line" });
const one: Translation = await translator.translate("Where is my house?");
const all: Translation[] = await translator.translate(["Where is my house?", "It is here."]);
const source: string | undefined = translator.languages?.source;
await Translator.open(new Map([["config.toml", new Uint8Array()]]), { quantize: "int8" });
const chosen = document.querySelector("input")?.files;
if (chosen) await Translator.open(chosen);
// @ts-expect-error: no such option
await Translator.open("model", { beam_size: 4 });
// @ts-expect-error: no such value
await Translator.open("model", { long: "shorten" });
// @ts-expect-error: a text, not a number
await translator.translate(4);
export const found = [one.score, all[0]?.alternatives.length, source];
translator.close();
