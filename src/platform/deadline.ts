/**
 * Rejects when the work takes longer than `ms`; the work itself goes on unheard, so it must be harmless to begin it again.
 * For clients that have no time limit of their own: an operation whose server is killed at the wrong moment may never settle.
 */
export async function withDeadline<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    clearTimeout(timer);
    // Its failure, if it comes too late, has been told already.
    work.catch(() => undefined);
  }
}
