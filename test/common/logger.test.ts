import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { defaultDirectives, parseDirectives } from '../../common/log-levels.ts';
import { createLogging, type LoggingOptions } from '../../common/logger.ts';

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

t.test('JSON has level, time, scope and message, then the fields', async (t) => {
  const { logging, lines } = setUp('json');
  logging.logger('access').info({ 'src.addr': '10.0.0.1:5', bytes_sent: 67 }, 'connection complete');
  const line = JSON.parse(lines[0] ?? '');
  t.same(Object.keys(line), ['level', 'time', 'scope', 'src.addr', 'bytes_sent', 'message']);
  t.match(line, { level: 'info', time, scope: 'access', message: 'connection complete' });
});

t.test("plain is ztunnel's: tabs, strings quoted, addresses and numbers bare", async (t) => {
  const { logging, lines } = setUp('plain');
  const fields = {
    'src.addr': '10.244.0.24:46238',
    'src.workload': 'shell-6d8bcd654d',
    'dst.hbone_addr': 'echo.default.svc:80',
    'dst.addr': '[fd00::1]:15008',
    bytes_sent: 67,
    open: true,
    duration: '13ms',
    error: new Error('say "no"'),
  };
  logging.logger('access').error(fields, 'connection complete');
  const [at = '', ...columns] = (lines[0] ?? '').split('\t');
  t.match(at, time);
  t.same(columns, [
    'error',
    'access',
    'connection complete',
    'src.addr=10.244.0.24:46238 src.workload="shell-6d8bcd654d" dst.hbone_addr=echo.default.svc:80 ' +
      'dst.addr=[fd00::1]:15008 bytes_sent=67 open=true duration="13ms" error="say \\"no\\""\n',
  ]);
});

t.test('a plain line without fields has an empty last column, and stays one line', async (t) => {
  const { logging, lines } = setUp('plain');
  logging.logger('proxy').warn('two\nlines');
  logging.logger('proxy').warn({ 'src.addr': 'a\tb="1"' }, 'forged');
  t.match(lines[0], /Z\twarn\tproxy\ttwo lines\t\n$/);
  t.match(lines[1], /\tforged\tsrc\.addr="a\\tb=\\"1\\""\n$/, 'also when an address is none');
});

t.test('secrets are never written', async (t) => {
  for (const format of ['plain', 'json'] as const) {
    const { logging, lines } = setUp(format);
    const certificate = { privateKeyPem: 'secret', identity: 'spiffe://a' };
    logging.logger('ca').info({ token: 'secret', authorization: 'secret', certificate }, 'issued');
    t.notMatch(lines.join(''), /secret/, format);
    t.match(lines.join(''), /spiffe:\/\/a/);
  }
});

t.test('levels go by scope, and change while running', async (t) => {
  const { logging, lines } = setUp('plain', directives('warn,proxy=debug,ztunnel::proxy::outbound=off'));
  logging.logger('dns').info('hidden');
  logging.logger('proxy::inbound').debug('by the enclosing scope');
  logging.logger('proxy::outbound').error('hidden');
  t.equal(lines.length, 1);
  logging.apply(directives('debug'));
  logging.logger('dns').debug('now shown');
  t.match(lines[1], /now shown/);
});

t.test('lines still in the buffer are written when the process ends', async (t) => {
  const module = fileURLToPath(new URL('../../common/logger.ts', import.meta.url));
  const script = `const { createLogger } = await import(${JSON.stringify(module)});
    const log = createLogger({ format: 'json', level: 'info', scope: 'main' });
    for (let i = 0; i < 500; i++) log.info({ i }, 'line');
    process.exit(0);`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  t.equal(stdout.trim().split('\n').length, 500);
});

function directives(text: string) {
  const parsed = parseDirectives(text, defaultDirectives);
  if (parsed.kind === 'invalid') throw new Error(parsed.directive);
  return parsed.directives;
}

function setUp(format: LoggingOptions['format'], levels = defaultDirectives) {
  const lines: string[] = [];
  const logging = createLogging({ format, directives: levels, sink: { write: (line) => void lines.push(line) } });
  return { logging, lines };
}
