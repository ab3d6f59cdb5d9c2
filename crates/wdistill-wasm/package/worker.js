// The translator of a page, in a thread of its own, so that the page stays awake while it translates.

import { openHere } from "./local.js";

let module;

const methods = {
  async open(source, options) {
    const opened = await openHere(source, options);
    module = opened.module;
    return opened.languages;
  },
  translate: (lines) => module.translate(lines),
};

onmessage = async ({ data: { number, method, given } }) => {
  try {
    postMessage({ number, answer: await methods[method](...given) });
  } catch (error) {
    postMessage({ number, problem: error.message });
  }
};
