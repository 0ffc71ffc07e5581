import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openLogFile } from '../../common/log-file-process.ts';
import { openLogOutput } from '../../common/log-output.ts';
import { createLogging } from '../../common/logger.ts';
import { readLogMetrics } from '../../common/telemetry/log-metrics.ts';
import { createMetricsRegistry } from '../../common/telemetry/metrics-registry.ts';

const folder = mkdtempSync(join(tmpdir(), 'log-output-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

async function until<T>(read: () => T | undefined): Promise<T> {
  for (;;) {
    const value = read();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

t.test('lines reach the file, gathered', async (t) => {
  const path = join(folder, 'a.log');
  const output = openLogOutput({ to: openLogFile(path) });
  for (let line = 0; line < 1_000; line += 1) output.write(`line ${line}\n`);
  const lines = await until(() => {
    const written = readFileSync(path, { encoding: 'utf8', flag: 'a+' }).split('\n');
    return written.length === 1_001 ? written : undefined;
  });
  t.equal(lines.at(-2), 'line 999');
  t.equal(output.droppedLines, 0);
});

t.test('what finds no room while nobody takes it is dropped and counted', async (t) => {
  const output = openLogOutput({ to: openLogFile(join(folder, 'b.log')), maxWaitingBytes: 10_000 });
  const line = `${'x'.repeat(99)}\n`;
  for (let count = 0; count < 1_000; count += 1) output.write(line);
  t.ok(output.droppedLines >= 880, `${output.droppedLines} of 1000 lines of 100 bytes dropped`);
});

t.test('a file that cannot be opened is told once, and its lines are dropped and counted', async (t) => {
  const lines: string[] = [];
  const logging = createLogging({ format: 'json', sink: { write: (line: string) => void lines.push(line) } });
  const path = join(folder, 'none', 'c.log');
  for (let line = 0; line < 3; line += 1) logging.output(path).write('line\n');
  t.equal(lines.length, 1);
  t.match(lines[0], /ENOENT/);
  t.equal(logging.droppedLines(), 3);
});

t.test(
  'standard output is shared with the logs, another path is its own, and what is dropped is a metric',
  async (t) => {
    const lines: string[] = [];
    const logging = createLogging({ format: 'json', sink: { write: (line: string) => void lines.push(line) } });
    logging.logger('scope').info('before');
    logging.output('/dev/stdout').write('raw\n');
    t.match(lines[0], /"before"/);
    t.equal(lines[1], 'raw\n');
    t.equal(logging.output(join(folder, 'd.log')), logging.output(join(folder, 'd.log')));
    const metrics = createMetricsRegistry();
    metrics.readAtScrape(readLogMetrics(logging));
    t.match((await metrics.exposition(undefined)).body, 'ambientd_log_lines_dropped_total 0\n');
  },
);
