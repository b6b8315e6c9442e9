import type { Role } from "../config.js";

export interface PlannedProcess {
  readonly name: string;
  readonly roles: readonly Role[];
}

/**
 * How the roles share the processes of one machine, in the order they start; they stop the other way round, so doors
 * close before the pipes behind them. The gateway has a process of its own because it is the busiest; the API has one so
 * that no query slows an acknowledgement, and the projector so that showing a command does not compete with taking the next.
 */
const processes: readonly PlannedProcess[] = [
  { name: "writer", roles: ["writer"] },
  { name: "processor", roles: ["processor"] },
  { name: "projector", roles: ["projector", "workflows"] },
  { name: "api", roles: ["api"] },
  { name: "gateway", roles: ["gateway"] },
];

/** The processes that the wanted roles need, each with those of its roles that are wanted. */
export function planProcesses(wanted: readonly Role[]): readonly PlannedProcess[] {
  return processes
    .map(({ name, roles }) => ({ name, roles: roles.filter((role) => wanted.includes(role)) }))
    .filter(({ roles }) => roles.length > 0);
}

/** The one that has the public HTTP port: the API's where there is one. The others answer for their health on a port of their own. */
export function frontOf(planned: readonly PlannedProcess[]): PlannedProcess | undefined {
  return planned.find(({ name }) => name === "api") ?? planned.at(-1);
}
