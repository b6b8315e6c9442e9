import { expect, test } from "vitest";
import { createIntake } from "../../../src/ingest/bridge/intake.js";
import { readMapping } from "../../../src/ingest/index.js";
import type { Ingest } from "../../../src/ingest/index.js";
import type { Wait } from "../../../src/ingest/limits/limits.js";
import { accessOf } from "../../../src/ingest/registry/device-access.js";
import { silentLogger } from "../../../src/platform/logger.js";
import { waitFor } from "../../support/wait-for.js";
import { deviceDocument } from "../support.js";

const type = { metrics: undefined };

function underTest(wait: (device: string, payloadBytes: number) => Wait | undefined) {
  const taken: string[] = [];
  const ingest = {
    limits: { take: ({ deviceId }: { deviceId: string }, bytes: number) => wait(deviceId, bytes) },
    seen: { heard: () => undefined },
    accept: (_topic: unknown, { deviceId }: { deviceId: string }, payload: Buffer) => {
      taken.push(`${deviceId}:${payload.toString()}`);
    },
    refuse: ({ deviceId }: { deviceId: string }, { code }: { code: string }, payload: Buffer) => {
      taken.push(`${deviceId}:${payload.toString()}:${code}`);
    },
  } as unknown as Ingest;
  const intake = createIntake({
    ingest,
    registry: {
      peek: (tenant, device) => accessOf(deviceDocument(tenant, device), type),
      find: () => Promise.resolve(undefined),
      hasTenant: () => Promise.resolve(true),
    },
    rules: readMapping(undefined),
    logger: silentLogger,
    maxPayloadBytes: 1_000,
    onUnmatched: () => undefined,
  });
  const give = (device: string, payload: string): void =>
    intake.take(`v1/acme/${device}/telemetry`, Buffer.from(payload), () => undefined);
  return { taken, give };
}

test("a message that waits for its limit is not passed by the device's next, only by those of others", async () => {
  let isFull = true;
  const { taken, give } = underTest((device, bytes) =>
    isFull && device === "d1" && bytes > 1 ? { waitMs: 20, limit: "too fast" } : undefined,
  );
  give("d1", "11");
  // It would fit.
  give("d1", "2");
  give("d2", "3");
  expect(taken).toEqual(["d2:3"]);
  isFull = false;
  await waitFor(() => taken.length === 3);
  give("d1", "4");
  expect(taken).toEqual(["d2:3", "d1:11", "d1:2", "d1:4"]);
});

test("those that wait behind others count from when they came, so that all are settled together", async () => {
  const { taken, give } = underTest(() => ({ waitMs: 900, limit: "too fast" }));
  for (const payload of ["1", "2", "3"]) give("d1", payload);
  await waitFor(() => taken.length === 3);
  expect(taken).toEqual(["d1:1:LIMIT_EXCEEDED", "d1:2:LIMIT_EXCEEDED", "d1:3:LIMIT_EXCEEDED"]);
});
