// The package in Node.js, beside the native program: `PACKAGE` is its folder, `WORK` has models and what the program made of
// source.txt.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { pathToFileURL } from "node:url";

const { PACKAGE, WORK } = process.env;
const { Translator } = await import(pathToFileURL(join(PACKAGE, "index.js")));
const linesOf = (name) => readFileSync(join(WORK, name), "utf8").trimEnd().split("\n");
const source = linesOf("source.txt");
const model = join(WORK, "models", "int8");

/** The native program's translations, as `LINE ||| TEXT ||| SCORE`. */
const native = (name) => linesOf(name).map((line) => line.split(" ||| ")).map(([, text, score]) => ({ text, score }));

for (const name of ["int8", "en-de"]) {
  test(`200 translations are those of the native program: ${name}`, async () => {
    const translator = await Translator.open(join(WORK, "models", name), { sentences: "line" });
    assert.deepEqual(translator.languages, { source: "en", target: "de" });
    const found = await translator.translate(source);
    const expected = native(`${name}.txt`);
    assert.equal(expected.length, 200);
    assert.deepEqual(found.map(({ text }) => text), expected.map(({ text }) => text));
    // Native kernels round products and sums at once where the processor can; without that the scores are the same.
    for (const [line, { score }] of native(`${name}.plain.txt`).entries()) {
      assert.equal(found[line].score.toFixed(6), score, `line ${line}`);
    }
  });
}

async function filesOf(folder) {
  const names = await readdir(folder);
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))])));
}

test("a model comes from a path, from bytes and from a URL alike", async () => {
  const files = await filesOf(model);
  const server = createServer((request, response) => {
    const content = request.url.startsWith("/en-de/") && files[request.url.slice("/en-de/".length)];
    response.writeHead(content ? 200 : 404).end(content);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const address = `http://127.0.0.1:${server.address().port}`;
    const [expected, ...others] = await Promise.all(
      [model, files, new Map(Object.entries(files)), `${address}/en-de`, new URL(`${address}/en-de/`)].map(async (given) => {
        const translator = await Translator.open(given);
        return translator.translate("Where is my house?");
      }),
    );
    assert.notEqual(expected.text, "");
    for (const other of others) assert.deepEqual(other, expected);
    await assert.rejects(Translator.open(`${address}/de-en`), /cannot read http.*de-en\/config\.toml: 404 Not Found/);
  } finally {
    server.close();
  }
});

test("options are the library's", async () => {
  const translator = await Translator.open(model, { beamSize: 4, nBest: 3, maxSource: 4, long: "truncate" });
  const [first, second] = await translator.translate(["Where is my house?", "I would like to go to the house of my friends."]);
  assert.equal(first.alternatives.length, 2);
  assert.ok(first.score >= first.alternatives[0].score);
  assert.match(second.notices.join(), /tokens/);
  const float = await Translator.open(join(WORK, "models", "en-de"), { quantize: "int8", sentences: "line" });
  assert.deepEqual((await float.translate(source)).map(({ text }) => text), native("int8.txt").map(({ text }) => text));
});

test("what is wrong is said", async () => {
  const files = await filesOf(model);
  const without = (name) => Object.fromEntries(Object.entries(files).filter(([other]) => other !== name));
  const rejects = (given, message, options) => assert.rejects(Translator.open(given, options), (error) => {
    assert.match(error.message, message);
    return error instanceof Error;
  });
  for (const name of Object.keys(files).filter((name) => /safetensors|toml|json/.test(name))) {
    await rejects(without(name), new RegExp(name));
  }
  const broken = { ...files, "model.safetensors": files["model.safetensors"].subarray(0, 1000) };
  await rejects(broken, /model\.safetensors/);
  await rejects({ "a/config.toml": files["config.toml"], "b/config.toml": files["config.toml"] }, /a\/, b\//);
  await rejects(join(WORK, "nowhere"), /cannot read .*nowhere.config\.toml/);
  await rejects(files, /unknown field `beam_size`.*`beamSize`/s, { beam_size: 4 });
  await rejects(files, /beam_size is 0/, { beamSize: 0 });
  await rejects(files, /list\.txt/, { shortlist: "list.txt" });
  await rejects(4, /expected a URL, a folder, or files/);
  const translator = await Translator.open(files, { maxSource: 2 });
  await assert.rejects(translator.translate(["It is here and there and everywhere."]), /line 1 has \d+ tokens, at most 2 are allowed/);
  await assert.rejects(translator.translate([4]), /expected a list of strings/);
  translator.close();
  await assert.rejects(translator.translate("a"), /has been closed/);
});
