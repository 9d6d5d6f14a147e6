/* An answer as the book's own tables show it (notebooks/values.py and cells.py). */
const ROWS_SHOWN = 20;
const LONG = 44; // characters from which on a cell is broken into lines
const NUMBERS = new Set([20, 21, 23, 26, 700, 701, 1700]);
const BOOL = 16, INSTANT = 1184;
// Not of a year that Python has no date for, nor its last instant, which stands for infinity there.
const UTC = /^(?!9999-12-31 23:59:59\.999999)\d{4}-\d\d-\d\d [\d:.]+\+00$/;

/* {names, numbers, rows: [[{text, isNull, isLong}]], caption}, of the first rows, as many as the book shows. */
export function table({ columns, rows, count }, most = ROWS_SHOWN) {
  const some = rows.slice(0, most);
  const each = columns.map(({ oid }, i) => texts(oid, some.map((row) => row[i])));
  const known = columns.map((_, i) => some.map((row) => row[i]).filter((value) => value !== null));
  const cell = (value, text) => ({ text, isNull: value === null, isLong: [...text].length > LONG });
  return {
    names: columns.map(({ name }) => name),
    numbers: columns.map(({ oid }, i) => NUMBERS.has(oid) && known[i].length > 0 && !known[i].includes("NaN")),
    rows: some.map((row, at) => row.map((value, i) => cell(value, each[i][at]))),
    caption: some.length < count ? `${some.length} of ${count.toLocaleString("en-US")} rows` : "",
  };
}

/* Instants of UTC without their zone and to the second, unless two would look alike. */
function texts(oid, values) {
  const exact = values.map((value) => {
    if (value === null) return "null";
    if (oid === BOOL) return value === "t" ? "true" : "false";
    return oid === INSTANT && UTC.test(value) ? value.slice(0, -"+00".length) : value;
  });
  const brief = exact.map((text, i) => (text === values[i] ? text : text.slice(0, "2023-07-01 00:00:00".length)));
  return oid === INSTANT && new Set(brief).size === new Set(exact).size ? brief : exact;
}
