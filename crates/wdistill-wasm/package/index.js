// wdistill for JavaScript; described in index.d.ts.

import { sourceOf } from "./files.js";
import { openHere } from "./local.js";

/** Calls of the functions of worker.js. */
class Calls {
  #worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  #waiting = new Map();
  #count = 0;

  constructor() {
    this.#worker.onmessage = ({ data: { number, answer, problem } }) => {
      const { resolve, reject } = this.#waiting.get(number);
      this.#waiting.delete(number);
      if (problem === undefined) resolve(answer);
      else reject(new Error(problem));
    };
    this.#worker.onerror = (event) => this.#end(event.message || "the worker cannot be started");
  }

  call(method, ...given) {
    return new Promise((resolve, reject) => {
      const number = this.#count++;
      this.#waiting.set(number, { resolve, reject });
      this.#worker.postMessage({ number, method, given });
    });
  }

  #end(problem) {
    for (const { reject } of this.#waiting.values()) reject(new Error(problem));
    this.#waiting.clear();
  }

  close() {
    this.#worker.terminate();
    this.#end("the translator has been closed");
  }
}

export class Translator {
  #translate;
  #close;

  constructor(languages, translate, close) {
    this.languages = languages;
    this.#translate = translate;
    this.#close = close;
  }

  static async open(model, options = {}) {
    const source = sourceOf(model);
    if (typeof Worker === "undefined") {
      const { languages, module } = await openHere(source, options);
      return new Translator(languages, async (lines) => module.translate(lines), () => {});
    }
    const calls = new Calls();
    try {
      const languages = await calls.call("open", source, options);
      return new Translator(languages, (lines) => calls.call("translate", lines), () => calls.close());
    } catch (error) {
      calls.close();
      throw error;
    }
  }

  async translate(text) {
    if (typeof text !== "string") return this.#translate([...text]);
    const [translation] = await this.#translate([text]);
    return translation;
  }

  close() {
    this.#close();
    this.#translate = async () => {
      throw new Error("the translator has been closed");
    };
  }
}
