// Which failed connections have a log line of their own: so many a second for each listener and code, the others only a number in a summary,
// so that nobody can roll the log by being refused. In: failures and the clock. Out: shown or counted, and summaries.
import type { MeshErrorCode } from '../errors.ts';

export interface FailureSummary {
  readonly listener: string;
  readonly count: number;
  /** Most frequent first. */
  readonly codes: readonly (readonly [code: MeshErrorCode, count: number])[];
}

export class FailureLimit {
  readonly #linesPerSecond: number;
  #second = Number.NEGATIVE_INFINITY;
  /** Lines of the present second, by listener and code. */
  readonly #lines = new Map<string, number>();
  /** Not told of yet. */
  #unshown = new Map<string, Map<MeshErrorCode, number>>();

  /** @param linesPerSecond 0: each has its line */
  constructor(linesPerSecond: number) {
    this.#linesPerSecond = linesPerSecond;
  }

  /** @param nowMs milliseconds that only grow */
  admit(listener: string, code: MeshErrorCode, nowMs: number): 'shown' | 'counted' {
    if (this.#linesPerSecond === 0) return 'shown';
    const second = Math.floor(nowMs / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#lines.clear();
    }
    const key = `${listener} ${code}`;
    const lines = this.#lines.get(key) ?? 0;
    if (lines < this.#linesPerSecond) {
      this.#lines.set(key, lines + 1);
      return 'shown';
    }
    let codes = this.#unshown.get(listener);
    if (codes === undefined) this.#unshown.set(listener, (codes = new Map()));
    codes.set(code, (codes.get(code) ?? 0) + 1);
    return 'counted';
  }

  /** One for each listener of which something was not shown since the last call. */
  takeSummaries(): readonly FailureSummary[] {
    const unshown = this.#unshown;
    this.#unshown = new Map();
    return [...unshown].map(([listener, byCode]) => {
      const codes = [...byCode].sort(([, a], [, b]) => b - a);
      return { listener, count: codes.reduce((sum, [, count]) => sum + count, 0), codes };
    });
  }
}
