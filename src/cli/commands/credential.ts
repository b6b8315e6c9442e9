import type { Command } from "commander";
import { FleetlogError } from "../../platform/errors.js";
import { futureTime } from "../arguments.js";
import type { Begin } from "../cli.js";
import { noteUnshown } from "../shown.js";
import { CHANGES } from "./device-queries.js";
import type { DeviceShown } from "./device-queries.js";

const FIELDS = /* GraphQL */ `
  fragment CredentialFields on Credential {
    credentialId
    type
    label
    issuedAt
    expiresAt
    revokedAt
  }
`;

const ISSUE = `${
  /* GraphQL */ `
    mutation ($input: IssueCredentialInput!) {
      issueCredential(input: $input) {
        shown
        apiKey
        credential {
          ...CredentialFields
        }
      }
    }
  `
}${FIELDS}`;

const LIST = `${
  /* GraphQL */ `
    query ($id: ID!) {
      device(id: $id) {
        credentials {
          ...CredentialFields
        }
      }
    }
  `
}${FIELDS}`;

interface Credential {
  readonly credentialId: string;
  readonly type: string;
  readonly label: string | null;
  readonly issuedAt: string;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
}

interface Issued {
  readonly issueCredential: {
    readonly shown: boolean;
    readonly apiKey: string | null;
    readonly credential: Credential;
  };
}

export function addCredentialCommands(program: Command, begin: Begin): void {
  const credential = program.command("credential").description("the keys that devices log in with");
  credential
    .command("issue <device>")
    .description("make a key and print it alone, this once; it is kept nowhere")
    .option("--label <text>", "to tell it from others")
    .option("--expires <time>", "when it ends: 90d, or a time (default: when it is revoked)", futureTime)
    .action(
      async (device: string, options: { readonly label?: string; readonly expires?: string }, command: Command) => {
        const { out, connect } = begin(command);
        const input = { deviceId: device, label: options.label, expiresAt: options.expires };
        const { issueCredential } = await connect("tenant").request<Issued>(ISSUE, { input });
        noteUnshown(out, issueCredential);
        const { apiKey, credential: issued } = issueCredential;
        if (apiKey === null) throw new FleetlogError("INTERNAL", "the platform issued the key but did not show it");
        out.show({ apiKey, ...issued }, () => {
          out.line(apiKey);
          out.note(`credential ${issued.credentialId}: keep the key, it is not shown again`);
        });
      },
    );
  credential
    .command("revoke <device> <credential>")
    .description("end a key, and the sessions that logged in with it")
    .option("--reason <text>", "why; it stands in the history")
    .action(async (device: string, id: string, options: { readonly reason?: string }, command: Command) => {
      const { out, connect } = begin(command);
      const input = { deviceId: device, credentialId: id, ...options };
      const answer = await connect("tenant").request<{ readonly revokeCredential: DeviceShown }>(
        CHANGES.revokeCredential,
        { input },
      );
      noteUnshown(out, answer.revokeCredential);
      out.show(answer.revokeCredential.device, () => out.line(`credential ${id} is revoked`));
    });
  credential
    .command("list <device>")
    .description("those that hold, and the last revoked ones")
    .action(async (id: string, _: object, command: Command) => {
      const { out, connect } = begin(command);
      const { device } = await connect("tenant").request<{
        readonly device: { readonly credentials: readonly Credential[] } | null;
      }>(LIST, { id });
      if (device === null) throw new FleetlogError("NOT_FOUND", `there is no device ${id} in this tenant`);
      out.show(device.credentials, () =>
        out.table<Credential>(
          [
            { title: "CREDENTIAL", of: (row) => row.credentialId },
            { title: "TYPE", of: (row) => row.type },
            { title: "LABEL", of: (row) => row.label },
            { title: "ISSUED", of: (row) => row.issuedAt },
            { title: "EXPIRES", of: (row) => row.expiresAt },
            { title: "REVOKED", of: (row) => row.revokedAt },
          ],
          device.credentials,
        ),
      );
    });
}
