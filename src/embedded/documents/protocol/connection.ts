/** One client's connection: messages in, replies out, in order. */
import type { Socket } from "node:net";
import { runCommand } from "../commands/router.js";
import type { CommandContext } from "../commands/command.js";
import { maxMessageBytes } from "../commands/session.js";
import { CommandError } from "../semantics/errors.js";
import { frameReply, messageLength, parseMessage, ProtocolError } from "./wire.js";

export interface Connection {
  /** Resolves when the message in work is answered and the socket closed. */
  close(): Promise<void>;
}

/**
 * Serves the socket until it ends. A message is read only when the one before it is answered and the client has taken the
 * answer: what a client sends ahead waits in its own socket, so a connection holds one message of at most 48 MB.
 */
export function serveConnection(socket: Socket, context: CommandContext): Connection {
  socket.setNoDelay(true);
  const state: State = { busy: false, closing: false };
  const served = serve(socket, context, state).catch((error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof ProtocolError || error instanceof CommandError) {
      context.logger.warn(
        { connectionId: context.connectionId, error: message },
        "closed a connection that broke the protocol",
      );
    } else {
      context.logger.debug({ connectionId: context.connectionId, error: message }, "connection lost");
    }
    socket.destroy();
  });
  return {
    async close() {
      state.closing = true;
      if (!state.busy) socket.destroy();
      await served;
    },
  };
}

interface State {
  /** A command is at work, or its reply on its way. */
  busy: boolean;
  closing: boolean;
}

async function serve(socket: Socket, context: CommandContext, state: State): Promise<void> {
  let chunks: Buffer[] = [];
  let size = 0;
  let replies = 0;
  let expected: number | undefined;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    for (;;) {
      if (expected === undefined && size >= 4) {
        const [first = Buffer.alloc(0)] = chunks;
        if (first.length < 4) chunks = [Buffer.concat(chunks)];
        expected = messageLength(chunks[0] ?? first, maxMessageBytes);
      }
      if (expected === undefined || size < expected) break;
      // Joined only once a message is whole: a large one comes in hundreds of chunks.
      const all: Buffer = chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks);
      const message = parseMessage(all.subarray(0, expected));
      const rest: Buffer = all.subarray(expected);
      chunks = rest.length === 0 ? [] : [rest];
      size = rest.length;
      expected = undefined;
      state.busy = true;
      const reply = await runCommand(context, message.request);
      if (message.wantsReply) {
        replies += 1;
        await send(socket, frameReply(message, replies, reply));
      }
      state.busy = false;
      // Leaving the loop ends the socket, after what was written.
      if (state.closing) {
        socket.destroySoon();
        return;
      }
    }
  }
}

async function send(socket: Socket, parts: readonly Buffer[]): Promise<void> {
  socket.cork();
  let drained = true;
  for (const part of parts) drained = socket.write(part);
  socket.uncork();
  if (drained || socket.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      socket.off("drain", done);
      socket.off("close", done);
      resolve();
    };
    socket.on("drain", done);
    socket.on("close", done);
  });
}
