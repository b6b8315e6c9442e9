import { describe, expect, it } from "vitest";
import { BoundedFeed, Overflow } from "../../src/graphql/bounded-feed.js";

function feedOf(bound: number) {
  let ends = 0;
  const feed = new BoundedFeed<number>(bound, () => {
    ends += 1;
  });
  return { feed, ends: () => ends };
}

const done = { done: true, value: undefined };

describe("a bounded feed", () => {
  it("gives what was pushed, in order, whether the reader or the item came first", async () => {
    const { feed } = feedOf(10);
    const early = feed.next();
    feed.push(1);
    feed.push(2);
    expect([await early, await feed.next()]).toEqual([
      { done: false, value: 1 },
      { done: false, value: 2 },
    ]);
  });

  it("gives up what waits when one more comes than it holds, says so, and ends", async () => {
    const { feed, ends } = feedOf(2);
    for (const item of [1, 2, 3, 4]) feed.push(item);
    expect(ends()).toBe(1);
    expect((await feed.next()).value).toEqual(new Overflow(2));
    expect(await feed.next()).toEqual(done);
  });

  it("lets go at once of a reader that waits when it is returned", async () => {
    const { feed, ends } = feedOf(2);
    const waiting = feed.next();
    await feed.return();
    expect(await waiting).toEqual(done);
    expect(ends()).toBe(1);
    feed.push(1);
    expect(await feed.next()).toEqual(done);
  });

  it("gives what waits before it ends", async () => {
    const { feed } = feedOf(2);
    feed.push(1);
    feed.end();
    expect([await feed.next(), await feed.next()]).toEqual([{ done: false, value: 1 }, done]);
  });
});
