/** What the rejection commands ask for. */
export interface Rejection {
  readonly rejectionId: string;
  readonly deviceId: string;
  readonly at: string;
  readonly door: string;
  readonly code: string;
  readonly reason: string;
  readonly topic: string;
  readonly payload: string;
  readonly encoding: string;
  readonly bytes: number;
  readonly line: string | null;
  readonly replayable: boolean;
  readonly replayed: { readonly outcome: string; readonly at: string; readonly reason: string | null } | null;
}

export interface ReplayAnswer {
  readonly replayRejections: {
    readonly more: boolean;
    readonly results: readonly {
      readonly rejectionId: string;
      readonly outcome: string;
      readonly code: string | null;
      readonly reason: string | null;
    }[];
  };
}

export const REJECTIONS = /* GraphQL */ `
  query ($filter: RejectionFilterInput, $first: Int!, $after: String) {
    rejections(filter: $filter, first: $first, after: $after) {
      edges {
        node {
          rejectionId
          deviceId
          at
          door
          code
          reason
          topic
          payload
          encoding
          bytes
          line
          replayable
          replayed {
            outcome
            at
            reason
          }
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`;

export const COUNTS = /* GraphQL */ `
  query ($by: RejectionCountBy!, $from: DateTime, $to: DateTime, $deviceId: ID) {
    rejectionCounts(by: $by, from: $from, to: $to, deviceId: $deviceId) {
      key
      count
    }
  }
`;

export const REPLAY = /* GraphQL */ `
  mutation ($input: ReplayRejectionsInput!) {
    replayRejections(input: $input) {
      more
      results {
        rejectionId
        outcome
        code
        reason
      }
    }
  }
`;
