/** Topics with named places: `factory/{site}/{device}/{metric}`. To the broker each place is a `+`. */

export interface TopicPattern {
  /** As MQTT subscribes to it. */
  readonly filter: string;
  readonly names: readonly string[];
  /** What stands in the named places; undefined when the topic is another. */
  match(topic: string): Readonly<Record<string, string>> | undefined;
}

const PLACE = /^\{([a-z][A-Za-z0-9]*)\}$/u;

/** The pattern, or one sentence that says what is wrong with it. */
export function compilePattern(text: string): TopicPattern | string {
  const levels = text.split("/");
  const names = levels.map((level) => PLACE.exec(level)?.[1]);
  const named = names.filter((name) => name !== undefined);
  if (text === "" || text.startsWith("$")) return "names no topic of devices";
  if (new Set(named).size !== named.length) return "names one place twice";
  const isOpen = levels.at(-1) === "#";
  const wrong = levels.find(
    (level, index) =>
      names[index] === undefined && level !== "+" && !(isOpen && index === levels.length - 1) && /[+#{}]/u.test(level),
  );
  if (wrong !== undefined) return `has ${JSON.stringify(wrong)}: a level is {name}, +, a last #, or plain text`;
  const fixed = isOpen ? levels.length - 1 : levels.length;
  return {
    filter: levels.map((level, index) => (names[index] === undefined ? level : "+")).join("/"),
    names: named,
    match(topic: string): Readonly<Record<string, string>> | undefined {
      const given = topic.split("/");
      if (isOpen ? given.length < fixed : given.length !== fixed) return undefined;
      const found: Record<string, string> = {};
      for (let index = 0; index < fixed; index += 1) {
        const name = names[index];
        const level = given[index] ?? "";
        if (name !== undefined) found[name] = level;
        else if (levels[index] !== "+" && levels[index] !== level) return undefined;
      }
      return found;
    },
  };
}

const PLACES = /\{([^{}]*)\}/gu;

/** The names that a template such as `{site}-{device}` uses. */
export function placesIn(template: string): readonly string[] {
  return [...template.matchAll(PLACES)].map(([, name = ""]) => name);
}

export function fill(template: string, found: Readonly<Record<string, string>>): string {
  return template.replace(PLACES, (_place, name: string) => found[name] ?? "");
}
