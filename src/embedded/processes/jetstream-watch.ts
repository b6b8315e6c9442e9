/**
 * A nats-server that has run out of disk answers nothing about its JetStream any more, or switches it off, and stays so when
 * there is room again (tried with 2.9): devices would be held back for ever. So once its disk has been full it is asked,
 * and, when it stays silent although there is room, started again; what it has stored it finds.
 */
import { statfs } from "node:fs/promises";
import { createConnection } from "node:net";
import { messageOf } from "../../platform/errors.js";
import type { Running } from "../../platform/lifecycle.js";
import type { Logger } from "../../platform/logger.js";

export interface JetStreamWatchOptions {
  readonly port: number;
  readonly dataDir: string;
  readonly logger: Logger;
  /** Ends the server; its supervision starts it again. */
  readonly restart: () => void;
  readonly everyMs?: number;
}

/** A server that is merely busy answers within that. */
const ANSWER_WITHIN_MS = 5_000;
const REFUSALS = 2;
/** With less than that, the disk counts as full. */
const ROOM_BYTES = 16 * 1024 ** 2;

export function watchJetStream(options: JetStreamWatchOptions): Running {
  const { port, dataDir, logger, restart, everyMs = 2_000 } = options;
  let refusals = 0;
  /** Since JetStream answered last with room on its disk. */
  let wasFull = false;
  let stopped = false;
  let asking: Promise<void> = Promise.resolve();
  let timer = setTimeout(look, everyMs);

  function look(): void {
    asking = check().finally(() => {
      if (!stopped) timer = setTimeout(look, everyMs);
    });
  }

  /** Never rejects. */
  async function check(): Promise<void> {
    try {
      const { bavail, bsize } = await statfs(dataDir);
      const hasRoom = bavail * bsize >= ROOM_BYTES;
      if (!hasRoom && !wasFull) {
        logger.error({ dataDir }, "the disk of JetStream is full: devices are held back until there is room on it");
      }
      wasFull ||= !hasRoom;
      if (!wasFull) return;
      if (await isOn(port)) {
        refusals = 0;
        wasFull = !hasRoom;
        if (hasRoom) logger.info({ dataDir }, "there is room on the disk of JetStream again");
        return;
      }
      refusals += 1;
      if (refusals < REFUSALS || !hasRoom || stopped) return;
      logger.warn({ dataDir }, "JetStream stays silent since its disk was full: starting nats-server again");
      refusals = 0;
      restart();
    } catch (error) {
      logger.debug({ error: messageOf(error) }, "could not ask nats-server for its JetStream");
    }
  }

  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await asking;
    },
  };
}

/** False: it says no, or nothing. Rejects when there is no server: that is its supervision's to see. */
function isOn(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    let text = "";
    const tooLate = setTimeout(() => {
      resolve(false);
      socket.destroy();
    }, ANSWER_WITHIN_MS);
    socket.once("connect", () => {
      const connect = JSON.stringify({ verbose: false, headers: true, no_responders: true });
      socket.write(`CONNECT ${connect}\r\nSUB answers 1\r\nPUB $JS.API.INFO answers 0\r\n\r\n`);
    });
    socket.on("data", (chunk) => {
      text += chunk.toString("utf8");
      if (text.includes("\nPING\r\n") || text.startsWith("PING\r\n")) socket.write("PONG\r\n");
      // A message with headers alone says that nobody answers that subject.
      const answer = /(?:^|\n)(MSG|HMSG) answers [^\r]*\r\n([^\r]*)/u.exec(text);
      if (answer === null) return;
      socket.destroy();
      resolve(answer[1] === "MSG" && !(answer[2] ?? "").includes('"error"'));
    });
    socket.once("error", reject);
    socket.once("close", () => {
      clearTimeout(tooLate);
      reject(new Error("the server closed the connection"));
    });
  });
}
