/** Lines for people, with a status line kept below them on a terminal and now and then between them elsewhere. */
export interface Screen {
  line(text: string): void;
  /** Shown in place on a terminal; as a line of its own, at most every five seconds, elsewhere. */
  status(text: string): void;
  /** Takes the status line away. */
  clear(): void;
}

const PLAIN_EVERY_MS = 5_000;

export function createScreen(out: NodeJS.WriteStream): Screen {
  let shown = "";
  let lastPlainAt = 0;

  if (!out.isTTY) {
    return {
      line: (text) => void out.write(`${text}\n`),
      status(text) {
        const now = Date.now();
        if (now - lastPlainAt < PLAIN_EVERY_MS) return;
        lastPlainAt = now;
        out.write(`${text}\n`);
      },
      clear() {},
    };
  }
  // Cut to the width: a line that wraps could not be taken back.
  const draw = (): void => void out.write(`\r\u001b[K${shown.slice(0, Math.max(0, out.columns - 1))}`);
  return {
    line(text) {
      out.write(`\r\u001b[K${text}\n`);
      if (shown !== "") draw();
    },
    status(text) {
      shown = text;
      draw();
    },
    clear() {
      shown = "";
      draw();
    },
  };
}
