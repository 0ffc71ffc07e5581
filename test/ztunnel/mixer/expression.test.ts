import t from 'tap';
import type { Value } from '../../../ztunnel/mixer/attributes.ts';
import { compileMixerExpression } from '../../../ztunnel/mixer/expression.ts';
import { randomFrom } from '../../support/random-from.ts';

const known: Readonly<Record<string, Value>> = {
  'context.protocol': 'tcp',
  'source.workload.name': 'ratings-v2',
  'source.labels': new Map([['version', 'v2']]),
  'source.namespace': '',
  'connection.sent.bytes': 7,
  'connection.mtls': true,
  'connection.duration': 1.5,
};
const evaluate = (text: string): Value | undefined => compileMixerExpression(text).evaluate((name) => known[name]);

t.test('attributes, literals, operators and functions have their values', async (t) => {
  const values: Readonly<Record<string, Value | undefined>> = {
    'connection.sent.bytes | 0': 7,
    'connection.received.bytes | 0': 0,
    'source.workload.name | "unknown"': 'ratings-v2',
    'source.labels["version"] | "unknown"': 'v2',
    'source.labels["app"] | "unknown"': 'unknown',
    'destination.labels["app"] | source.labels["app"] | "x"': 'x',
    'source.namespace | "absent"': '',
    'source.labels["app"]': undefined,
    'destination.service.host == "mongodb"': undefined,
    'context.protocol == "tcp" && source.workload.name != "a"': true,
    'context.protocol == "http" && destination.service.host == "x"': false,
    'destination.service.host == "x" || true': undefined,
    'true || destination.service.host == "x"': true,
    'context.protocol == "a" || (context.protocol | "b") == "tcp"': true,
    'destination.service.name | "na" == "na"': true,
    '1 + 2': 3,
    'source.workload.name + "-x"': 'ratings-v2-x',
    'connection.sent.bytes >= 7': true,
    'connection.sent.bytes < 7': false,
    'source.workload.name.startsWith("rat")': true,
    'source.workload.name.endsWith("v1")': false,
    'match(source.workload.name, "rat*")': true,
    'match(source.workload.name, "*-v2")': true,
    'match(source.workload.name, "ratings")': false,
    'matches("^r.*[0-9]$", source.workload.name)': true,
    '"v[0-9]".matches(source.workload.name)': true,
    'conditional(connection.mtls | false, "mutual_tls", "none")': 'mutual_tls',
    'conditional((context.reporter.kind | "inbound") == "outbound", "source", "destination")': 'destination',
    'toLower("ABC")': 'abc',
    'size(source.workload.name)': 10,
    'emptyStringMap()["a"] | "none"': 'none',
    '"a \\"quoted\\" text"': 'a "quoted" text',
    '1.5': 1.5,
  };
  for (const [text, value] of Object.entries(values)) t.equal(evaluate(text), value, text);
});

t.test('a mistake is found when it is configured', async (t) => {
  const mistakes: Readonly<Record<string, RegExp>> = {
    'source.nothing': /unknown attribute source.nothing/,
    'source.name | 0': /"\|" between a string and a int/,
    'context.protocol && true': /is a string where a bool is needed/,
    'source.labels == source.labels': /no operator "==" for a map/,
    '1 - 2': /"-" is not expected there/,
    '!connection.mtls': /"!" is no operator/,
    'startsWith("a")': /no function startsWith of 1 arguments/,
    'toString("a")': /no function toString/,
    'a ==': /ends too early/,
    '"open': /cannot be read from/,
    '(source.name': /"\)" is missing/,
    'source.': /a name is missing/,
    'conditional(true, 1, "a")': /is a string where a int is needed/,
  };
  for (const [text, message] of Object.entries(mistakes)) {
    t.throws(() => compileMixerExpression(text), { message }, text);
  }
  t.throws(() => compileMixerExpression('('.repeat(500)), { message: /nested deeper than 64/ });
  t.throws(() => compileMixerExpression('1+'.repeat(4_000)), { message: /longer than 4096/ });
});

t.test('garbage is a mistake or an expression, and never ends the process', async (t) => {
  const random = randomFrom(12);
  const words = ['source.name', '"x"', '|', '==', '&&', '(', ')', '[', ']', '1', '.', ',', 'match', 'conditional', ' '];
  for (let round = 0; round < 3_000; round += 1) {
    const text = Array.from({ length: random() * 12 }, () => words[Math.floor(random() * words.length)]).join('');
    try {
      compileMixerExpression(text).evaluate(() => undefined);
    } catch (error) {
      t.ok(error instanceof Error && !(error instanceof RangeError), text);
    }
  }
});
