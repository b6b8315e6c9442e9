/** What `$NAME` stands for in the pages. */
const variables: Readonly<Record<string, string>> = { BEFORE: "2026-01-01T00:00:00Z", KEY: "flk_key", TOKEN: "token" };

export interface ShownCommand {
  readonly line: string;
  /** What the shell would hand to `fleetlog`. */
  readonly args: readonly string[];
}

/** Every `npx fleetlog …` of a page's shell blocks, those within `$(…)` too. */
export function fleetlogCommands(page: string): readonly ShownCommand[] {
  return [...page.matchAll(/^```sh\n(.*?)^```/gmsu)]
    .flatMap(([, block = ""]) => block.split("\n"))
    .flatMap((line) => [...inner(line), line.replaceAll(/\$\([^)]*\)/gu, "id")])
    .flatMap((line) => {
      const [, rest] = /npx fleetlog (.*)$/u.exec(line) ?? [];
      return rest === undefined ? [] : [{ line, args: words(rest) }];
    });
}

function inner(line: string): readonly string[] {
  return [...line.matchAll(/\$\(([^)]*)\)/gu)].map(([, command = ""]) => command);
}

/** Quotes and variables as a shell takes them; a redirection or a pipe ends the command. */
function words(text: string): readonly string[] {
  const found = [...text.matchAll(/'([^']*)'|"([^"]*)"|([^\s'"]+)/gu)].map(
    ([, single, double, plain]) => single ?? expanded(double ?? plain ?? ""),
  );
  const end = found.findIndex((word) => [">", "|"].includes(word));
  return end < 0 ? found : found.slice(0, end);
}

function expanded(text: string): string {
  return text.replaceAll(/\$([A-Z]+)/gu, (whole, name: string) => variables[name] ?? whole);
}
