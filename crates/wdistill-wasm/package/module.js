// One instance of the WebAssembly module, which holds one translator. Bytes are written to its input and read from its output.

const isNode = typeof process !== "undefined" && process.versions?.node !== undefined;

async function compile() {
  const url = new URL("./wdistill.wasm", import.meta.url);
  if (isNode) {
    const { readFile } = await import("node:fs/promises");
    return WebAssembly.compile(await readFile(url));
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`cannot read ${url}: ${response.status} ${response.statusText}`);
  return WebAssembly.compile(await response.arrayBuffer());
}

let compiled;

export class Module {
  #exports;

  static async load() {
    compiled ??= compile();
    const { exports } = await WebAssembly.instantiate(await compiled);
    exports.start();
    const module = new Module();
    module.#exports = exports;
    return module;
  }

  #give(...parts) {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    let at = this.#exports.input(length);
    const memory = new Uint8Array(this.#exports.memory.buffer);
    for (const part of parts) {
      memory.set(part, at);
      at += part.length;
    }
  }

  #output() {
    const { memory, output, output_length } = this.#exports;
    return new TextDecoder().decode(new Uint8Array(memory.buffer, output(), output_length()));
  }

  /** Calls a function whose answer is in the output; an error there is thrown. */
  #call(name) {
    let kind;
    try {
      kind = this.#exports[name]();
    } catch (trap) {
      throw new Error(this.#output() || trap.message);
    }
    const text = this.#output();
    if (kind !== 0) throw new Error(text);
    return JSON.parse(text);
  }

  /** The names of the files that a model has. */
  modelFiles() {
    return this.#call("model_files");
  }

  addFile(name, content) {
    const bytes = new TextEncoder().encode(name);
    this.#give(bytes, content);
    this.#exports.add_file(bytes.length);
  }

  /** Makes the translator; returns the model's languages, or null. */
  open(options) {
    this.#give(new TextEncoder().encode(JSON.stringify(options)));
    return this.#call("open");
  }

  translate(lines) {
    this.#give(new TextEncoder().encode(JSON.stringify(lines)));
    return this.#call("translate");
  }
}
