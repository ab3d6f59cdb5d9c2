// A translator where it is called: in a browser that is the worker, in Node.js the program.

import { readModel } from "./files.js";
import { Module } from "./module.js";

export async function openHere(source, options) {
  const module = await Module.load();
  for (const [name, bytes] of await readModel(source, module.modelFiles(), options.shortlist)) {
    module.addFile(name, bytes);
  }
  return { languages: module.open(options), module };
}
