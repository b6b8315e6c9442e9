/**
 * The short way of a message: where a device asks nothing of the pipeline but its plain course, and its message has the
 * shape of others of its type before, its line is written straight into the frame. Everything else goes the ordinary way,
 * from which shapes are learnt.
 */
import type { DeviceAccess, TypeAccess } from "../registry/device-access.js";
import type { Format } from "../codecs/format.js";
import type { FrameEncoder, LineOwner } from "../frames/frame-encoder.js";
import { MAX_FUTURE_MS } from "../pipeline/telemetry.js";
import { createChecks } from "../pipeline/quality/checks.js";
import { AHEAD_MS, LATE_MS } from "../pipeline/quality/clock.js";
import type { Reading } from "../reading.js";
import { pointOf } from "../writer/line-protocol.js";
import { Shape } from "./shape.js";

export interface PlainPath {
  /** The shape that the message from `from` to `to` has, if it may go the short way; good until the next one is asked for. */
  find(access: DeviceAccess, bytes: Buffer, from: number, to: number, receivedAt: number): Shape | undefined;
  /** Puts the message into the frame, given the shape that was found for it. */
  write(
    access: DeviceAccess,
    shape: Shape,
    bytes: Buffer,
    length: number,
    receivedAt: number,
    frame: FrameEncoder,
  ): void;
  /** Of a message that went the ordinary way, and what became of it. */
  learn(access: DeviceAccess, payload: Buffer, format: Format | undefined, reading: Reading): void;
}

/** Of one device type, as long as it stays as it is. */
interface Learnt {
  readonly metrics: TypeAccess["metrics"];
  readonly codec: TypeAccess["codec"];
  readonly reportEvery: number | undefined;
  /** The last one that fitted first. */
  readonly shapes: Shape[];
  /** Whether devices of the type may go the short way at all. */
  readonly isPlain: boolean;
  /** Messages since the last one that a shape was looked for in. */
  unlearnt: number;
  failures: number;
}

/** More forms than this of one type take turns. */
const MAX_SHAPES = 8;
/** After so many messages without a shape, only one in `LOOK_AGAIN` is looked at. */
const PATIENCE = 64;
const LOOK_AGAIN = 256;

export function createPlainPath(options: { readonly maxAgeMs: number }): PlainPath {
  const checksOf = createChecks();
  const oldest = Math.min(options.maxAgeMs, LATE_MS);
  const ahead = Math.min(MAX_FUTURE_MS, AHEAD_MS);
  const learntOf = new WeakMap<TypeAccess, Learnt>();
  const owners = new WeakMap<DeviceAccess, LineOwner>();
  let lastAccess: DeviceAccess | undefined;
  let lastOwner: LineOwner | undefined;
  let lastType: TypeAccess | undefined;
  let lastLearnt: Learnt | undefined;

  function learnt(type: TypeAccess): Learnt {
    const known = type === lastType ? lastLearnt : learntOf.get(type);
    const { metrics, codec, reportEvery } = type;
    // The registry puts a new version into the same object.
    const isCurrent =
      known !== undefined && known.metrics === metrics && known.codec === codec && known.reportEvery === reportEvery;
    const current = isCurrent
      ? known
      : {
          metrics,
          codec,
          reportEvery,
          shapes: [],
          isPlain: (codec === undefined || codec.format === "json") && checksOf(type) === undefined,
          unlearnt: 0,
          failures: 0,
        };
    if (!isCurrent) learntOf.set(type, current);
    lastType = type;
    lastLearnt = current;
    return current;
  }

  /** One object a device, as long as it stays as it is: by it the frame knows a run of lines. */
  function ownerOf(access: DeviceAccess): LineOwner {
    if (lastAccess === access && lastOwner !== undefined) return lastOwner;
    let owner = owners.get(access);
    if (owner === undefined) {
      const { tenantId, deviceId, deviceType, site, status } = access;
      owner = {
        tenantId,
        deviceId,
        deviceType,
        ...(site === undefined ? {} : { site }),
        ...(status === "MAINTENANCE" ? { maintenance: true } : {}),
      };
      owners.set(access, owner);
    }
    lastAccess = access;
    lastOwner = owner;
    return owner;
  }

  return {
    find(access, bytes, from, to, receivedAt) {
      if (access.calibration !== undefined) return undefined;
      const { isPlain, shapes } = learnt(access.type);
      if (!isPlain) return undefined;
      for (let index = 0; index < shapes.length; index += 1) {
        const shape = shapes[index];
        if (shape === undefined || !shape.fits(bytes, from, to)) continue;
        const { timestamp } = shape;
        if (timestamp > receivedAt + ahead || timestamp < receivedAt - oldest) return undefined;
        if (index > 0) {
          shapes.splice(index, 1);
          shapes.unshift(shape);
        }
        return shape;
      }
      return undefined;
    },
    write(access, shape, bytes, length, receivedAt, frame) {
      const timestamp = Number.isNaN(shape.timestamp) ? receivedAt : shape.timestamp;
      frame.reserve(length + shape.room);
      const end = shape.write(bytes, frame.text, frame.end, timestamp);
      frame.commit(ownerOf(access), timestamp, receivedAt, end);
    },
    learn(access, payload, format, reading) {
      if (access.calibration !== undefined || reading.quality !== undefined) return;
      if (format !== undefined && format !== "json") return;
      const type = learnt(access.type);
      if (!type.isPlain) return;
      type.unlearnt += 1;
      if (type.failures >= PATIENCE && type.unlearnt % LOOK_AGAIN !== 0) return;
      const shape = Shape.of(payload, access.type.metrics);
      if (shape === undefined || !isFaithful(shape, payload, reading)) {
        type.failures += 1;
        return;
      }
      type.failures = 0;
      type.shapes.unshift(shape);
      if (type.shapes.length > MAX_SHAPES) type.shapes.pop();
    },
  };
}

/** Whether the shape makes of the message that it was learnt from what the ordinary way has made of it. */
function isFaithful(shape: Shape, payload: Buffer, reading: Reading): boolean {
  if (!shape.fits(payload, 0, payload.length)) return false;
  if (!Number.isNaN(shape.timestamp) && shape.timestamp !== reading.timestamp) return false;
  const written = Buffer.allocUnsafe(payload.length + shape.room);
  const end = shape.write(payload, written, 0, reading.timestamp);
  return written.toString("latin1", 0, end - 1) === pointOf(reading);
}
