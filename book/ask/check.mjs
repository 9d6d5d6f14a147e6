/* Asks each cell of the page's PostgreSQL, in Node, and says what differs from what is printed:
   node check.mjs STATIC < cells.json > reasons.json. An empty reason: the same text. */
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";

const place = pathToFileURL(`${process.argv[2]}/`);
const { start } = await import(new URL("engine.js", place));
const { table } = await import(new URL("table.js", place));
const listed = JSON.parse(readFileSync(new URL("files.json", place), "utf8"));
const content = (name) => gunzipSync(readFileSync(new URL(name, place)));
const { ask } = await start({
  ...listed,
  module: new WebAssembly.Module(content(listed.module)),
  files: new Blob([content(listed.files)]),
  data: new Blob([content(listed.data)]),
  base: place,
});

async function reason({ sql, printed }) {
  if (!sql) return "It has no result that is shown.";
  if (!printed) return "It prints no table.";
  if (!/^(--.*\n|\s)*(SELECT|WITH|VALUES|TABLE|EXPLAIN)\b/i.test(sql)) return "It does more than read.";
  try {
    await ask("BEGIN READ ONLY");
    const { names, numbers, rows, caption } = table(await ask(sql));
    const answered = { names, numbers, rows: rows.map((row) => row.map(({ text }) => text)), caption };
    return isDeepStrictEqual(answered, printed) ? "" : "The page's answer is another one.";
  } catch ({ message }) {
    return `The page's server says: ${message.split("\n")[0]}`;
  } finally {
    await ask("ROLLBACK");
  }
}

const reasons = [];
for (const cell of JSON.parse(readFileSync(0, "utf8"))) reasons.push(await reason(cell));
process.stdout.write(JSON.stringify(reasons));
process.exit();
