import t from 'tap';
import { adminRoutes } from '../../../common/admin/admin-routes.ts';
import { findRoute } from '../../../common/admin/http-route.ts';
import { writeSortedJson } from '../../../common/admin/sorted-json.ts';
import { defaultDirectives, levelOf } from '../../../common/log-levels.ts';

t.test('the index names the pages', async (t) => {
  const { ask } = setUp();
  t.match(await ask('GET', '/'), { status: 200, body: /ztunnel[\s\S]*config_dump[\s\S]*logging[\s\S]*quitquitquit/ });
});

t.test('the configuration dump is sorted JSON', async (t) => {
  const { ask } = setUp();
  t.match(await ask('GET', '/config_dump'), {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: '{\n  "10": 1,\n  "9": 2,\n  "a": [],\n  "b": [\n    {\n      "c": null\n    }\n  ]\n}\n',
  });
});

t.test('members that are undefined are left out of JSON', async (t) => {
  t.equal(writeSortedJson({ a: undefined, b: {} }), '{\n  "b": {}\n}');
});

t.test('the log level', async (t) => {
  const { ask, logging } = setUp();
  t.match(await ask('GET', '/logging'), { status: 405, headers: { allow: 'POST' }, body: /usage/ });
  t.same(await ask('POST', '/logging'), { status: 200, body: 'current log level is info\n' }, 'is shown');
  t.match(await ask('POST', '/logging?level=access=debug,warn'), { body: 'current log level is access=debug,warn\n' });
  t.equal(levelOf(logging.directives, 'access'), 'debug', 'is changed');
  t.match(await ask('POST', '/logging?level=dns=trace'), {
    body: 'current log level is access=debug,dns=trace,warn\n',
  });
  for (const bad of ['loud', 'access', 'access:loud', 'a=b=debug']) {
    t.match(await ask('POST', `/logging?level=${bad}`), { status: 400, body: /^Invalid level provided: / }, bad);
  }
  t.equal(levelOf(logging.directives, 'dns'), 'trace', 'stays when the change is bad');
  t.match(
    await ask('POST', '/logging?reset'),
    { body: 'current log level is info\n' },
    'is reset to that of the start',
  );
});

t.test('shutdown is asked for by POST only', async (t) => {
  const { ask, shutdowns } = setUp();
  t.equal((await ask('GET', '/quitquitquit')).status, 405);
  t.equal(shutdowns.length, 0);
  t.same(await ask('POST', '/quitquitquit'), { status: 200, body: 'shutdown now\n' });
  t.equal(shutdowns.length, 1);
});

function setUp() {
  const shutdowns: string[] = [];
  let directives = defaultDirectives;
  const logging = {
    get directives() {
      return directives;
    },
    apply: (changed: typeof directives) => {
      directives = changed;
    },
  };
  const routes = adminRoutes({
    title: 'ztunnel',
    dumpConfig: () => ({ b: [{ c: null }], a: [], 9: 2, 10: 1 }),
    logging,
    shutdown: () => shutdowns.push('now'),
  });
  const ask = async (method: string, target: string) => {
    const { pathname, searchParams } = new URL(target, 'http://localhost');
    const match = findRoute(routes, method, pathname);
    if (match.kind !== 'found') return { status: match.kind === 'not-found' ? 404 : 405, body: '' };
    return match.route.handle({ method, path: pathname, query: searchParams, headers: {} });
  };
  return { ask, logging, shutdowns };
}
