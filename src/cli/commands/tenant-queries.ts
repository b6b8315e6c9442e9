/** What the tenant commands ask for. */
export interface Limits {
  readonly messages: object | null;
  readonly bytes: object | null;
  readonly connections: number | null;
}

export interface Rule {
  readonly resolution: string;
  readonly metric: string | null;
  readonly days: number;
}

export interface Tenant {
  readonly tenantId: string;
  readonly name: string;
  readonly createdAt: string;
  readonly limits: { readonly tenant: Limits | null; readonly device: Limits | null };
  readonly retention: readonly Rule[];
}

export interface Changed {
  readonly shown: boolean;
  readonly tenant: Tenant | null;
}

const FIELDS = /* GraphQL */ `
  fragment TenantFields on Tenant {
    tenantId
    name
    createdAt
    limits {
      tenant {
        messages {
          perSecond
          burst
        }
        bytes {
          perSecond
          burst
        }
        connections
      }
      device {
        messages {
          perSecond
          burst
        }
        bytes {
          perSecond
          burst
        }
        connections
      }
    }
    retention {
      resolution
      metric
      days
    }
  }
`;

export const SHOW = `${
  /* GraphQL */ `
    query {
      tenant {
        ...TenantFields
      }
    }
  `
}${FIELDS}`;

export const CREATE = `${
  /* GraphQL */ `
    mutation ($input: CreateTenantInput!) {
      createTenant(input: $input) {
        shown
        tenant {
          ...TenantFields
        }
      }
    }
  `
}${FIELDS}`;

export const LIMIT = `${
  /* GraphQL */ `
    mutation ($input: SetTenantLimitsInput!) {
      setTenantLimits(input: $input) {
        shown
        tenant {
          ...TenantFields
        }
      }
    }
  `
}${FIELDS}`;

export const RETAIN = `${
  /* GraphQL */ `
    mutation ($input: SetRetentionInput!) {
      setRetention(input: $input) {
        shown
        tenant {
          ...TenantFields
        }
      }
    }
  `
}${FIELDS}`;
