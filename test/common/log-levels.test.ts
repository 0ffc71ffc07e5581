// Directives of RUST_LOG, /logging and istioctl by value.
import t from 'tap';
import { parseDirectives, writeDirectives } from '../../common/log-levels.ts';

const read = (text: string): string => {
  const parsed = parseDirectives(text);
  return parsed.kind === 'valid' ? writeDirectives(parsed.directives) : `not: ${parsed.directive}`;
};

for (const [text, expected] of [
  ['debug', 'debug'],
  ['WARN', 'warn'],
  ['access=debug', 'access=debug,info'],
  ['error,access=debug', 'access=debug,error'],
  ['ztunnel::proxy=warn', 'proxy=warn,info'],
  ['ztunnel::proxy::outbound=trace', 'proxy::outbound=trace,info'],
] as const) {
  t.test(`${text} is read as ztunnel reads it`, async (t) => t.equal(read(text), expected));
}

for (const [text, expected] of [
  ['access:debug', 'access=debug,info'],
  ['ztunnel::proxy:warn', 'proxy=warn,info'],
  ['proxy::outbound:trace,error', 'proxy::outbound=trace,error'],
  ['warning', 'warn'],
  ['access:critical', 'access=error,info'],
] as const) {
  t.test(`${text} is read as istioctl's help means it`, async (t) => t.equal(read(text), expected));
}

for (const text of [
  '',
  'access',
  'proxy::outbound',
  'access=',
  '=debug',
  ':debug',
  'access=loud',
  'a=b=debug',
  'a:b',
]) {
  t.test(`"${text}" is refused`, async (t) => t.equal(read(text), `not: ${text}`));
}

t.test('what is not named stays', async (t) => {
  const before = parseDirectives('error,access=debug');
  if (before.kind === 'invalid') throw new Error(before.directive);
  const after = parseDirectives('xds=trace', before.directives);
  t.equal(after.kind === 'valid' && writeDirectives(after.directives), 'access=debug,xds=trace,error');
});
