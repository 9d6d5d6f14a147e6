// Answers each line of its input, a statement with the options of rewrite or with an error, by a line.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { rewrite, explain, Refusal } = await import(pathToFileURL(process.argv[2]));

function answer({ sql, options, error, others }) {
  try {
    if (error) return { refused: explain(sql, error, others)?.message ?? null };
    return { sent: rewrite(sql, options) };
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) return { failed: refusal.stack };
    return { refused: refusal.message };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(answer(JSON.parse(line)))}\n`);
}
