import type { Command } from "commander";
import type { Begin } from "../cli.js";
import { noteUnshown } from "../shown.js";

const CREATE = /* GraphQL */ `
  mutation ($input: CreateTenantInput!) {
    createTenant(input: $input) {
      shown
      tenant {
        tenantId
        name
        createdAt
      }
    }
  }
`;

interface Created {
  readonly createTenant: { readonly shown: boolean; readonly tenant: Readonly<Record<string, unknown>> | null };
}

export function addTenantCommands(program: Command, begin: Begin): void {
  const tenant = program.command("tenant").description("the organizations on this platform");
  tenant
    .command("create <id>")
    .description("make a tenant (takes a token of the platform itself)")
    .option("--name <name>", "as people call it (default: the id)")
    .action(async (id: string, options: { readonly name?: string }, command: Command) => {
      const { out, connect } = begin(command);
      const input = { tenantId: id, name: options.name ?? id };
      const { createTenant } = await connect("platform").request<Created>(CREATE, { input });
      noteUnshown(out, createTenant);
      out.show(createTenant.tenant, () => out.line(`tenant ${id} is there`));
    });
}
