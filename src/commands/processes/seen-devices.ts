/** Which devices the gateways hold, and when each was last heard, as they tell it every few seconds. In memory. */

/** As published on `subjects.seen` (JSON). */
export interface SeenNote {
  readonly at: number;
  /** Connected at that time. */
  readonly devices: readonly SeenDevice[];
  /** Only heard. */
  readonly heard?: readonly SeenDevice[];
}

type SeenDevice = readonly [tenant: string, device: string, lastHeardMs: number];

interface Seen {
  /** When it was last known to be there, by the gateway's clock: connected, whether it spoke or not, or else heard. */
  namedAt: number;
  heardAt: number;
  /** `heardAt` as it is stored. */
  storedAt: number;
}

/** Beyond it, further devices are not remembered here, and are judged by what is stored alone. */
const MAX_DEVICES = 1_000_000;

export class SeenDevices {
  readonly #devices = new Map<string, Seen>();

  get size(): number {
    return this.#devices.size;
  }

  note({ at, devices, heard = [] }: SeenNote): void {
    for (const device of devices) this.#note(device, at);
    // Not named at `at`: a connection that has ended since would seem to go on.
    for (const device of heard) this.#note(device, device[2]);
  }

  #note([tenant, device, heardAt]: SeenDevice, namedAt: number): void {
    const id = `${tenant}/${device}`;
    const seen = this.#devices.get(id);
    if (seen !== undefined) {
      seen.namedAt = Math.max(seen.namedAt, namedAt);
      seen.heardAt = Math.max(seen.heardAt, heardAt);
    } else if (this.#devices.size < MAX_DEVICES) {
      this.#devices.set(id, { namedAt, heardAt, storedAt: 0 });
    }
  }

  namedAt(id: string): number | undefined {
    return this.#devices.get(id)?.namedAt;
  }

  /** Heard since it was stored. */
  *unstored(): Generator<readonly [id: string, heardAt: number]> {
    for (const [id, { heardAt, storedAt }] of this.#devices) if (heardAt > storedAt) yield [id, heardAt];
  }

  stored(id: string, heardAt: number): void {
    const seen = this.#devices.get(id);
    if (seen !== undefined) seen.storedAt = Math.max(seen.storedAt, heardAt);
  }

  /** Forgets the stored ones that no gateway has named since. */
  forget(namedBefore: number): void {
    for (const [id, { namedAt, heardAt, storedAt }] of this.#devices) {
      if (namedAt < namedBefore && storedAt >= heardAt) this.#devices.delete(id);
    }
  }
}
