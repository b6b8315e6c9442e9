/** What the alert commands ask for. */
export interface Alert {
  readonly alertId: string;
  readonly ruleId: string;
  readonly deviceId: string;
  readonly severity: string;
  readonly status: string;
  readonly message: string;
  readonly metric: string;
  readonly value: number;
  readonly threshold: number;
  readonly since: string;
  readonly triggeredAt: string;
  readonly raisedAt: string;
  readonly acknowledgedBy: string | null;
  readonly resolvedAt: string | null;
  readonly resolution: { readonly cause: string } | null;
}

const FIELDS = /* GraphQL */ `
  fragment AlertFields on Alert {
    alertId
    ruleId
    deviceId
    severity
    status
    message
    metric
    value
    threshold
    since
    triggeredAt
    raisedAt
    acknowledgedBy
    resolvedAt
    resolution {
      cause
    }
  }
`;

export const ALERTS = `${
  /* GraphQL */ `
    query ($filter: AlertFilterInput, $first: Int!, $after: String) {
      alerts(filter: $filter, first: $first, after: $after) {
        edges {
          node {
            ...AlertFields
          }
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  `
}${FIELDS}`;

export const ACKNOWLEDGE = `${
  /* GraphQL */ `
    mutation ($input: AlertInput!) {
      acknowledgeAlert(input: $input) {
        shown
        alert {
          ...AlertFields
        }
      }
    }
  `
}${FIELDS}`;

export const RESOLVE = `${
  /* GraphQL */ `
    mutation ($input: AlertInput!) {
      resolveAlert(input: $input) {
        shown
        alert {
          ...AlertFields
        }
      }
    }
  `
}${FIELDS}`;

export const ALERT_CHANGED = `${
  /* GraphQL */ `
    subscription ($deviceId: ID, $severities: [Severity!], $statuses: [AlertStatus!]) {
      alertChanged(deviceId: $deviceId, severities: $severities, statuses: $statuses) {
        ...AlertFields
      }
    }
  `
}${FIELDS}`;
