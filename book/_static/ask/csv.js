/* An answer as CSV (RFC 4180): lines end in CR LF; null is empty, and an empty text is "". */
export function csv({ columns, rows }) {
  const field = (value) => {
    if (value === null) return "";
    return value === "" || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  };
  return [columns.map(({ name }) => name), ...rows].map((line) => `${line.map(field).join(",")}\r\n`).join("");
}
