import type { EventStoreDBClient } from "@eventstore/db-client";
import type { DeviceState } from "../domain/device/index.js";
import type { PayloadCodec } from "../domain/device-type/index.js";
import type { Category } from "../events/index.js";
import { readAggregateEvents, streamName } from "../events/index.js";
import { FleetlogError, isFleetlogError } from "../platform/errors.js";
import { newId } from "../platform/ids.js";
import { Limiter } from "../platform/limiter.js";
import { Counter, Histogram } from "../platform/metrics.js";
import type { Registry } from "../platform/metrics.js";
import { authorize } from "./authorize.js";
import type { CommandOutcome, CommandRequest } from "./handler.js";
import { handleCommand, RecentStreams, stateOf } from "./handler.js";

/** So many commands talk to the event store at once; more wait their turn, and beyond MAX_WAITING are turned away. */
const MAX_CONCURRENT = 256;
const MAX_WAITING = 10_000;
const REMEMBERED_TENANTS = 10_000;

function inService(device: unknown): boolean {
  const { status } = device as DeviceState;
  return status !== "UNREGISTERED" && status !== "DECOMMISSIONED";
}

export interface Commands {
  /** See `handleCommand`. Also throws NOT_FOUND for a tenant or gateway that does not exist, LIMIT_EXCEEDED when too many wait. */
  execute<C extends Category>(
    request: Omit<CommandRequest<C>, "commandId" | "correlationId"> &
      Partial<Pick<CommandRequest<C>, "commandId" | "correlationId">>,
  ): Promise<CommandOutcome>;
}

export interface CommandsDeps {
  readonly client: EventStoreDBClient;
  readonly metrics: Registry;
  /** What is wrong with a .proto text and the name of its message; what it takes to know that is no part of the domain. */
  readonly validateProtobuf?: (schema: string, message: string) => string | undefined;
}

export function createCommands({ client, metrics, validateProtobuf }: CommandsDeps): Commands {
  const limiter = new Limiter(MAX_CONCURRENT, MAX_WAITING);
  const recent = new RecentStreams();
  const tenants = new Set<string>();
  const total = new Counter({
    name: "fleetlog_commands_total",
    help: "Commands by type and outcome: accepted, unchanged, or the code they were refused with",
    labelNames: ["command", "outcome"],
    registers: [metrics],
  });
  const seconds = new Histogram({
    name: "fleetlog_command_seconds",
    help: "From a command's arrival to its events being stored",
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers: [metrics],
  });

  async function requireTenant(tenantId: string): Promise<void> {
    if (tenants.has(tenantId)) return;
    let exists = false;
    const stream = streamName("tenant", tenantId, tenantId);
    for await (const created of readAggregateEvents(client, stream, { limit: 1 })) {
      exists = created.type === "TenantCreated";
    }
    if (exists) {
      if (tenants.size >= REMEMBERED_TENANTS) tenants.clear();
      tenants.add(tenantId);
      return;
    }
    throw new FleetlogError("NOT_FOUND", `there is no tenant ${tenantId}: create it first`);
  }

  /** A gateway that is decommissioned is none: it will never speak again. */
  async function requireGateway(tenantId: string, gatewayId: string): Promise<void> {
    const gateway = { category: "device", tenantId, id: gatewayId } as const;
    if (inService(await stateOf(client, recent, gateway, inService))) return;
    throw new FleetlogError(
      "NOT_FOUND",
      `there is no device ${gatewayId} in service in this tenant: register the gateway as a device first`,
    );
  }

  /** What a decider cannot see: other streams, and what takes more than plain functions. Not for those who may not ask. */
  async function checkBeyond({
    actor,
    tenantId,
    command,
  }: Pick<CommandRequest, "actor" | "tenantId" | "command">): Promise<void> {
    switch (command.type) {
      case "RegisterDevice":
      case "CreateAlertRule":
        return requireTenant(tenantId);
      case "DefineDeviceType":
        authorize(actor, tenantId, command.type);
        requireReadable(command.data.codec);
        return requireTenant(tenantId);
      case "AssignGateway":
        authorize(actor, tenantId, command.type);
        return requireGateway(tenantId, command.data.gatewayId);
      default:
        return undefined;
    }
  }

  function requireReadable(codec: PayloadCodec | undefined): void {
    if (codec?.protobuf === undefined) return;
    const problem = validateProtobuf?.(codec.protobuf.schema, codec.protobuf.message);
    if (problem !== undefined) throw new FleetlogError("INVALID_VALUE", `the protobuf schema: ${problem}`);
  }

  return {
    async execute(request) {
      const { command } = request;
      const end = seconds.startTimer();
      const commandId = request.commandId ?? newId();
      const full = { ...request, commandId, correlationId: request.correlationId ?? commandId };
      try {
        const outcome = await limiter.run(async () => {
          await checkBeyond(request);
          return handleCommand(client, recent, full);
        });
        total.inc({ command: command.type, outcome: outcome.changed ? "accepted" : "unchanged" });
        return outcome;
      } catch (error) {
        total.inc({ command: command.type, outcome: isFleetlogError(error) ? error.code : "INTERNAL" });
        throw error;
      } finally {
        end();
      }
    },
  };
}
