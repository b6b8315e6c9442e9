import type { Command } from "commander";

const HEAD = `# The command line

\`npx fleetlog\`, in a clone; in a container \`node dist/src/cli/main.js\`. It speaks GraphQL to a running platform.

Results go to standard output — a table for people, with \`--json\` one JSON value, or one a line where they come one by one — and everything said about them to standard error. Exit codes:
0 done, or asked to stop; 1 refused or failed, with one sentence and its [code](errors.md); 2 wrong usage.

**Who you are.** \`--token\` or \`FLEETLOG_TOKEN\`. Without one, where the platform's data directory is at hand (\`--data-dir\`, \`FLEETLOG_DATA_DIR\`, \`./data\`) or \`FLEETLOG_TOKEN_SECRET\` is set, a command signs
itself a token of one hour for the tenant of \`--tenant\` or \`FLEETLOG_TENANT\`, as administrator, in your name on this machine. Whoever can read that directory is trusted so.

**Times** are ISO 8601, or how long ago: \`90s\`, \`15m\`, \`2h\`, \`30d\`. Durations are written the same way.

This page is printed from the program, and a test holds it to it.
`;

/** docs/reference/cli.md, as the program itself says it. */
export function commandLinePage(program: Command): string {
  const commands = leaves(program, []).map(({ path, command }) => section(path, command));
  return `${HEAD}\n## For every command\n\n${optionList(program)}\n\n${commands.join("\n\n")}\n`;
}

interface Leaf {
  readonly path: readonly string[];
  readonly command: Command;
}

function leaves(command: Command, path: readonly string[]): readonly Leaf[] {
  const below = command.commands.flatMap((child) => leaves(child, [...path, child.name()]));
  return below.length > 0 ? below : [{ path, command }];
}

function section(path: readonly string[], command: Command): string {
  const args = command.registeredArguments.map((argument) => ` <${argument.name()}>`).join("");
  const parts = [`## \`${path.join(" ")}${args}\``, sentence(command.description()), optionList(command)];
  return parts.filter((part) => part !== "").join("\n\n");
}

function optionList(command: Command): string {
  const args = command.registeredArguments
    .filter(({ description }) => description !== "")
    .map((argument) => `- \`<${argument.name()}>\`: ${argument.description}`);
  const options = command.options.map(
    ({ flags, description, mandatory, negate, defaultValue, defaultValueDescription }) => {
      const preset = negate ? undefined : (defaultValueDescription ?? (defaultValue as string | number | undefined));
      const before = mandatory ? "needed" : "";
      const after = preset === undefined ? "" : `default ${preset}`;
      const said = [before, description, after].filter((text) => text !== "").join("; ");
      return `- \`${flags}\`${said === "" ? "" : `: ${said}`}`;
    },
  );
  return [...args, ...options].join("\n");
}

function sentence(text: string): string {
  return text === "" ? "" : `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
