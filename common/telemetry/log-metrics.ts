// How many log lines were dropped because nobody took them in time. In: the logging. Out: what reads it at a scrape.
import type { Logging } from '../logger.ts';
import type { ReadFamily } from './exposition.ts';

export function readLogMetrics(logging: Pick<Logging, 'droppedLines'>): () => Promise<readonly ReadFamily[]> {
  return async () => [
    {
      name: 'ambientd_log_lines_dropped_total',
      help: 'The number of log lines, of the access log too, that were dropped because nobody took them (unstable)',
      kind: 'counter',
      values: [{ labels: {}, value: logging.droppedLines() }],
    },
  ];
}
