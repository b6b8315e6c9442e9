/** Gateways tell each other who has logged in, so that one client has one connection, wherever it comes in. */
import type { NatsConnection } from "nats";
import { z } from "zod";
import { messageOf } from "../../platform/errors.js";
import { newId } from "../../platform/ids.js";
import type { Logger } from "../../platform/logger.js";
import { subjects } from "../../platform/subjects.js";

const login = z.object({
  /** Where it came in. */
  door: z.string(),
  tenantId: z.string(),
  deviceId: z.string(),
  clientId: z.string(),
  /** A UUID of version 7: later ones are larger. */
  connection: z.string(),
  clean: z.boolean(),
});

export type Login = Omit<z.infer<typeof login>, "door">;

export interface Logins {
  announce(who: Login): void;
  stop(): void;
}

/** `heard` is called for the log-ins at other doors. A lost message costs only that the older connection notices later. */
export function announceLogins(nc: NatsConnection, logger: Logger, heard: (who: Login) => void): Logins {
  const door = newId();
  const subscription = nc.subscribe(subjects.loggedIn, {
    callback: (error, message) => {
      if (error !== null) return;
      try {
        const { door: from, ...who } = login.parse(message.json());
        if (from !== door) heard(who);
      } catch (failure) {
        logger.error(
          { error: messageOf(failure) },
          "a message on log-ins is none: is something else publishing on it?",
        );
      }
    },
  });
  return {
    announce(who) {
      if (!nc.isClosed()) nc.publish(subjects.loggedIn, JSON.stringify({ door, ...who }));
    },
    stop() {
      subscription.unsubscribe();
    },
  };
}
