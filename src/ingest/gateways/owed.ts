/** Which configurations a client is owed, and under which topics: its own, and those of the devices that it speaks for. */
import { owesConfiguration } from "../registry/device-access.js";
import type { DeviceAccess } from "../registry/device-access.js";
import { desiredConfigurationTopic } from "../topics.js";
import type { Children } from "./children.js";

export interface Owed {
  /** Names the debt among those of the connection. */
  readonly key: string;
  /** It is sent where a subscription matches. */
  readonly topic: string;
  readonly version: number;
  readonly payload: () => string;
}

const THINGSBOARD_ATTRIBUTES = "v1/devices/me/attributes";
const THINGSBOARD_GATEWAY_ATTRIBUTES = "v1/gateway/attributes";

export function* owedConfigurations(self: DeviceAccess, children: Children | undefined): Iterable<Owed> {
  if (owesConfiguration(self)) {
    const { version, config } = self.configuration;
    yield native(self, "self");
    // What ThingsBoard calls shared attributes.
    yield { key: "thingsboard", topic: THINGSBOARD_ATTRIBUTES, version, payload: () => JSON.stringify(config) };
  }
  for (const child of children?.all() ?? []) {
    if (!owesConfiguration(child)) continue;
    const { version, config } = child.configuration;
    yield native(child, `child ${child.deviceId}`);
    yield {
      key: `thingsboard ${child.deviceId}`,
      topic: THINGSBOARD_GATEWAY_ATTRIBUTES,
      version,
      payload: () => JSON.stringify({ device: children?.nameOf(child) ?? child.deviceId, data: config }),
    };
  }
}

function native(access: DeviceAccess, key: string): Owed {
  const { version, config } = access.configuration;
  const topic = desiredConfigurationTopic(access.tenantId, access.deviceId);
  return { key, topic, version, payload: () => JSON.stringify({ version, config }) };
}
