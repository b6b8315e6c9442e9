#!/usr/bin/env node
// The `fleetlog` command: makes sure that what it runs is installed and built, silently when it is, then steps aside.
import { cliFromClone } from "./launcher/launch.mjs";

await cliFromClone(process.argv.slice(2));
