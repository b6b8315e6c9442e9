/**
 * The devices that one connection speaks for: looked up in the registry at each message, so that a removed assignment ends
 * at once; online from their first word, or their gateway's word about them, until the gateway says otherwise or its
 * connection ends.
 */
import { FleetlogError } from "../../platform/errors.js";
import { newId } from "../../platform/ids.js";
import { owesConfiguration } from "../registry/device-access.js";
import type { DeviceAccess } from "../registry/device-access.js";
import type { Ingest, Presence } from "../ingest.js";
import { refusal } from "../pipeline/refusal.js";
import type { Refusal } from "../pipeline/refusal.js";
import type { Registry } from "../registry/registry.js";
import type { SeenDevice } from "../seen.js";
import { MAX_CHILDREN } from "./names.js";
import type { DevicesOf } from "./names.js";
import { gatewayRefusal } from "./speaks-for.js";

/** A device that the connection speaks for. */
interface Child {
  access: DeviceAccess;
  /** What its gateway calls it. */
  name: string;
  /** Of its presence; `undefined` while it is offline. */
  session: string | undefined;
}

export interface ChildrenDeps {
  readonly ingest: Pick<Ingest, "presence" | "seen">;
  readonly registry: ChildRegistry;
  /** A device that was not known on this connection is owed something. */
  readonly owesMore?: () => void;
}

export type ChildRegistry = Pick<Registry, "find" | "peek"> & {
  /** The device of this name among those of the gateway; without it devices are known by their ids only. */
  readonly findNamed?: (tenant: string, gateway: string, name: string) => Promise<DeviceAccess | undefined>;
  /** All of the gateway's devices. */
  readonly devicesOf?: DevicesOf;
};

export class Children {
  readonly #deps: ChildrenDeps;
  readonly #children = new Map<string, Child>();
  /** What the gateway calls them → their ids, as found once on this connection. */
  readonly #ids = new Map<string, string>();
  readonly #removeSource: () => void;
  #isOver = false;

  constructor(deps: ChildrenDeps, lastHeardAt: () => number) {
    this.#deps = deps;
    this.#removeSource = deps.ingest.seen.addSource(() => this.#online(lastHeardAt()));
  }

  /** The device of this id, if the gateway may speak for it; a promise only where it must be looked up. Rejects with UNAVAILABLE when the registry does not answer. */
  byId(gateway: DeviceAccess, id: string): DeviceAccess | Refusal | Promise<DeviceAccess | Refusal> {
    const known = this.#deps.registry.peek(gateway.tenantId, id);
    if (known !== undefined) return this.#checked(gateway, known, id);
    return this.#find(gateway, id);
  }

  /** The same by what its gateway calls it: its id, or else its name among the gateway's devices. */
  byName(gateway: DeviceAccess, name: string): DeviceAccess | Refusal | Promise<DeviceAccess | Refusal> {
    const known = this.#deps.registry.peek(gateway.tenantId, this.#ids.get(name) ?? name);
    if (known !== undefined && known.gateway === gateway.deviceId) return this.#checked(gateway, known, name);
    this.#ids.delete(name);
    return this.#findNamed(gateway, name);
  }

  /** It is one of this connection's from now on, without a word about its presence. */
  add(access: DeviceAccess, name: string = access.deviceId): Child {
    const known = this.#children.get(access.deviceId);
    if (known !== undefined) {
      known.access = access;
      known.name = name;
      return known;
    }
    const child: Child = { access, name, session: undefined };
    this.#children.set(access.deviceId, child);
    if (owesConfiguration(access)) this.#deps.owesMore?.();
    return child;
  }

  /** All that are assigned to the gateway are this connection's from now on. Rejects when the registry does not answer. */
  async addAll(gateway: DeviceAccess): Promise<void> {
    const all = (await this.#deps.registry.devicesOf?.(gateway.tenantId, gateway.deviceId)) ?? [];
    for (const access of all) {
      if (this.#isOver) return;
      if (!("code" in this.#checked(gateway, access, access.deviceId))) this.add(access);
    }
  }

  /** Its gateway has spoken of it. */
  heard(access: DeviceAccess, name?: string): void {
    const child = this.add(access, name);
    if (child.session !== undefined) return;
    const session = newId();
    child.session = session;
    this.#deps.ingest.presence(access, { online: true, at: Date.now(), session });
  }

  /** Its gateway says that it is gone. */
  gone(access: DeviceAccess): void {
    const child = this.#children.get(access.deviceId);
    if (child !== undefined) this.#leave(child, "disconnected");
  }

  allGone(reason: NonNullable<Presence["reason"]>): void {
    for (const child of this.#children.values()) this.#leave(child, reason);
  }

  /** A child has changed. True when it is one of this connection's. */
  refresh(access: DeviceAccess): boolean {
    const child = this.#children.get(access.deviceId);
    if (child === undefined) return false;
    child.access = access;
    return true;
  }

  /** Lets those go that the gateway may no longer speak for. */
  recheck(gateway: DeviceAccess): void {
    for (const [id, child] of this.#children) {
      const access = this.#deps.registry.peek(gateway.tenantId, id) ?? child.access;
      child.access = access;
      if (gatewayRefusal(gateway, access, id) === undefined) continue;
      this.#leave(child, "disconnected");
      this.#children.delete(id);
    }
  }

  nameOf({ deviceId }: DeviceAccess): string {
    return this.#children.get(deviceId)?.name ?? deviceId;
  }

  /** Those that were spoken for on this connection. */
  *all(): Iterable<DeviceAccess> {
    for (const { access } of this.#children.values()) yield access;
  }

  /** `undefined`: our own end, which says nothing of the devices. */
  end(reason: NonNullable<Presence["reason"]> | undefined): void {
    this.#isOver = true;
    this.#removeSource();
    if (reason !== undefined) this.allGone(reason);
    this.#children.clear();
  }

  async #find(gateway: DeviceAccess, id: string): Promise<DeviceAccess | Refusal> {
    const found = await asked(this.#deps.registry.find(gateway.tenantId, id));
    return this.#checked(gateway, found, id);
  }

  async #findNamed(gateway: DeviceAccess, name: string): Promise<DeviceAccess | Refusal> {
    const { registry } = this.#deps;
    if (/^[A-Za-z0-9_-]{1,64}$/u.test(name)) {
      const found = await asked(registry.find(gateway.tenantId, name));
      if (found !== undefined && found.gateway === gateway.deviceId) return this.#checked(gateway, found, name);
    }
    const named = await asked(registry.findNamed?.(gateway.tenantId, gateway.deviceId, name));
    if (named !== undefined && this.#ids.size < MAX_CHILDREN) this.#ids.set(name, named.deviceId);
    return this.#checked(gateway, named, name);
  }

  #checked(gateway: DeviceAccess, access: DeviceAccess | undefined, name: string): DeviceAccess | Refusal {
    const refused = gatewayRefusal(gateway, access, name);
    if (refused !== undefined || access === undefined) {
      return refused ?? refusal("FORBIDDEN", `there is no device ${name}`);
    }
    if (this.#children.has(access.deviceId) || this.#children.size < MAX_CHILDREN) return access;
    return refusal(
      "LIMIT_EXCEEDED",
      `a connection speaks for at most ${MAX_CHILDREN} devices: open another one for ${access.deviceId}`,
    );
  }

  #leave(child: Child, reason: NonNullable<Presence["reason"]>): void {
    const { access, session } = child;
    if (session === undefined) return;
    child.session = undefined;
    // Else nobody would know when, had it come and gone between two rounds.
    this.#deps.ingest.seen.heard(access.tenantId, access.deviceId);
    this.#deps.ingest.presence(access, { online: false, at: Date.now(), session, reason });
  }

  *#online(lastHeardAt: number): Iterable<SeenDevice> {
    for (const { access, session } of this.#children.values()) {
      if (session !== undefined) yield [access.tenantId, access.deviceId, lastHeardAt];
    }
  }
}

/** The registry's failures by one name, so that a defect of ours is not taken for one. */
async function asked<T>(answer: Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    const message = "the registry does not answer: send it again later";
    throw new FleetlogError("UNAVAILABLE", message, {}, { cause: error });
  }
}
