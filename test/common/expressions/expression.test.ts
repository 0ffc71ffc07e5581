import t from 'tap';
import { AttributeMap } from '../../../common/expressions/attribute-map.ts';
import { type Attributes, compileExpression } from '../../../common/expressions/expression.ts';
import { durationOf, textOf, timestampOf } from '../../../common/expressions/value-text.ts';

const request: Record<string, string | bigint | Map<string, string>> = {
  method: 'GET',
  url_path: '/shelves/12/books/b7',
  host: 'library:80',
  size: 9_007_199_254_740_993n,
  headers: new Map([['x-role', 'reader']]),
};
const attributes = {
  request: new AttributeMap((name) => request[name]),
  response: new AttributeMap((name) => (name === 'code' ? 404n : undefined)),
  filter_state: new Map([['wasm.istio_operationId', 'GetBook']]),
};

function answer(text: string, values: Attributes = attributes): string {
  const expression = compileExpression(text);
  if (expression.kind === 'invalid') return 'invalid';
  const outcome = expression.evaluate(values);
  return outcome.kind === 'failed' ? 'failed' : (textOf(outcome.value) ?? 'no text');
}

t.test('an expression is evaluated', async (t) => {
  const table: [string, string][] = [
    ["request.method == 'GET' && request.url_path == '/healthz'", 'false'],
    ["request.url_path.matches('^/shelves/[[:alnum:]]*/books/[[:alnum:]]*$') && request.method == 'GET'", 'true'],
    ["request.url_path.matches('books')", 'true'],
    ["matches(request.url_path, 'books$')", 'false'],
    ["matches(request.url_path, r'b\\d$')", 'true'],
    ["request.method in ['GET', 'HEAD']", 'true'],
    ["'x-role' in request.headers ? request.headers['x-role'] : 'none'", 'reader'],
    ["'x-none' in request.headers ? request.headers['x-none'] : 'none'", 'none'],
    ['has(request.referer)', 'false'],
    ['has(request.host)', 'true'],
    ["has(request.useragent) ? request.useragent : 'nobody'", 'nobody'],
    ['response.code >= 400 && response.code <= 499', 'true'],
    ["response.code == '404'", 'false'],
    ['request.size + 1', '9007199254740994'],
    ['request.size == 9007199254740993u', 'true'],
    ['9223372036854775807', '9223372036854775807'],
    ["filter_state['wasm.istio_operationId']", 'GetBook'],
    ["'_' + request.method", '_GET'],
    ['string(response.code)', '404'],
    ["request.host.startsWith('lib') && request.host.endsWith(':80') && request.host.contains('rary')", 'true'],
    ['size(request.host)', '10'],
    ["request.missing == 'x' || true", 'true'],
    ["false && request.missing == 'x'", 'false'],
    ["[1, 2, 3].exists(n, n == 3) && {'a': 1}['a'] == 1", 'true'],
    ['1.5', '1.5'],
    ['null', 'NULL'],
    ["b'raw'", 'raw'],
    ['1u', '1'],
  ];
  for (const [text, expected] of table) t.equal(answer(text), expected, text);
});

t.test('an evaluation fails, without throwing', async (t) => {
  const table: [string, string][] = [
    ['a missing attribute', 'request.referer'],
    ['a missing header', "request.headers['x-none']"],
    ['an absent filter state', "filter_state['wasm.other']"],
    ['an unknown identifier', 'cannot_evaluate'],
    ['an unknown group', "xds.node.metadata['WORKLOAD_NAME']"],
    ['an unknown function', 'classify(request.method)'],
    ['an integer overflow', '9223372036854775807 + 1'],
    ['a division by zero', '1 / 0'],
    ['an ordering of different types', "response.code > 'a'"],
    ['a regular expression that only exists at run time and is bad', "request.method.matches('[' + request.method)"],
  ];
  for (const [what, text] of table) t.equal(answer(text), 'failed', what);
});

t.test('an expression does not compile', async (t) => {
  t.equal(answer('request.method =='), 'invalid', 'when it ends early');
  t.equal(answer("in(request.method, ['GET'])"), 'invalid', 'when `in` is used as a function');
  t.equal(answer("request.url_path.matches('[')"), 'invalid', 'when a literal regular expression is bad');
  t.equal(answer("request.method == 'GET' ? matches(request.host, '(') : true"), 'invalid', 'also deep inside');
  t.equal(answer(`'${'x'.repeat(100_001)}'`), 'invalid', 'when it is too long');
  const expression = compileExpression("request.url_path.matches('[')");
  t.match(expression, { kind: 'invalid', text: "request.url_path.matches('[')", reason: /missing closing \]/ });
});

t.test('a regular expression takes linear time on hostile input', async (t) => {
  const hostile = { request: new Map([['url_path', `${'a'.repeat(50_000)}!`]]) };
  t.equal(answer("request.url_path.matches('^(a+)+$')", hostile), 'false');
});

t.test('only attributes that the expression names are read', async (t) => {
  const read: string[] = [];
  const lazy = {
    get request() {
      read.push('request');
      return new AttributeMap((name) => {
        read.push(name);
        return 'GET';
      });
    },
    get response() {
      read.push('response');
      return new Map();
    },
  };
  t.equal(answer("request.method == 'GET'", lazy), 'true');
  t.strictSame(read, ['request', 'method']);
});

t.test('a lazy group can be listed when it knows its names', async (t) => {
  const group = {
    headers: new AttributeMap(
      (name) => (name === 'a' ? '1' : undefined),
      () => ['a'],
    ),
  };
  t.equal(answer("headers.exists(k, k == 'a') && size(headers) == 1", group), 'true');
});

t.test('clock readings are timestamps and durations', async (t) => {
  const values = { time: timestampOf(Date.UTC(2025, 5, 3, 10, 15, 42, 318)), took: durationOf(1500) };
  t.equal(answer('time.getFullYear() == 2025 && took > duration("1s")', values), 'true');
  t.equal(answer('time', values), '2025-06-03T10:15:42.318Z');
  t.equal(answer('took', values), '1.5s');
});
