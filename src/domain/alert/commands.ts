import type { Command } from "../decider.js";
import type { AlertRaised, AlertResolved } from "./events.js";

export type RaiseAlert = Command<"RaiseAlert", AlertRaised["data"]>;
export type AcknowledgeAlert = Command<"AcknowledgeAlert", { readonly by: string; readonly note?: string }>;
export type ResolveAlert = Command<"ResolveAlert", AlertResolved["data"]>;

export type AlertCommand = RaiseAlert | AcknowledgeAlert | ResolveAlert;
