// Where a model's files come from: a URL, a folder of Node.js's machine, files of a page, or bytes.

const bytesOf = async (content) => {
  if (content instanceof Uint8Array) return content;
  if (typeof content.arrayBuffer === "function") content = await content.arrayBuffer();
  return new Uint8Array(content);
};

async function fetched(folder, name) {
  const url = new URL(name, folder);
  let response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new Error(`cannot read ${url}: ${error.message}`);
  }
  if (!response.ok) throw new Error(`cannot read ${url}: ${response.status} ${response.statusText}`);
  return bytesOf(response);
}

async function readFromDisk(folder, name) {
  const [{ readFile }, { join }] = await Promise.all([import("node:fs/promises"), import("node:path")]);
  return readFile(join(folder, name));
}

const folderOf = (path) => path.slice(0, path.lastIndexOf("/") + 1);

/** The files of the one folder that has the first of `names`, by their names without the folder. */
function ofOneFolder(files, names) {
  const paths = files.map((file) => [file.webkitRelativePath || file.path || file.name, file]);
  const folders = paths.map(([path]) => path).filter((path) => path.split("/").at(-1) === names[0]).map(folderOf);
  if (folders.length > 1) {
    throw new Error(`these folders hold a model each: ${folders.join(", ")}\nhint: choose one of them`);
  }
  const inside = paths.filter(([path]) => folderOf(path) === (folders[0] ?? folderOf(path)));
  return new Map(inside.map(([path, file]) => [path.split("/").at(-1), file]));
}

/** A function that gives a file's bytes by its name, or undefined where the model has no such file. */
function reader(model, names) {
  if (typeof model === "string" && !/^[a-z]+:\/\//i.test(model)) {
    return (name) => readFromDisk(model, name);
  }
  if (typeof model === "string" || model instanceof URL) {
    const folder = new URL(model);
    if (!folder.pathname.endsWith("/")) folder.pathname += "/";
    return (name) => fetched(folder, name);
  }
  let files;
  if (model instanceof Map) {
    files = model;
  } else if (Symbol.iterator in model) {
    files = ofOneFolder([...model], names);
  } else {
    files = new Map(Object.entries(model));
  }
  return async (name) => (files.has(name) ? bytesOf(files.get(name)) : undefined);
}

/** Reads the files `names` of a model, and the shortlist if there is one: pairs of name and bytes. */
export async function readModel(model, names, shortlist) {
  const read = reader(model, names);
  const all = shortlist === undefined ? names : [...names, shortlist];
  const pairs = await Promise.all(all.map(async (name) => [name, await read(name)]));
  return pairs.filter(([, bytes]) => bytes !== undefined);
}
