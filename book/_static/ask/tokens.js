/* PostgreSQL's SQL as tokens, and where names and expressions in it begin and end: system_time/tokens.py. */

import { CALLED, RESERVED, UNITS, VALUES } from "./clause_data.js";

export class Unfinished extends Error {}

const LETTER = String.raw`[A-Za-z_\x80-\uffff]`, REST = String.raw`[\w\x80-\uffff]*`;
const COMMENT = String.raw`--[^\n\r]*(?![^\n\r])`;
const SPACE = String.raw`(?:[ \t\n\r\f\v]|${COMMENT})*`;
// The quote that ends is not doubled: (?!') keeps a search for the end from coming back to one that is.
const TEXT = String.raw`'(?:[^']|'')*'(?!')`, ESCAPED = String.raw`'(?:[^'\\]|\\[^]|'')*'(?!')`;
const MORE = String.raw`[ \t\f\v]*(?:${COMMENT})?[\n\r]${SPACE}`; // after a line's end a string goes on
const ESCAPE = String.raw`(?:${SPACE}[Uu][Ee][Ss][Cc][Aa][Pp][Ee]${SPACE}${TEXT})?`;
const PLACEHOLDER = String.raw`%\([^()'"]*\)s|%s(?![\w\x80-\uffff])`;
const SIGNS = String.raw`~!@#^&|\x60?+*<>=`;
const DIGITS = String.raw`\d[\d_]*`;
const KINDS = ["string", "quoted", "word", "number", "parameter", "comment", "unfinished", "other",
               "operator"];

const tokenPattern = (placeholder, percent) => new RegExp([
  `(?<string>[Ee]${ESCAPED}(?:${MORE}${ESCAPED})*|[BXNbxn]?${TEXT}(?:${MORE}${TEXT})*`,
  String.raw`[Uu]&${TEXT}(?:${MORE}${TEXT})*${ESCAPE}|\$(?<tag>(?:${LETTER}${REST})?)\$[^]*?\$\k<tag>\$)`,
  `(?<quoted>"(?:[^"]|"")+"(?!")|[Uu]&"(?:[^"]|"")+"(?!")${ESCAPE})`,
  String.raw`(?<word>${LETTER}[\w$\x80-\uffff]*)`,
  String.raw`(?<number>0[XxOoBb][\dA-Fa-f_]+|(?:${DIGITS}(?:\.(?!\.)[\d_]*)?|\.${DIGITS})(?:[Ee][+-]?${DIGITS})?)`,
  String.raw`(?<parameter>\$\d+|${placeholder}:${LETTER}${REST})`,
  String.raw`(?<comment>/\*)`,
  String.raw`(?<unfinished>['"]|\$(?:${LETTER}${REST})?\$)`,
  String.raw`(?<other>::|:=|=>(?![${SIGNS}/%-])|[^${SIGNS}/%\s-])`,
  String.raw`(?<operator>(?:[${SIGNS}]|-(?!-)|/(?!\*)|${percent})+)`,
].join("|"), "y");
const PLAIN = tokenPattern("", "%");
const DRIVERS = tokenPattern(`${PLACEHOLDER}|`, `%%|(?!${PLACEHOLDER})%`);
const BLANK = new RegExp(SPACE, "y");
const PREFIX = /(?!\?$)[~!@#&|`?]|[+)-]$/; // a ? alone is a driver's placeholder

export const OUTSIDE = { kind: "end", text: "", start: 0, end: 0 };

/* The tokens of `sql` between those that stand for its outside, so that looking around is safe. */
export function tokenize(sql, placeholders) {
  const pattern = placeholders ? DRIVERS : PLAIN, tokens = [OUTSIDE];
  for (let at = 0; ;) {
    BLANK.lastIndex = at;
    const start = at += BLANK.exec(sql)[0].length;
    if (at === sql.length) return [...tokens, OUTSIDE, OUTSIDE];
    pattern.lastIndex = at;
    const found = pattern.exec(sql), kind = KINDS.find((each) => found?.groups[each] !== undefined);
    if (!kind || kind === "unfinished") throw new Unfinished();
    at += found[0].length;
    if (kind === "comment") {
      at = commentEnd(sql, at);
      continue;
    }
    const isBare = kind === "word" && !/[^\0-\x7f]/.test(found[0]);
    tokens.push({ kind, text: isBare ? found[0].toUpperCase() : found[0], start, end: at });
  }
}

/* Where the comment ends whose beginning ends at `at`: they nest. */
function commentEnd(sql, at) {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = at;
  for (let depth = 1, found; (found = marks.exec(sql));) {
    depth += found[0] === "/*" ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  throw new Unfinished();
}

/* Whether it can name a table or be its alias. */
export const isName = (token) =>
  token.kind === "quoted" || (token.kind === "word" && !RESERVED.has(token.text));
export const isPart = (token) => token.kind === "quoted" || token.kind === "word";

/* The name as the catalog has it. */
export function identifier({ kind, text }) {
  if (kind !== "quoted") return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return text.slice(text.indexOf('"') + 1, text.lastIndexOf('"')).replaceAll('""', '"');
}

/* `sql` with these edits, [from, up to, what stands there instead], which do not overlap. */
export function edited(sql, edits) {
  let text = "", at = 0;
  for (const [start, end, instead] of [...edits].sort((one, other) => one[0] - other[0])) {
    text += sql.slice(at, start) + instead;
    at = end;
  }
  return text + sql.slice(at);
}

export const says = (tokens, i, ...words) => words.every((word, n) => tokens[i + n]?.text === word);
export const depthOf = ({ text }) => ({ "(": 1, "[": 1, ")": -1, "]": -1 })[text] ?? 0;

/* Index of the first token of the dotted name that ends with tokens[i]. */
export function nameStart(tokens, i) {
  while (tokens.at(i - 1).text === "." && isPart(tokens.at(i - 2))) i -= 2;
  return i;
}

/* Index of the token after the dotted name that begins at tokens[i]. */
export function afterName(tokens, i) {
  while (tokens[i + 1].text === "." && isPart(tokens[i + 2])) i += 2;
  return i + 1;
}

export function afterBracket(tokens, i) {
  for (let depth = 0, j = i; j < tokens.length - 2; j++) {
    depth += depthOf(tokens[j]);
    if (depth === 0) return j + 1;
  }
  throw new Unfinished();
}

// --- Expressions ----------------------------------------------------------------------------------

/* Index of the token after the expression that begins at tokens[i]; `i` if none is complete. */
export function afterExpression(tokens, i) {
  const begin = i;
  for (let end = 0; i !== end;) {
    for (let after; (after = afterOperator(tokens, i)) > i && PREFIX.test(tokens[after - 1].text);) {
      i = after;
    }
    const operand = afterOperand(tokens, i);
    if (operand === i) return begin;
    end = afterSuffixes(tokens, operand);
    i = says(tokens, end, "AT", "TIME", "ZONE") ? end + 3 : afterOperator(tokens, end);
  }
  return i;
}

function afterOperator(tokens, i) {
  if (tokens[i].kind === "operator") return i + 1;
  const after = says(tokens, i, "OPERATOR", "(") ? afterBracket(tokens, i + 1) : 0;
  return after && tokens[after - 2].kind === "operator" ? after : i;
}

function afterOperand(tokens, i) {
  const token = tokens[i], { kind, text } = token;
  if (text === "(") return afterBracket(tokens, i);
  if (text === "CASE") return afterCase(tokens, i);
  if (["number", "string", "parameter"].includes(kind) || text === "?") return i + 1;
  if (!isName(token) && !CALLED.has(text) && !VALUES.has(text)) return i;
  const typed = afterType(tokens, i), named = afterName(tokens, i);
  if (["string", "parameter"].includes(tokens[typed].kind)) {
    const hasUnits = text === "INTERVAL" && tokens[typed - 1] === token;
    return hasUnits ? afterUnits(tokens, typed + 1) : typed + 1;
  }
  if (tokens[named].text === "(" || says(tokens, i, "ARRAY", "[")) {
    return afterAggregate(tokens, afterBracket(tokens, named));
  }
  return CALLED.has(text) ? i : named;
}

function afterCase(tokens, i) {
  for (let depth = 0, j = i; j < tokens.length - 2;) {
    if (["(", "["].includes(tokens[j].text)) {
      j = afterBracket(tokens, j);
      continue;
    }
    if (tokens[j - 1].text !== ".") depth += { CASE: 1, END: -1 }[tokens[j].text] ?? 0;
    j++;
    if (depth === 0) return j;
  }
  return i;
}

/* Index after what may follow a call, and is no alias with the names of its columns. */
function afterAggregate(tokens, i) {
  for (const words of [["WITHIN", "GROUP"], ["FILTER"], ["OVER"]]) {
    const inside = i + words.length + 1;
    if (says(tokens, i, ...words, "(")
        && !(isName(tokens[inside]) && [",", ")"].includes(tokens[inside + 1].text))) {
      i = afterBracket(tokens, inside - 1);
    }
  }
  const named = says(tokens, i, "OVER") && isName(tokens[i + 1]);
  return named && !says(tokens, i + 1, "FORMAT", "JSON") ? i + 2 : i;
}

/* Index after subscripts, fields, casts, COLLATE and AT LOCAL. */
function afterSuffixes(tokens, i) {
  for (;;) {
    const { text } = tokens[i], more = tokens[i + 1];
    if (text === "[") i = afterBracket(tokens, i);
    else if (text === "." && (isPart(more) || more.text === "*")) i += 2;
    else if (text === "::" && isPart(more)) i = afterType(tokens, i + 1);
    else if (text === "COLLATE" && isPart(more)) i = afterName(tokens, i + 1);
    else if (text === "AT" && more.text === "LOCAL") i += 2;
    else if (text === "%s") i += 1; // in text that no driver fills in, % and a column
    else return i;
  }
}

function afterType(tokens, i) {
  let { text } = tokens[i];
  if (text === "NATIONAL" && ["CHARACTER", "CHAR"].includes(tokens[i + 1].text)) {
    [i, text] = [i + 1, "CHAR"];
  }
  i = says(tokens, i, "DOUBLE", "PRECISION") ? i + 2 : afterName(tokens, i);
  const varies = ["CHARACTER", "CHAR", "NCHAR", "BIT"].includes(text);
  if (varies && tokens[i].text === "VARYING") i++;
  if (tokens[i].text === "(") i = afterBracket(tokens, i);
  if (["TIMESTAMP", "TIME"].includes(text) && says(tokens, i + 1, "TIME", "ZONE")
      && ["WITH", "WITHOUT"].includes(tokens[i].text)) i += 3;
  if (text === "INTERVAL" && tokens[i - 1].text !== ")") i = afterUnits(tokens, i);
  if (tokens[i].text === "ARRAY") i++;
  while (tokens[i].text === "[") i = afterBracket(tokens, i);
  return i;
}

/* Index after what may follow interval '1': DAY, or DAY TO SECOND (3). */
function afterUnits(tokens, i) {
  const ranges = UNITS[tokens[i].text];
  if (!ranges) return i;
  if (tokens[i + 1].text === "TO" && ranges.includes(tokens[i + 2].text)) i += 2;
  return says(tokens, i, "SECOND", "(") ? afterBracket(tokens, i + 1) : i + 1;
}
