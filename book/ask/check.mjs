/* Asks each page's cells of the page's PostgreSQL, in Node and in their order, and compares:
   node check.mjs STATIC < cells.json > found.json. Of each, {why} it can't be offered, or which of the
   page's cells that are it {needs} to have run, and whether it {writes}. */
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";

const place = pathToFileURL(`${process.argv[2]}/`);
const { start } = await import(new URL("engine.js", place));
const { table } = await import(new URL("table.js", place));
const listed = JSON.parse(readFileSync(new URL("files.json", place), "utf8"));
const content = (name) => gunzipSync(readFileSync(new URL(name, place)));
async function begin() {
  const engine = await start({
    ...listed,
    module: new WebAssembly.Module(content(listed.module)),
    files: new Blob([content(listed.files)]),
    data: new Blob([content(listed.data)]),
    base: place,
  });
  await engine.known();
  return engine;
}

const ON = ["warehouse", "stock"];
const MADE = /\bCREATE\s+(?:UNLOGGED\s+)?(?:TABLE|VIEW|FUNCTION|PROCEDURE)\s+(?:\w+\.)?(\w+)/gi;
let ask, page, offered, wrote; // wrote: [{at, needs, names}] of this page

async function outcome(sql, isStock) {
  try {
    const { names, numbers, rows, caption } = table(await ask(sql, isStock));
    const texts = rows.map((row) => row.map(({ text }) => text));
    return { table: names.length ? { names, numbers, rows: texts, caption } : null, refused: null };
  } catch ({ message, hint, code }) {
    return { table: null, refused: [message, hint].filter(Boolean).join("\n"), code };
  }
}

async function found({ sql, on, table, refused }) {
  if (!ON.includes(on)) return { why: "It is not asked of the warehouse." };
  await ask("BEGIN READ ONLY");
  let { code, ...given } = await outcome(sql, on === "stock");
  await ask("ROLLBACK");
  const writes = code === "25006"; // it can't in a transaction that only reads
  if (writes) ({ code, ...given } = await outcome(sql, on === "stock"));
  if (!isDeepStrictEqual(given, { table, refused })) {
    const told = given.refused && !refused ? `The page's server says: ${given.refused.split("\n")[0]}` : "";
    return { why: told || "The page's answer is another one." };
  }
  const words = new Set(sql.match(/\w+/g));
  const before = wrote.filter(({ names }) => names.some((name) => words.has(name)));
  const needs = [...new Set(before.flatMap((each) => [...each.needs, each.at]))].sort((one, other) => one - other);
  if (writes && !refused) {
    const made = [...sql.matchAll(MADE)].map(([, name]) => name);
    wrote.push({ at: offered, needs, names: [...made, ...before.flatMap(({ names }) => names)] });
  }
  offered++;
  return { needs, writes: writes && !refused };
}

const all = [];
for (const cell of JSON.parse(readFileSync(0, "utf8"))) {
  if (cell.page !== page) {
    if (!ask || wrote.length) ({ ask } = await begin());
    [page, offered, wrote] = [cell.page, 0, []];
  }
  all.push(await found(cell));
}
process.stdout.write(JSON.stringify(all));
process.exit();
