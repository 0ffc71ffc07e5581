// Accounts for every refused or failed connection exactly once: an exact counter by listener and code, and a log line of its own or a place in
// a summary line. In: listener and error. Out: whether the caller writes the line.
import type { EnvReader } from '../config/env-reader.ts';
import { codeOf, type MeshErrorCode } from '../errors.ts';
import type { LineLog } from '../line-log.ts';
import { FailureLimit } from './failure-limit.ts';
import type { MetricDefinition, Recorder, Series } from './recorder.ts';

export interface FailureJournal {
  /** @param listener one of few names. Where the answer is `shown`, the caller writes a line. */
  count(listener: string, error: Error): 'shown' | 'counted';
  /** Writes the summary that is due. */
  close(): void;
}

export interface FailureJournalOptions {
  readonly recorder: Recorder;
  readonly lines: LineLog;
  /** See `readFailureLines`. */
  readonly linesPerSecond: number;
  /** Milliseconds that only grow. */
  readonly now: () => number;
}

export const defaultFailureLines = 100;

/** `AMBIENTD_FAILURE_LINES`: lines a second for failures of one code at one listener; further ones are summed up; 0: no limit. */
export function readFailureLines(read: EnvReader): number {
  return read.integer('AMBIENTD_FAILURE_LINES', defaultFailureLines, { min: 0, max: 1_000_000 });
}

const failures: MetricDefinition = {
  name: 'ambientd_connection_failures_total',
  help: 'The number of connections that were refused or failed, each counted once, by the code that its log line has (unstable)',
  kind: 'counter',
  labelNames: ['listener', 'code'],
};

const summaryMs = 1_000;

export function createFailureJournal({ recorder, lines, linesPerSecond, now }: FailureJournalOptions): FailureJournal {
  const limit = new FailureLimit(linesPerSecond);
  /** As many as there are listeners and codes. */
  const counters = new Map<string, Series>();
  let timer: NodeJS.Timeout | undefined;

  function seriesOf(listener: string, code: MeshErrorCode): Series {
    const key = `${listener} ${code}`;
    const series = counters.get(key) ?? recorder.counter(failures, [listener, code]);
    counters.set(key, series);
    return series;
  }

  function summarize(): void {
    timer = undefined;
    for (const { listener, count, codes } of limit.takeSummaries()) {
      if (!lines.isLevelEnabled('warn')) continue;
      const line = lines.begin('warn', 'further connections failed');
      line.text('listener', listener);
      line.number('count', count);
      line.text('codes', codes.map(([code, number]) => `${code}=${number}`).join(' '));
      line.end();
    }
  }

  return {
    count(listener, error) {
      const code = codeOf(error);
      seriesOf(listener, code).add(1);
      const answer = limit.admit(listener, code, now());
      if (answer === 'counted') timer ??= setTimeout(summarize, summaryMs).unref();
      return answer;
    },
    close() {
      clearTimeout(timer);
      summarize();
    },
  };
}
