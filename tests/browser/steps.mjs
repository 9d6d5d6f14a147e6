/* Milliseconds of the processor that the page's engine takes to start and answer, and each mart as of one
   day after another: node steps.mjs STATIC MART… > {start, steps: {mart: […]}} */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";

const [folder, ...marts] = process.argv.slice(2);
const place = pathToFileURL(`${folder}/`);
const { start } = await import(new URL("engine.js", place));
const listed = JSON.parse(readFileSync(new URL("files.json", place), "utf8"));
const content = (name) => gunzipSync(readFileSync(new URL(name, place)));
const since = (before) => {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
};
const parts = {
  module: new WebAssembly.Module(content(listed.module)),
  files: new Blob([content(listed.files)]),
  data: new Blob([content(listed.data)]),
};
const began = process.cpuUsage();
const { ask } = await start({ ...listed, ...parts, base: place });
await ask("SELECT email FROM dim_customer FOR SYSTEM_TIME AS OF '2023-07-01' WHERE customer_id = 42");
const first = since(began), steps = {};
for (const mart of marts) {
  steps[mart] = [];
  for (let day = 1; day <= 10; day++) {
    const before = process.cpuUsage();
    await ask(`SELECT * FROM ${mart} FOR SYSTEM_TIME AS OF '2023-07-${String(day).padStart(2, "0")}' LIMIT 20`);
    steps[mart].push(since(before));
  }
}
process.stdout.write(JSON.stringify({ start: first, steps }));
process.exit();
