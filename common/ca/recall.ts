// Answers that are remembered for a while: asked once for all who want the same at the same time, again when no longer
// fresh, and still good for a while when nobody answers. Keys and questions in, answers out; bounded, clock by argument.

export interface Terms {
  readonly freshUntilMs: number;
  /** Until then it serves when the question cannot be asked again. */
  readonly goodUntilMs: number;
}

export interface RecallOptions<Answer> {
  /** How long this answer lasts; undefined: it is not remembered. */
  readonly terms: (answer: Answer, nowMs: number) => Terms | undefined;
  readonly maxEntries: number;
  readonly now: () => number;
}

export interface Recall<Answer> {
  /** @throws what `ask` throws, unless a remembered answer is still good */
  get(key: string, ask: () => Promise<Answer>): Promise<Answer>;
  /** Asks although there may be a fresh answer. */
  renew(key: string, ask: () => Promise<Answer>): Promise<Answer>;
}

export function createRecall<Answer>({ terms, maxEntries, now }: RecallOptions<Answer>): Recall<Answer> {
  const entries = new Map<string, { readonly answer: Answer; readonly terms: Terms }>();
  const asking = new Map<string, Promise<Answer>>();

  async function renew(key: string, ask: () => Promise<Answer>): Promise<Answer> {
    try {
      const answer = await ask();
      remember(key, answer);
      return answer;
    } catch (error) {
      const entry = entries.get(key);
      if (entry === undefined || now() >= entry.terms.goodUntilMs) throw error;
      return entry.answer;
    } finally {
      asking.delete(key);
    }
  }

  function remember(key: string, answer: Answer): void {
    // Set anew, it is the youngest: the oldest goes first.
    entries.delete(key);
    const lasts = terms(answer, now());
    if (lasts === undefined) return;
    entries.set(key, { answer, terms: lasts });
    const [oldest] = entries.keys();
    if (entries.size > maxEntries && oldest !== undefined) entries.delete(oldest);
  }

  function shared(key: string, ask: () => Promise<Answer>): Promise<Answer> {
    const running = asking.get(key);
    if (running !== undefined) return running;
    const started = renew(key, ask);
    asking.set(key, started);
    return started;
  }

  return {
    async get(key, ask) {
      const entry = entries.get(key);
      return entry !== undefined && now() < entry.terms.freshUntilMs ? entry.answer : shared(key, ask);
    },
    renew: shared,
  };
}
