/** A table for people: a line a figure. */
export function table(figures: Readonly<Record<string, unknown>>): readonly string[] {
  const rows = Object.entries(figures).map(([name, value]) => [name, shown(value)] as const);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
}

function shown(value: unknown): string {
  if (typeof value === "number") return value.toLocaleString("en-US", { maximumFractionDigits: 3 });
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const entries = Object.entries(value).map(([name, inner]) => `${name} ${shown(inner)}`);
    return entries.join(", ");
  }
  return typeof value === "string" ? value : JSON.stringify(value);
}
