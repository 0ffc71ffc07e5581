// Records on their way to a collector: batched, bounded, retried, and each accounted for once.
import t, { type Test } from 'tap';
import { type ExportAnswer, planExport } from '../../../../common/telemetry/otlp/export-plan.ts';
import { ExportQueue } from '../../../../common/telemetry/otlp/export-queue.ts';
import { createExporter, type ExportOutcome } from '../../../../common/telemetry/otlp/exporter.ts';
import { encodeLogRecord } from '../../../../common/telemetry/otlp/otlp-codec.ts';
import { collectLog } from '../../../support/collected-log.ts';
import { readExportRequest } from '../../../support/otlp-messages.ts';

const accepted: ExportAnswer = { kind: 'accepted', rejected: 0, message: '' };
const failed = (status: number): ExportAnswer => ({ kind: 'failed', status, reason: 'why', isTold: 'nothing' });

t.test('a call that may pass another time is made again, with growing delays; others are given up', async (t) => {
  const passing = [1, 4, 10, 11, 14, 15];
  for (let status = 1; status <= 16; status += 1) {
    t.equal(planExport(failed(status), 0, 0).kind, passing.includes(status) ? 'again' : 'given-up', `status ${status}`);
  }
  t.match(planExport({ kind: 'failed', status: 8, reason: 'full', isTold: 'to retry' }, 0, 0), { kind: 'again' });
  const delays = [0, 1_000, 2_000, 20_000, 30_000].map((before) => planExport(failed(14), before, 0));
  t.match(
    delays,
    [1_000, 2_000, 4_000, 30_000, 30_000].map((delayMs) => ({ delayMs })),
  );
  t.match(planExport(failed(14), 1_000, 0.5), { delayMs: 1_800 });
  t.same(planExport({ kind: 'accepted', rejected: 3, message: 'no' }, 5, 0), { kind: 'done', lost: 3 });
});

t.test('a queue has its bounds in number and bytes, and gives batches in order', async (t) => {
  const queue = new ExportQueue({ maxItems: 4, maxBytes: 100 });
  const item = (length: number) => Buffer.alloc(length);
  t.same(
    [10, 20, 30, 41, 40, 1].map((length) => queue.add(item(length))),
    ['queued', 'queued', 'queued', 'full', 'queued', 'full'],
  );
  t.ok(queue.hasBatch({ maxItems: 4, maxBytes: 1_000 }));
  t.notOk(queue.hasBatch({ maxItems: 5, maxBytes: 101 }));
  const batch = (maxItems: number, maxBytes: number) =>
    queue.takeBatch({ maxItems, maxBytes }).map(({ length }) => length);
  t.same(batch(9, 35), [10, 20]);
  t.same(batch(9, 5), [30], 'one that is larger than a batch goes alone');
  t.equal(queue.add(item(60)), 'queued', 'what was taken makes room');
  t.same(batch(1, 1_000), [40]);
  t.same(batch(1, 1_000), [60]);
  t.same(batch(1, 1_000), []);
});

function setUp(t: Test, send: (call: number) => Promise<ExportAnswer> | ExportAnswer) {
  const counts: Record<ExportOutcome, number> = { exported: 0, 'no-room': 0, refused: 0 };
  const calls: string[][] = [];
  const { log, lines } = collectLog();
  const exporter = createExporter({
    resource: [],
    scope: 'als',
    name: 'collector',
    log,
    random: () => 0.99,
    gatherMs: 20,
    count(outcome, records) {
      counts[outcome] += records;
    },
    async send(request) {
      calls.push(readExportRequest(request).records.map(({ body }) => body));
      return await send(calls.length);
    },
  });
  t.teardown(() => exporter.close());
  const add = (body: string): void =>
    exporter.add(encodeLogRecord({ timeMs: 1, observedMs: 1, body, attributes: [], trace: undefined }));
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  return { exporter, add, counts, calls, lines, until };
}

t.test('records wait a moment for others, and a full batch does not wait', async (t) => {
  const { add, counts, calls, until } = setUp(t, () => accepted);
  add('a');
  add('b');
  t.same(calls, []);
  await until(() => counts.exported === 2);
  t.same(calls, [['a', 'b']]);
  for (let index = 0; index < 512; index += 1) add(String(index));
  t.equal(calls[1]?.length, 512);
  await until(() => counts.exported === 514);
});

t.test('while a collector does not answer, its records wait, bounded; the rest is dropped and counted', async (t) => {
  const first = Promise.withResolvers<ExportAnswer>();
  const { add, counts, calls, until } = setUp(t, (call) => (call === 1 ? first.promise : accepted));
  add('first');
  await until(() => calls.length === 1);
  for (let index = 0; index < 10_000; index += 1) add('x'.repeat(10));
  t.equal(counts['no-room'], 10_000 - 8_192);
  first.resolve(accepted);
  await until(() => counts.exported === 1 + 8_192);
  t.equal(counts.refused, 0);
});

t.test('one call at a time; a failed batch comes again, whole and once, and the log tells of both', async (t) => {
  const { add, counts, calls, lines, until } = setUp(t, (call) => (call === 1 ? failed(14) : accepted));
  add('a');
  await until(() => calls.length === 1);
  add('b');
  await until(() => counts.exported === 2);
  t.same(calls, [['a'], ['a'], ['b']]);
  t.match(lines, [
    { level: 'warn', error: 'why', records: 1 },
    { level: 'info', msg: 'collector takes records again' },
  ]);
});

t.test('what a collector refuses is counted and not sent again', async (t) => {
  const answers = [failed(3), { ...accepted, rejected: 1, message: 'too old' }, accepted];
  const { add, counts, calls, until } = setUp(t, (call) => answers[call - 1] ?? accepted);
  for (const [index, body] of ['a', 'b', 'c'].entries()) {
    add(body);
    add(body);
    await until(() => counts.exported + counts.refused === 2 * (index + 1));
  }
  t.same(counts, { exported: 3, 'no-room': 0, refused: 3 });
  t.equal(calls.length, 3);
});

t.test('a drain sends what waits; what is not sent by then is counted', async (t) => {
  const good = setUp(t, () => accepted);
  good.add('a');
  await good.exporter.drain(10_000);
  t.equal(good.counts.exported, 1);
  good.add('late');
  t.equal(good.counts['no-room'], 1);
  const bad = setUp(t, () => new Promise(() => {}));
  bad.add('a');
  await bad.exporter.drain(30);
  t.same(bad.counts, { exported: 0, 'no-room': 1, refused: 0 });
});
