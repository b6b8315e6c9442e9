import type { Command } from "commander";
import { count, finite, jsonObject, list, pastTime, upperCaseList } from "../arguments.js";
import type { Begin } from "../cli.js";
import { take } from "../pages.js";
import { FleetlogError } from "../../platform/errors.js";
import { UsageError } from "../problem.js";
import { noteUnshown } from "../shown.js";
import { CHANGES, DEVICE, DEVICES } from "./device-queries.js";
import type { DeviceRow, DeviceShown } from "./device-queries.js";
import { showDevice, showDevices } from "./device-view.js";

interface Details {
  readonly name?: string;
  readonly description?: string;
  readonly manufacturer?: string;
  readonly model?: string;
  readonly firmware?: string;
  readonly site?: string;
  readonly latitude?: number;
  readonly longitude?: number;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

interface ListOptions {
  readonly type?: string;
  readonly status?: readonly string[];
  readonly online?: true;
  readonly offline?: true;
  readonly site?: string;
  readonly gateway?: string;
  readonly prefix?: string;
  readonly limit: number;
}

export function addDeviceCommands(program: Command, begin: Begin): void {
  const device = program.command("device").description("the registry of devices");

  async function change(command: Command, mutation: keyof typeof CHANGES, input: object): Promise<void> {
    const { out, connect } = begin(command);
    const answer = await connect("tenant").request<Record<string, DeviceShown>>(CHANGES[mutation], { input });
    const payload = answer[mutation];
    if (payload === undefined) throw new FleetlogError("INTERNAL", `the answer to ${mutation} is empty`);
    noteUnshown(out, payload);
    out.show(payload.device, () =>
      out.line(payload.device === null ? "done" : `device ${payload.device.deviceId} is ${payload.device.status}`),
    );
  }

  details(device.command("register <id>").description("make a device known; it may speak once it is active"))
    .requiredOption("--type <type>", "its device type")
    .action((id: string, options: Details & { readonly type: string }, command: Command) =>
      change(command, "registerDevice", { deviceId: id, deviceType: options.type, ...detailsOf(options) }),
    );
  details(device.command("update <id>").description("change what is said about it; what is left out stays"))
    .option(
      "--clear <fields>",
      "take these away: name, description, manufacturer, model, firmware, location, metadata",
      list,
    )
    .action((id: string, options: Details & { readonly clear?: readonly string[] }, command: Command) =>
      change(command, "updateDevice", { deviceId: id, ...detailsOf(options), ...cleared(options.clear) }),
    );
  device
    .command("activate <id>")
    .description("let it speak")
    .action((id: string, _: object, command: Command) => change(command, "activateDevice", { deviceId: id }));
  step(device.command("deactivate <id>").description("end its sessions and let none begin"), "deactivateDevice");
  step(device.command("decommission <id>").description("take it out of service, for good"), "decommissionDevice");
  const maintenance = device.command("maintenance").description("listen to it, but raise no alerts");
  step(maintenance.command("start <id>"), "startMaintenance");
  maintenance
    .command("end <id>")
    .action((id: string, _: object, command: Command) => change(command, "endMaintenance", { deviceId: id }));

  function step(command: Command, mutation: keyof typeof CHANGES): void {
    command
      .option("--reason <text>", "why; it stands in the history")
      .action((id: string, options: { readonly reason?: string }, own: Command) =>
        change(own, mutation, { deviceId: id, ...options }),
      );
  }

  device
    .command("show <id>")
    .description("one device, as it is or as it was")
    .option("--as-of <time>", "as its history says it stood then", pastTime)
    .action(async (id: string, options: { readonly asOf?: string }, command: Command) => {
      const { out, connect } = begin(command);
      const found = await connect("tenant").request<{ readonly device: DeviceRow | null }>(DEVICE, { id, ...options });
      if (found.device === null) {
        const when = options.asOf === undefined ? "" : ` as of ${options.asOf}`;
        throw new FleetlogError("NOT_FOUND", `there is no device ${id} in this tenant${when}`);
      }
      const shown = found.device;
      out.show(shown, () => showDevice(out, shown));
    });

  device
    .command("list")
    .description("devices by id")
    .option("--type <type>", "of this type")
    .option("--status <statuses>", "in one of these statuses", upperCaseList)
    .option("--online", "connected")
    .option("--offline", "not connected")
    .option("--site <site>", "at this site")
    .option("--gateway <device>", "that this device may speak for")
    .option("--prefix <text>", "whose id begins so")
    .option("--limit <n>", "so many at most", count, 100)
    .action(async (options: ListOptions, command: Command) => {
      const { out, connect } = begin(command);
      const { type, status, online, offline, site, gateway, prefix, limit } = options;
      const filter = {
        deviceType: type,
        statuses: status,
        online: online ?? (offline === undefined ? undefined : false),
        site,
        gateway,
        idPrefix: prefix,
      };
      const { nodes, more } = await take<DeviceRow>(connect("tenant"), DEVICES, { filter }, "devices", limit);
      out.show(nodes, () => showDevices(out, nodes));
      if (more) out.note(`there are more than these ${nodes.length}: raise --limit, or filter`);
    });
}

function details(command: Command): Command {
  return command
    .option("--name <text>")
    .option("--description <text>")
    .option("--manufacturer <text>")
    .option("--model <text>")
    .option("--firmware <version>")
    .option("--site <site>", "a short label of the place; a tag of the time series")
    .option("--latitude <degrees>", "WGS 84", finite)
    .option("--longitude <degrees>", "WGS 84", finite)
    .option("--metadata <json>", "an object of your own", jsonObject);
}

const clearable = ["name", "description", "manufacturer", "model", "firmware", "location", "metadata"];

function cleared(fields: readonly string[] = []): object {
  const unknown = fields.find((field) => !clearable.includes(field));
  if (unknown !== undefined) throw new UsageError(`--clear takes ${clearable.join(", ")}, not ${unknown}`);
  return Object.fromEntries(fields.map((field) => [field === "firmware" ? "firmwareVersion" : field, null]));
}

function detailsOf(options: Details): object {
  const { name, description, manufacturer, model, firmware, site, latitude, longitude, metadata } = options;
  const located = site !== undefined || latitude !== undefined || longitude !== undefined;
  return {
    name,
    description,
    manufacturer,
    model,
    firmwareVersion: firmware,
    location: located ? { site, latitude, longitude } : undefined,
    metadata,
  };
}
