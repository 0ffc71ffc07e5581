// A logger whose lines are kept as objects, for tests that assert what was said.
import { Writable } from 'node:stream';
import { pino } from 'pino';
import type { Logger } from '../../common/log.ts';

export interface CollectedLog {
  readonly log: Logger;
  readonly lines: readonly Record<string, unknown>[];
}

export function collectLog(): CollectedLog {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  return { log: pino({ level: 'debug', formatters: { level: (level) => ({ level }) } }, sink), lines };
}
