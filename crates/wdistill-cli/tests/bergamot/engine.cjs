// Translates lines of standard input with Bergamot's own engine, as its WebAssembly package has it, in node.
//
// usage: node engine.cjs PACKAGE FOLDER text|html
//
// PACKAGE is the folder of the npm package @browsermt/bergamot-translator, FOLDER what `wdistill export --format bergamot`
// wrote. Settings are those that Firefox passes, with the precision that the name of the model's file stands for there.

const fs = require("fs");
const path = require("path");

const [engine, folder, kind] = process.argv.slice(2);
const worker = path.join(engine, "worker");
const names = fs.readdirSync(folder);
const only = (start, end) => names.filter((name) => name.startsWith(start) && name.endsWith(end));

const [model] = only("model.", ".bin");
const [shortlist] = only("lex.", ".bin");
const [joint] = only("vocab.", ".spm");
const vocabularies = joint ? [joint] : [...only("srcvocab.", ".spm"), ...only("trgvocab.", ".spm")];

const settings = {
  "beam-size": 1,
  normalize: 1.0,
  "word-penalty": 0,
  "max-length-break": 128,
  "mini-batch-words": 1024,
  workspace: 128,
  "max-length-factor": 2.0,
  "skip-cost": true,
  "cpu-threads": 0,
  quiet: true,
  "quiet-translation": true,
  "gemm-precision": model.endsWith("intgemm8.bin") ? "int8shiftAll" : "int8shiftAlphaAll",
  alignment: "soft",
};
const text = Object.entries(settings).map(([name, value]) => `${name}: ${value}\n`).join("");

// Products that a browser may bring itself; here the engine's own.
const products = {
  int8_prepare_a: "int8PrepareAFallback",
  int8_prepare_b: "int8PrepareBFallback",
  int8_prepare_b_from_transposed: "int8PrepareBFromTransposedFallback",
  int8_prepare_b_from_quantized_transposed: "int8PrepareBFromQuantizedTransposedFallback",
  int8_prepare_bias: "int8PrepareBiasFallback",
  int8_multiply_and_add_bias: "int8MultiplyAndAddBiasFallback",
  int8_select_columns_of_b: "int8SelectColumnsOfBFallback",
};

function fail(what) {
  console.error(`engine.cjs: ${what}`);
  process.exit(1);
}

function memory(bergamot, name, alignment) {
  const bytes = fs.readFileSync(path.join(folder, name));
  const aligned = new bergamot.AlignedMemory(bytes.length, alignment);
  aligned.getByteArrayView().set(bytes);
  return aligned;
}

function translate() {
  const bergamot = globalThis.Module;
  const pieces = new bergamot.AlignedMemoryList();
  vocabularies.forEach((name) => pieces.push_back(memory(bergamot, name, 64)));
  const words = shortlist ? memory(bergamot, shortlist, 64) : null;
  const service = new bergamot.BlockingService({ cacheSize: 0 });
  const loaded = new bergamot.TranslationModel(text, memory(bergamot, model, 256), words, pieces, null);
  for (const line of fs.readFileSync(0, "utf8").split("\n").slice(0, -1)) {
    const sources = new bergamot.VectorString();
    sources.push_back(line);
    const options = new bergamot.VectorResponseOptions();
    options.push_back({ qualityScores: false, alignment: false, html: kind === "html" });
    const answers = service.translate(loaded, sources, options);
    console.log(answers.get(0).getTranslatedText());
    [sources, options, answers].forEach((used) => used.delete());
  }
}

process.on("uncaughtException", (error) => fail(error));
if (!globalThis.crypto) {
  globalThis.crypto = require("crypto").webcrypto;
}
const binary = fs.readFileSync(path.join(worker, "bergamot-translator-worker.wasm"));
globalThis.Module = {
  wasmBinary: binary,
  instantiateWasm(imports, done) {
    const own = (name) => (...given) => globalThis.Module.asm[name](...given);
    const gemm = Object.fromEntries(Object.entries(products).map(([name, theirs]) => [name, own(theirs)]));
    WebAssembly.instantiate(binary, { ...imports, wasm_gemm: gemm }).then((made) => done(made.instance));
    return {};
  },
  print: console.error,
  printErr: console.error,
  onAbort: fail,
  onRuntimeInitialized: translate,
};
// The package is made for a worker's global names.
(0, eval)(fs.readFileSync(path.join(worker, "bergamot-translator-worker.js"), "utf8"));
