// Where a model's files come from: a URL, a folder of Node.js's machine, files of a page, or bytes.

/** What `Translator.open` was given, as a worker can be told it: an address, a folder, or pairs of path and content. */
export function sourceOf(model) {
  const isUrl = model instanceof URL || (typeof model === "string" && /^[a-z][a-z0-9+.-]+:\/\//i.test(model));
  if (isUrl) return { url: String(model) };
  if (typeof model === "string") {
    return typeof location === "undefined" ? { folder: model } : { url: new URL(model, location.href).href };
  }
  if (model instanceof Map) return { pairs: [...model] };
  if (typeof model?.[Symbol.iterator] === "function") {
    return { pairs: [...model].map((file) => [file.webkitRelativePath || file.name, file]) };
  }
  if (model !== null && typeof model === "object") return { pairs: Object.entries(model) };
  throw new TypeError(`a model is ${model}, expected a URL, a folder, or files`);
}

async function bytesOf(content) {
  if (content instanceof Uint8Array) return content;
  return new Uint8Array(content instanceof ArrayBuffer ? content : await content.arrayBuffer());
}

async function fetched(address, name) {
  const folder = new URL(address);
  if (!folder.pathname.endsWith("/")) folder.pathname += "/";
  const url = new URL(name, folder);
  const response = await fetch(url).catch((error) => {
    throw new Error(`cannot read ${url}: ${error.message}`);
  });
  if (!response.ok) throw new Error(`cannot read ${url}: ${response.status} ${response.statusText}`);
  return bytesOf(response);
}

async function readFromDisk(folder, name) {
  const [{ readFile }, { join }] = await Promise.all([import("node:fs/promises"), import("node:path")]);
  return readFile(join(folder, name)).catch((error) => {
    throw new Error(`cannot read ${join(folder, name)}: ${error.message}`);
  });
}

const nameIn = (path) => path.slice(path.lastIndexOf("/") + 1);
const folderOf = (path) => path.slice(0, path.lastIndexOf("/") + 1);

/** The files of the one folder that has a file of this name, by their own names. */
function ofOneFolder(pairs, name) {
  const folders = pairs.map(([path]) => path).filter((path) => nameIn(path) === name).map(folderOf);
  if (folders.length > 1) {
    throw new Error(`there is a model in each of ${folders.join(", ")}\nhint: choose one of these folders`);
  }
  const inside = pairs.filter(([path]) => folders.length === 0 || folderOf(path) === folders[0]);
  return new Map(inside.map(([path, content]) => [nameIn(path), content]));
}

/** A function that gives a file's bytes, or undefined where the model has no such file. */
function reader({ url, folder, pairs }, names) {
  if (url !== undefined) return (name) => fetched(url, name);
  if (folder !== undefined) return (name) => readFromDisk(folder, name);
  const files = ofOneFolder(pairs, names[0]);
  return async (name) => (files.has(name) ? bytesOf(files.get(name)) : undefined);
}

/** Reads the files `names` of a model, and the shortlist if there is one: pairs of name and bytes. */
export async function readModel(source, names, shortlist) {
  const read = reader(source, names);
  const all = shortlist === undefined ? names : [...names, shortlist];
  const results = await Promise.allSettled(all.map(async (name) => [name, await read(name)]));
  // Of several errors always the same one: the first in the order of the names.
  const failed = results.find(({ status }) => status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return results.map(({ value }) => value).filter(([, bytes]) => bytes !== undefined);
}
