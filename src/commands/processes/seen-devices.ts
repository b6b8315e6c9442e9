/** Which devices the gateways hold, and when each was last heard, as they tell it every few seconds. In memory. */

/** As published on `subjects.seen` (JSON). */
export interface SeenNote {
  readonly at: number;
  readonly devices: readonly (readonly [tenant: string, device: string, lastHeardMs: number])[];
}

interface Seen {
  /** The last note that named it, by the gateway's clock: a connected device is named whether it speaks or not. */
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

  note({ at, devices }: SeenNote): void {
    for (const [tenant, device, heardAt] of devices) {
      const id = `${tenant}/${device}`;
      const seen = this.#devices.get(id);
      if (seen !== undefined) {
        seen.namedAt = Math.max(seen.namedAt, at);
        seen.heardAt = Math.max(seen.heardAt, heardAt);
      } else if (this.#devices.size < MAX_DEVICES) {
        this.#devices.set(id, { namedAt: at, heardAt, storedAt: 0 });
      }
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
