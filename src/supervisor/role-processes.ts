import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Role } from "../config.js";
import { choosePort, startNodeProcess } from "../embedded/processes/index.js";
import type { SupervisedChild } from "../embedded/processes/index.js";
import type { PartHealth } from "../platform/lifecycle.js";
import type { Lifecycle } from "../platform/lifecycle.js";
import type { Logger } from "../platform/logger.js";
import { parseProcessMessage } from "../process-report.js";
import type { ProcessReport } from "../process-report.js";

/** The program that each child runs. */
const mainScript = fileURLToPath(new URL("../main.js", import.meta.url));
const API = "api";
const PORT_TRIES = 3;

/**
 * Messages live for some milliseconds, longer than a small nursery lasts at full load: with V8's default they are
 * copied into the old generation by the hundred thousand. With 64 MB a fifth more messages were acknowledged.
 */
const nodeArgs = ["--max-semi-space-size=64", "--enable-source-maps"];

/** A port that the child is to listen on: the variable that tells it, and the one wished for (0: any). */
export interface WantedPort {
  readonly variable: string;
  readonly preferred: number;
  readonly host: string;
  /** TCP when it says nothing. */
  readonly protocol?: "tcp" | "udp";
}

export interface RoleProcesses {
  /** Resolves with the ports that it says it listens on, once it is ready. Throws FleetlogError UNAVAILABLE when it does not start. */
  start(
    name: string,
    roles: readonly Role[],
    environment: NodeJS.ProcessEnv,
    wantedPorts: readonly WantedPort[],
  ): Promise<StartedProcess>;
  pids(): ReadonlyMap<string, number>;
  /** Of the processes themselves: whether each runs. */
  health(): readonly PartHealth[];
  /** What they said last of the parts in them. */
  reports(): readonly ProcessReport[];
  /** Told to the process with the API, which answers for the machine. */
  tellApi(report: ProcessReport): void;
}

export interface StartedProcess {
  /** By door, as the child names them. */
  readonly doors: Readonly<Record<string, number>>;
  /** The variables of the wanted ports, with those that it got. */
  readonly ports: Readonly<Record<string, string>>;
}

/** Our own programs as children: started on free ports, restarted on the same ones, their reports passed on to the API's process. */
export function createRoleProcesses(deps: {
  readonly dataDir: string;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
}): RoleProcesses {
  const { dataDir, logger, lifecycle } = deps;
  const children = new Map<string, SupervisedChild>();
  const reports = new Map<string, ProcessReport>();

  async function startOnce(
    name: string,
    roles: readonly Role[],
    env: NodeJS.ProcessEnv,
  ): Promise<StartedProcess["doors"]> {
    let doors: StartedProcess["doors"] = {};
    const child = await startNodeProcess({
      name,
      script: mainScript,
      nodeArgs,
      env: { ...env, FLEETLOG_ROLES: roles.join(","), FLEETLOG_PROCESS: name },
      pidFile: resolve(dataDir, "run", `${name}.pid`),
      logger,
      readyWithinMs: 120_000,
      graceMs: 30_000,
      isReady: (message) => parseProcessMessage(message)?.type === "ready",
      onMessage: (raw) => {
        const message = parseProcessMessage(raw);
        if (message?.type === "ready") doors = message.ports;
        if (message?.type === "report") {
          reports.set(name, message);
          if (name !== API) children.get(API)?.send(message);
        }
      },
    });
    children.set(name, lifecycle.add(name, child));
    return doors;
  }

  return {
    async start(name, roles, environment, wantedPorts) {
      for (let tries = 1; ; tries += 1) {
        const ports = await chosen(wantedPorts);
        try {
          return { doors: await startOnce(name, roles, { ...environment, ...ports }), ports };
        } catch (error) {
          // Between our look and the child's bind another program may have taken the port: then the next one is tried.
          if (tries >= PORT_TRIES || !(await oneIsTaken(wantedPorts, ports))) throw error;
          logger.warn({ process: name, ports }, "a port was taken at the last moment; trying others");
        }
      }
    },
    pids() {
      const running = new Map<string, number>();
      for (const [name, child] of children) {
        const pid = child.pid();
        if (pid !== undefined) running.set(name, pid);
      }
      return running;
    },
    health: () => [...children.values()].flatMap((child) => child.health()),
    reports: () => [...reports.values()],
    tellApi: (report) => void children.get(API)?.send(report),
  };
}

async function chosen(wanted: readonly WantedPort[]): Promise<Readonly<Record<string, string>>> {
  const ports: Record<string, string> = {};
  for (const { variable, preferred, host, protocol } of wanted) {
    ports[variable] = String(await choosePort(preferred, host, protocol));
  }
  return ports;
}

async function oneIsTaken(wanted: readonly WantedPort[], ports: Readonly<Record<string, string>>): Promise<boolean> {
  for (const { variable, host, protocol } of wanted) {
    const port = Number(ports[variable]);
    if ((await choosePort(port, host, protocol)) !== port) return true;
  }
  return false;
}
