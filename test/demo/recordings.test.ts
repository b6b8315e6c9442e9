import { describe, expect, it } from "vitest";
import { fleetOf, FULL_FLEET, MACHINE } from "../../src/demo/fleet.js";
import { parseReadings, readRecording } from "../../src/demo/recordings.js";

const samples = "samples/nab";
const machine = "realKnownCause/machine_temperature_system_failure.csv";

describe("a recording", () => {
  it("is read whole, in the order of time", async () => {
    const { times, values } = await readRecording(samples, machine);
    expect(times).toHaveLength(22_695);
    expect(values).toHaveLength(22_695);
    expect(values[0]).toBe(73.96732207);
    expect(times[0]).toBe(Date.UTC(2013, 11, 2, 21, 15));
    expect(times.every((time, index) => index === 0 || time >= (times[index - 1] ?? time))).toBe(true);
  });

  it("comes with the spans in which something was wrong", async () => {
    const { anomalies } = await readRecording(samples, machine);
    expect(anomalies).toHaveLength(4);
    expect(anomalies[3]).toEqual({ from: Date.UTC(2014, 1, 7, 14, 55), to: Date.UTC(2014, 1, 9, 14, 5) });
  });

  it("is there for each device of the fleet", async () => {
    const fleet = fleetOf(FULL_FLEET);
    expect(fleet).toHaveLength(50);
    expect(new Set(fleet.map(({ deviceId }) => deviceId)).size).toBe(50);
    for (const file of new Set(fleet.map((member) => member.file))) {
      expect((await readRecording(samples, file)).times.length).toBeGreaterThan(1_000);
    }
  });

  it("of the machine is played by one device alone, from its beginning, in a fleet of any size", () => {
    for (const size of [1, 7, FULL_FLEET]) {
      const players = fleetOf(size).filter(({ file }) => file === machine);
      expect(players).toMatchObject([{ deviceId: MACHINE, begin: 0 }]);
    }
  });

  it("that is not there is named", async () => {
    await expect(readRecording(samples, "nowhere.csv")).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining("nowhere.csv") as string,
    });
  });

  it("keeps two readings of one time, and puts rows in order that a clock set back", () => {
    const csv = "timestamp,value\n2014-01-01 00:10:00,3\n2014-01-01 00:00:00,1\n2014-01-01 00:00:00,2\n";
    const from = Date.UTC(2014, 0, 1);
    expect(parseReadings(csv, "x.csv")).toEqual({ times: [from, from, from + 600_000], values: [1, 2, 3] });
  });

  it.each([
    ["2014-01-01 00:00:00,hot", "line 2"],
    ["2014-01-01 00:00:00,1\n2014-01-01 00:05:00,", "line 3"],
    ["yesterday,1", "line 2"],
    ["2014-01-01 00:00:00", "line 2"],
  ])("with the row %j names the line", (rows, line) => {
    expect(() => parseReadings(`timestamp,value\n${rows}\n`, "x.csv")).toThrow(line);
  });
});
