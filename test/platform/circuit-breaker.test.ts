import { deferred } from "../../src/platform/deferred.js";
import { describe, expect, it } from "vitest";
import { createCircuitBreaker } from "../../src/platform/circuit-breaker.js";
import type { CircuitBreaker } from "../../src/platform/circuit-breaker.js";

const away = (): Promise<never> => Promise.reject(new Error("away"));
const wrong = (): Promise<never> => Promise.reject(new RangeError("wrong"));
const fine = (): Promise<string> => Promise.resolve("fine");

function breaker(): { readonly circuit: CircuitBreaker; readonly pass: (ms: number) => void } {
  let now = 0;
  const circuit = createCircuitBreaker({
    what: "the engine",
    isAway: (error) => !(error instanceof RangeError),
    threshold: 3,
    firstPauseMs: 100,
    maxPauseMs: 1_000,
    clock: () => now,
  });
  return {
    circuit,
    pass(ms) {
      now += ms;
    },
  };
}

async function fail(circuit: CircuitBreaker, times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) await expect(circuit.run(away)).rejects.toThrow("away");
}

describe("a circuit breaker", () => {
  it("opens after failures in a row, and then refuses without trying", async () => {
    const { circuit } = breaker();
    await fail(circuit, 3);
    expect(circuit.state).toBe("open");
    let tried = false;
    const work = (): Promise<void> => {
      tried = true;
      return Promise.resolve();
    };
    await expect(circuit.run(work)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(tried).toBe(false);
  });

  it("does not open for answers that say no, nor for failures with successes between them", async () => {
    const { circuit } = breaker();
    for (let n = 0; n < 10; n += 1) await expect(circuit.run(wrong)).rejects.toThrow("wrong");
    for (let n = 0; n < 5; n += 1) {
      await fail(circuit, 2);
      await circuit.run(fine);
    }
    expect(circuit.state).toBe("closed");
  });

  it("lets a single one try after a pause, and all when that succeeds", async () => {
    const { circuit, pass } = breaker();
    await fail(circuit, 3);
    pass(200);
    const answer = deferred<string>();
    const probe = circuit.run(() => answer.promise);
    expect(circuit.state).toBe("half-open");
    await expect(circuit.run(fine)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    answer.resolve("fine");
    expect(await probe).toBe("fine");
    expect(circuit.state).toBe("closed");
    expect(await circuit.run(fine)).toBe("fine");
  });

  it("stays open when the try fails, and the pauses are bounded", async () => {
    const { circuit, pass } = breaker();
    await fail(circuit, 3);
    for (let n = 0; n < 20; n += 1) {
      pass(1_100);
      await fail(circuit, 1);
      expect(circuit.state).toBe("open");
      await expect(circuit.run(fine)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    }
  });

  it("is not left half-open by a try that is refused for good", async () => {
    const { circuit, pass } = breaker();
    await fail(circuit, 3);
    pass(200);
    await expect(circuit.run(wrong)).rejects.toThrow("wrong");
    expect(circuit.state).toBe("closed");
  });
});
