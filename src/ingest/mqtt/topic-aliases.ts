/** Topic aliases of one connection, from the client to us (MQTT 5, section 3.3.2.3.4). */
import type { Publish } from "./packets.js";
import { reasons } from "./reasons.js";

/** Announced in CONNACK. */
export const TOPIC_ALIAS_MAXIMUM = 32;

export class TopicAliases {
  readonly #topics = new Map<number, string>();

  /** The topic that the packet means, or the code and reason with which its connection ends. */
  resolve({ topic, properties }: Publish): string | { readonly code: number; readonly reason: string } {
    const alias = properties?.topicAlias;
    if (alias === undefined) {
      if (topic !== "") return topic;
      return { code: reasons.protocolError, reason: "PUBLISH has neither a topic nor a topic alias" };
    }
    if (alias > TOPIC_ALIAS_MAXIMUM) {
      const reason = `topic alias ${alias} is above the announced maximum of ${TOPIC_ALIAS_MAXIMUM}`;
      return { code: reasons.topicAliasInvalid, reason };
    }
    if (topic !== "") {
      this.#topics.set(alias, topic);
      return topic;
    }
    const known = this.#topics.get(alias);
    if (known !== undefined) return known;
    return { code: reasons.protocolError, reason: `topic alias ${alias} was given no topic on this connection` };
  }
}
