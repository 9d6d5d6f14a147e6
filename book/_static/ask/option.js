/* CREATE TABLE … WITH (system_versioning = true), as far as its text tells: system_time/option.py. */

import { BEFORE_NAME, MEANING } from "./clause_data.js";
import { refusal } from "./refusal.js";
import { OUTSIDE, afterBracket, afterName, depthOf, identifier, isPart, says } from "./tokens.js";

/* What takes the option out of each CREATE TABLE in `sql`, and sets a call behind it. */
export function optionEdits(sql, tokens) {
  const edits = [], inside = tokens.slice(1, -2);
  for (let start = 0; start < inside.length;) {
    const found = inside.findIndex((token, i) => i >= start && token.text === ";");
    const end = found < 0 ? inside.length : found;
    if (start < end) edits.push(...created(sql, [OUTSIDE, ...inside.slice(start, end), OUTSIDE, OUTSIDE]));
    start = end + 1;
  }
  return edits;
}

/* The indexes of the tokens that no bracket holds; of a bracket, its beginning. */
function* outsideBrackets(tokens, since) {
  for (let depth = 0, i = since; i < tokens.length - 2; i++) {
    if (depth === 0) yield i;
    depth += depthOf(tokens[i]);
  }
}

function created(sql, tokens) {
  const words = tokens.slice(1, 8).map(({ text }) => text).filter((text) => !BEFORE_NAME.has(text));
  if (words[0] !== "CREATE" || words[1] !== "TABLE") return [];
  const table = tokens.findIndex(({ text }) => text === "TABLE");
  const outside = [...outsideBrackets(tokens, table)];
  const bracket = outside.find((i) => says(tokens, i, "WITH", "("));
  const found = bracket && option(sql, tokens, bracket + 1);
  let first = table + 1;
  while (BEFORE_NAME.has(tokens[first].text)) first++;
  if (!found || !isPart(tokens[first])) return [];
  const [isWanted, start, end] = found;
  if (!isWanted) return [[start, end, ""]];
  const name = tokens.slice(first, afterName(tokens, first));
  const called = sql.slice(name[0].start, name.at(-1).end);
  checkKind(tokens, table, name);
  if (outside.some((i) => tokens[i].text === "AS")) throw refusal("option on a query", { table: called });
  const last = tokens.at(-3).end;
  const procedure = `; CALL meta.created_system_versioned('${called.replaceAll("'", "''")}')`;
  return [[start, end, ""], [last, last, procedure]];
}

/* What the option in the bracket says, and which part of the text holds it and no other. */
function option(sql, tokens, bracket) {
  const close = afterBracket(tokens, bracket) - 1;
  const commas = [...outsideBrackets(tokens, bracket + 1)].filter((i) => tokens[i].text === ",");
  const ends = [bracket, ...commas.filter((i) => i < close), close];
  for (let n = 0; n < ends.length - 1; n++) {
    const before = ends[n], after = ends[n + 1], said = tokens.slice(before + 3, after);
    if (identifier(tokens[before + 1]) !== "system_versioning") continue;
    if (!["=", ",", ")"].includes(tokens[before + 2].text)) continue;
    const value = said.length ? said[0].text.replace(/^'+|'+$/g, "").toLowerCase() : "true";
    if (!Object.hasOwn(MEANING, value) || said.length > 1) {
      throw refusal("option not read", { value: sql.slice(said[0].start, said.at(-1).end) });
    }
    if (ends.length === 2) return [MEANING[value], tokens[before - 1].start, tokens[after].end];
    const [from, to] = n ? [before, after] : [before + 1, after + 1];
    return [MEANING[value], tokens[from].start, tokens[to].start];
  }
  return null;
}

/* Throw unless a table of this kind can keep its versions. */
function checkKind(tokens, table, name) {
  const words = tokens.slice(0, table).map(({ text }) => text);
  let kind = words.some((word) => ["TEMP", "TEMPORARY"].includes(word)) ? "temporary" : null;
  const schema = name.length > 1 ? identifier(name.at(-3)) : "scratch";
  if (schema !== "scratch") kind = `of schema ${schema}`;
  if (kind) throw refusal("option on another", { kind, table: identifier(name.at(-1)) });
}
