// Runs a program for WASI, such as a test program of Rust: `node wasi.mjs FILE [ARGUMENT]...`.

import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const [file, ...given] = process.argv.slice(2);
const wasi = new WASI({ version: "preview1", args: [file, ...given], env: process.env });
const none = (name) => () => {
  throw new Error(`${name}: there are no threads`);
};
// What the standard library names and a program without threads never calls.
const env = { pthread_join: none("pthread_join"), pthread_detach: none("pthread_detach") };
const { instance } = await WebAssembly.instantiate(await readFile(file), { ...wasi.getImportObject(), env });
process.exitCode = wasi.start(instance);
