// Lines that are put together as text are the lines that a logger would write.
import t from 'tap';
import { LineFields, type LineLog, type LogLine } from '../../common/line-log.ts';
import { parseDirectives } from '../../common/log-levels.ts';
import { createLogging, type LoggingOptions } from '../../common/logger.ts';
import { formatPlainLine } from '../../common/plain-log-line.ts';
import { randomFrom } from '../support/random-from.ts';

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

function setUp(format: LoggingOptions['format']) {
  const lines: string[] = [];
  const logging = createLogging({ format, sink: { write: (line) => void lines.push(line) } });
  return { logging, access: logging.lines('access'), lines };
}

function writeSome(log: LineLog): void {
  const line = log.begin('info', 'connection complete');
  line.address('src.addr', '10.0.0.1:46238');
  line.text('src.workload', 'shell-7');
  line.address('dst.hbone_addr', undefined);
  line.text('dst.service', undefined);
  line.number('bytes_sent', 67);
  line.text('error', 'say "no"\nand \u0007 \u{1f600} \ud800');
  line.end();
}

t.test('plain: tabs, strings quoted, addresses and numbers bare, what does not exist left out', async (t) => {
  const { access, lines } = setUp('plain');
  writeSome(access);
  const [at, ...columns] = (lines[0] ?? '').split('\t');
  t.match(at, time);
  t.same(columns, [
    'info',
    'access',
    'connection complete',
    'src.addr=10.0.0.1:46238 src.workload="shell-7" bytes_sent=67 error="say \\"no\\"\\nand \\u0007 \u{1f600} \\ud800"\n',
  ]);
});

t.test('fields that are kept read as if they were written one by one, in either format', async (t) => {
  const some = new LineFields((line) => {
    line.address('dst.addr', '10.0.0.2:80');
    line.text('dst.workload', 'say "no"');
    line.text('dst.service', undefined);
  });
  const none = new LineFields(() => {});
  for (const format of ['plain', 'json', 'plain'] as const) {
    const { access, lines } = setUp(format);
    for (const kept of [some, none]) {
      const line = access.begin('info', 'connection complete');
      line.fields(kept);
      line.number('bytes_sent', 67);
      line.fields(kept);
      line.end();
    }
    const [withSome = '', withNone = ''] = lines;
    if (format === 'plain') {
      const text = 'dst.addr=10.0.0.2:80 dst.workload="say \\"no\\""';
      t.equal(withSome.split('\t').at(-1), `${text} bytes_sent=67 ${text}\n`);
      t.equal(withNone.split('\t').at(-1), 'bytes_sent=67\n');
    } else {
      const { 'dst.addr': address, 'dst.workload': workload, bytes_sent: sent } = JSON.parse(withSome);
      t.same([address, workload, sent], ['10.0.0.2:80', 'say "no"', 67]);
      t.match(JSON.parse(withNone), { bytes_sent: 67 });
    }
  }
});

t.test('JSON: level, time, scope and message, then the fields', async (t) => {
  const { access, lines } = setUp('json');
  writeSome(access);
  const { time: at, ...line } = JSON.parse(lines[0] ?? '');
  t.match(at, time);
  t.same(Object.entries(line), [
    ['level', 'info'],
    ['scope', 'access'],
    ['message', 'connection complete'],
    ['src.addr', '10.0.0.1:46238'],
    ['src.workload', 'shell-7'],
    ['bytes_sent', 67],
    ['error', 'say "no"\nand \u0007 \u{1f600} \ud800'],
  ]);
});

t.test('whatever a value holds, the line is the one of a logger', async (t) => {
  const { access, lines } = setUp('plain');
  const random = randomFrom(7);
  for (let round = 0; round < 300; round += 1) {
    const range = round % 2 === 0 ? 0x80 : 0xffff;
    const value = String.fromCharCode(...Array.from({ length: 6 }, () => Math.floor(random() * range)));
    const line: LogLine = access.begin('warn', 'm');
    line.address('src.addr', value);
    line.text('text', value);
    line.end();
    const written = lines.at(-1) ?? '';
    const record = { level: 'warn', time: written.split('\t', 1)[0], scope: 'access', message: 'm' };
    t.equal(written, formatPlainLine({ ...record, 'src.addr': value, text: value }), JSON.stringify(value));
    t.equal(written.split('\n').length, 2, 'one line');
  }
});

t.test('levels go by scope, and change while running', async (t) => {
  const { logging, access } = setUp('plain');
  t.ok(access.isLevelEnabled('info'));
  t.notOk(access.isLevelEnabled('debug'));
  const parsed = parseDirectives('info,access=error');
  if (parsed.kind === 'invalid') throw new Error(parsed.directive);
  logging.apply(parsed.directives);
  t.notOk(access.isLevelEnabled('info'));
  t.ok(access.isLevelEnabled('error'));
});
