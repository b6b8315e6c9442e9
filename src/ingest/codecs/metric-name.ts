/** Names of other formats as metric names of ours (domain/metric.ts): letters, digits, `_ . -`, the first a letter or `_`. */

const MAX_LENGTH = 64;

/** A path's `/` and `:` become `.`, anything else that does not fit `_`. The same name gives the same metric, always. */
export function metricNameOf(name: string): string {
  const plain = name
    .replace(/^[/:.]+|[/:.]+$/gu, "")
    .replace(/[/:]/gu, ".")
    .replace(/[^A-Za-z0-9_.-]/gu, "_");
  const started = /^[A-Za-z_]/u.test(plain) ? plain : `_${plain}`;
  // The first is the store's own, the second would become an object's prototype.
  if (started === "time" || started === "__proto__") return `_${started}_`;
  return started.slice(0, MAX_LENGTH);
}
