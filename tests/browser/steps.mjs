/* Milliseconds of the processor that each mart takes as of one day after another, in the page's engine:
   node steps.mjs STATIC MART… > lists.json */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";

const [folder, ...marts] = process.argv.slice(2);
const place = pathToFileURL(`${folder}/`);
const { start } = await import(new URL("engine.js", place));
const listed = JSON.parse(readFileSync(new URL("files.json", place), "utf8"));
const content = (name) => gunzipSync(readFileSync(new URL(name, place)));
const { ask } = await start({
  ...listed,
  module: new WebAssembly.Module(content(listed.module)),
  files: new Blob([content(listed.files)]),
  data: new Blob([content(listed.data)]),
  base: place,
});
const took = {};
for (const mart of marts) {
  took[mart] = [];
  for (let day = 1; day <= 10; day++) {
    const before = process.cpuUsage();
    await ask(`SELECT * FROM ${mart} FOR SYSTEM_TIME AS OF '2023-07-${String(day).padStart(2, "0")}' LIMIT 20`);
    const { user, system } = process.cpuUsage(before);
    took[mart].push((user + system) / 1000);
  }
}
process.stdout.write(JSON.stringify(took));
process.exit();
