/** What the rule commands ask for. */
export interface Rule {
  readonly ruleId: string;
  readonly name: string;
  readonly enabled: boolean;
  readonly severity: string;
  readonly version: number;
  readonly cooldownSeconds: number;
  readonly condition: {
    readonly metric: string;
    readonly operator: string;
    readonly threshold: number;
    readonly clearThreshold: number | null;
    readonly forSeconds: number;
  };
  readonly filter: {
    readonly deviceIds: readonly string[] | null;
    readonly deviceTypes: readonly string[] | null;
    readonly sites: readonly string[] | null;
  };
}

const FIELDS = /* GraphQL */ `
  fragment RuleFields on AlertRule {
    ruleId
    name
    enabled
    severity
    version
    cooldownSeconds
    condition {
      metric
      operator
      threshold
      clearThreshold
      forSeconds
    }
    filter {
      deviceIds
      deviceTypes
      sites
    }
  }
`;

export const CREATE_RULE = `${
  /* GraphQL */ `
    mutation ($input: CreateAlertRuleInput!) {
      createAlertRule(input: $input) {
        shown
        alertRule {
          ...RuleFields
        }
      }
    }
  `
}${FIELDS}`;

export const UPDATE_RULE = `${
  /* GraphQL */ `
    mutation ($input: UpdateAlertRuleInput!) {
      updateAlertRule(input: $input) {
        shown
        alertRule {
          ...RuleFields
        }
      }
    }
  `
}${FIELDS}`;

export const ENABLE_RULE = `${
  /* GraphQL */ `
    mutation ($input: AlertRuleInput!) {
      enableAlertRule(input: $input) {
        shown
        alertRule {
          ...RuleFields
        }
      }
    }
  `
}${FIELDS}`;

export const DISABLE_RULE = `${
  /* GraphQL */ `
    mutation ($input: AlertRuleInput!) {
      disableAlertRule(input: $input) {
        shown
        alertRule {
          ...RuleFields
        }
      }
    }
  `
}${FIELDS}`;

export const RULE = `${
  /* GraphQL */ `
    query ($ruleId: ID!) {
      alertRule(id: $ruleId) {
        ...RuleFields
      }
    }
  `
}${FIELDS}`;

export const RULES = `${
  /* GraphQL */ `
    query ($filter: AlertRuleFilterInput, $first: Int!, $after: String) {
      alertRules(filter: $filter, first: $first, after: $after) {
        edges {
          node {
            ...RuleFields
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

const SIGNS: Readonly<Record<string, string>> = { GT: ">", GTE: "≥", LT: "<", LTE: "≤" };

/** `temperature > 80 for 30 s` */
export function conditionText({ condition }: Rule): string {
  const { metric, operator, threshold, clearThreshold, forSeconds } = condition;
  const long = forSeconds === 0 ? "" : ` for ${forSeconds} s`;
  const clear = clearThreshold === null ? "" : `, clears at ${clearThreshold}`;
  return `${metric} ${SIGNS[operator] ?? operator} ${threshold}${long}${clear}`;
}
