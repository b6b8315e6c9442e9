/** Section 4.1.2.6 of RFC 6347: a record that was there already, or lies too far back to know, is not taken again. */

const WINDOW = 64;

export class ReplayWindow {
  #highest = -1;
  /** Bit n: `#highest - n` was there. */
  #seen = 0n;

  /** Whether a record may be new; ask before it is decrypted. */
  mayBeNew(sequence: number): boolean {
    if (sequence > this.#highest) return true;
    const back = this.#highest - sequence;
    return back < WINDOW && (this.#seen & (1n << BigInt(back))) === 0n;
  }

  /** It was genuine. */
  mark(sequence: number): void {
    if (sequence > this.#highest) {
      const forward = sequence - this.#highest;
      this.#seen = forward >= WINDOW ? 1n : BigInt.asUintN(WINDOW, (this.#seen << BigInt(forward)) | 1n);
      this.#highest = sequence;
      return;
    }
    const back = this.#highest - sequence;
    if (back < WINDOW) this.#seen |= 1n << BigInt(back);
  }
}
