import { describe, it } from "vitest";
import { tenantId } from "../../src/domain/ids.js";
import { tenantDecider } from "../../src/domain/tenant/index.js";
import type { CreateTenant, TenantCreated } from "../../src/domain/tenant/index.js";
import { specify } from "../support/decider-specification.js";
import { NOW } from "./clock.js";

const { given } = specify(tenantDecider);
const create = (name: string): CreateTenant => ({
  type: "CreateTenant",
  at: NOW,
  data: { tenantId: tenantId("acme"), name },
});
const created: TenantCreated = { type: "TenantCreated", data: { tenantId: tenantId("acme"), name: "Acme" } };

describe("a tenant", () => {
  it("is created", () => given().when(create("Acme")).then(created));

  it("is created once", () => given(created).when(create("Acme")).thenRefused("ALREADY_EXISTS", /acme/u));

  it("has a name of at most 255 characters", () => {
    given()
      .when(create("x".repeat(256)))
      .thenRefused("INVALID_VALUE", /name has at most 255/u);
  });

  it.each(["", "   ", "\t\n"])("needs a name that says something, not %j", (name) =>
    given().when(create(name)).thenRefused("INVALID_VALUE", /name/u),
  );
});
