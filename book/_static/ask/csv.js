/* An answer as a file of CSV (RFC 4180): lines end in CR LF; null is empty, and an empty text is "". */
export function csv({ columns, rows }) {
  const field = (value) => {
    if (value === null) return "";
    return value === "" || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  };
  const lines = [columns.map(({ name }) => name), ...rows].map((line) => `${line.map(field).join(",")}\r\n`);
  return new Blob([lines.join("")], { type: "text/csv;charset=utf-8" });
}
