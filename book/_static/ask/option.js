/* CREATE TABLE … WITH (system_versioning = true), SQL:2011's words and DELETE HISTORY, as far as their text tells:
   system_time/option.py. */

import { BEFORE_NAME, MEANING, STANDARD } from "./clause_data.js";
import { refusal } from "./refusal.js";
import {
  OUTSIDE, afterBracket, afterExpression, afterName, depthOf, identifier, isPart, says,
} from "./tokens.js";

/* What takes the option out of each CREATE TABLE in `sql`, and sets a call behind it; and what makes
   DELETE HISTORY a call. */
export function optionEdits(sql, tokens) {
  const edits = [], inside = tokens.slice(1, -2);
  for (let start = 0; start < inside.length;) {
    const found = inside.findIndex((token, i) => i >= start && token.text === ";");
    const end = found < 0 ? inside.length : found;
    const statement = [OUTSIDE, ...inside.slice(start, end), OUTSIDE, OUTSIDE];
    if (start < end) {
      for (const make of [created, inStandardWords, altered, historyDeleted]) edits.push(...make(sql, statement));
    }
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

/* The tokens of the name that begins at tokens[i], or after what may stand before it; none if none does. */
function nameAt(tokens, i) {
  while (BEFORE_NAME.has(tokens[i].text)) i++;
  return isPart(tokens[i]) ? tokens.slice(i, afterName(tokens, i)) : [];
}

/* What makes DELETE HISTORY FROM t BEFORE SYSTEM_TIME x, as MariaDB has it, a call. */
function historyDeleted(sql, tokens) {
  const name = says(tokens, 1, "DELETE", "HISTORY", "FROM") ? nameAt(tokens, 4) : [];
  if (!name.length) return [];
  const after = 4 + name.length, close = name.at(-1).end, table = sql.slice(name[0].start, close);
  const begin = says(tokens, after, "BEFORE", "SYSTEM_TIME") ? after + 2 : after;
  const end = begin > after ? afterExpression(tokens, begin) : after;
  if (end !== tokens.length - 2 || (end === begin && begin > after)) {
    throw refusal("no history to delete", { table });
  }
  const last = tokens.at(-3).end, given = end > begin ? [[close, tokens[begin].start, ", "]] : [];
  const procedure = `CALL meta.delete_history('${table.replaceAll("'", "''")}'`;
  return [[tokens[1].start, close, procedure], [last, last, ")"], ...given];
}

/* Which token is TABLE in a CREATE TABLE; 0 in any other statement. */
function tableMade(tokens) {
  const words = tokens.slice(1, 8).map(({ text }) => text).filter((text) => !BEFORE_NAME.has(text));
  if (words[0] !== "CREATE" || words[1] !== "TABLE") return 0;
  return tokens.findIndex(({ text }) => text === "TABLE");
}

/* Whether a table's period stands at tokens[i], and no clause. */
export function isPeriod(tokens, i) {
  return says(tokens, i, "PERIOD", "FOR", "SYSTEM_TIME", "(");
}

/* The call, with the table's name, behind the statement. */
function callOf(sql, tokens, name, call) {
  const last = tokens.at(-3).end, called = sql.slice(name[0].start, name.at(-1).end);
  return [last, last, `${call}('${called.replaceAll("'", "''")}')`];
}

/* Of CREATE TABLE … (…, PERIOD FOR SYSTEM_TIME (…)) WITH SYSTEM VERSIONING. */
function inStandardWords(sql, tokens) {
  const table = tableMade(tokens), outside = [...outsideBrackets(tokens, table)];
  const words = outside.find((i) => says(tokens, i, "WITH", "SYSTEM", "VERSIONING")) ?? 0;
  const name = nameAt(tokens, table + 1), periods = [], rows = [];
  for (let i = table; i < tokens.length - 2; i++) if (isPeriod(tokens, i)) periods.push(i);
  if (!table || !name.length || !(words || periods.length)) return [];
  if (!words) throw refusal("period without versioning", {});
  checkKind(tokens, table, name);
  if (outside.some((i) => tokens[i].text === "AS")) {
    throw refusal("option on a query", { table: sql.slice(name[0].start, name.at(-1).end) });
  }
  for (const i of periods) {
    if (identifier(tokens[i + 4]) !== "sys_start" || identifier(tokens[i + 6]) !== "sys_end") {
      throw refusal("period of other names", {});
    }
    const [first, last] = tokens[i - 1].text === "," ? [i - 1, i + 7] : [i, i + 8];
    rows.push([tokens[first].start, tokens[last].end, ""]);
  }
  for (let i = table; i < tokens.length - 5; i++) {
    if (says(tokens, i, "GENERATED", "ALWAYS", "AS", "ROW")) rows.push([tokens[i].start, tokens[i + 4].end, ""]);
  }
  return [[tokens[words].start, tokens[words + 2].end, ""], ...rows,
    callOf(sql, tokens, name, "; CALL meta.created_system_versioned")];
}

/* Of ALTER TABLE … ADD and DROP SYSTEM VERSIONING. */
function altered(sql, tokens) {
  const name = says(tokens, 1, "ALTER", "TABLE") ? nameAt(tokens, 3) : [];
  if (!name.length) return [];
  const action = tokens.indexOf(name.at(-1)) + 1;
  if (tokens[action].text === "ADD" && isPeriod(tokens, action + 1)) {
    throw refusal("period added", { table: sql.slice(name[0].start, name.at(-1).end) });
  }
  const call = STANDARD[tokens[action].text];
  if (!call || !says(tokens, action + 1, "SYSTEM", "VERSIONING") || action + 3 !== tokens.length - 2) return [];
  return [[tokens[1].start, tokens.at(-3).end, ""], callOf(sql, tokens, name, call)];
}

function created(sql, tokens) {
  const table = tableMade(tokens);
  if (!table) return [];
  const outside = [...outsideBrackets(tokens, table)];
  const bracket = outside.find((i) => says(tokens, i, "WITH", "("));
  const found = bracket && option(sql, tokens, bracket + 1);
  const name = nameAt(tokens, table + 1);
  if (!found || !name.length) return [];
  const [isWanted, start, end] = found;
  if (!isWanted) return [[start, end, ""]];
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
