import { once } from 'node:events';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import type { HttpResponse, Route } from '../../../common/admin/http-route.ts';
import { createHttpServer, type HttpServerOptions } from '../../../common/admin/http-server.ts';
import { collectLog } from '../../support/collected-log.ts';

const hello: Route = {
  method: 'GET',
  path: '/hello',
  handle: ({ query }) => ({ status: 200, body: `hi ${query.get('you')}\n` }),
};
const fails: Route = {
  method: 'any',
  path: '/fails',
  handle: () => {
    throw new Error('out of luck');
  },
};

t.test('a route is answered by path and method', async (t) => {
  const { url } = await setUp(t);
  const answer = await fetch(`${url}/hello?you=me`);
  t.equal(answer.status, 200);
  t.equal(answer.headers.get('content-type'), 'text/plain; charset=utf-8');
  t.equal(await answer.text(), 'hi me\n');
  const head = await fetch(`${url}/hello`, { method: 'HEAD' });
  t.equal(head.status, 200);
  t.equal(await head.text(), '');
});

t.test('what has no route is refused', async (t) => {
  const { url } = await setUp(t);
  t.equal((await fetch(`${url}/other`)).status, 404);
  const answer = await fetch(`${url}/hello`, { method: 'POST', body: 'x' });
  t.equal(answer.status, 405);
  t.equal(answer.headers.get('allow'), 'GET');
});

t.test('an answer may come in pieces, and ends early when the client has gone', async (t) => {
  const ended = Promise.withResolvers<void>();
  async function* few(): AsyncGenerator<string> {
    yield 'one ';
    yield 'two\n';
  }
  async function* endless(): AsyncGenerator<string> {
    try {
      for (;;) yield 'more '.repeat(10_000);
    } finally {
      ended.resolve();
    }
  }
  const inPieces: Route = { method: 'GET', path: '/few', handle: () => ({ status: 200, body: few() }) };
  const forEver: Route = { method: 'GET', path: '/endless', handle: () => ({ status: 200, body: endless() }) };
  const { url } = await setUp(t, undefined, [inPieces, forEver]);
  t.equal(await (await fetch(`${url}/few`)).text(), 'one two\n');
  const leaving = new AbortController();
  await fetch(`${url}/endless`, { signal: leaving.signal });
  leaving.abort();
  await ended.promise;
});

t.test('an error in a handler is answered with 500 and logged', async (t) => {
  const { url, lines } = await setUp(t);
  const answer = await fetch(`${url}/fails`);
  t.equal(answer.status, 500);
  t.equal(await answer.text(), 'out of luck\n');
  t.match(lines.at(-1), { msg: 'request failed', path: '/fails', server: 'test server' });
});

t.test('bytes that are no HTTP are answered with 400', async (t) => {
  const { server } = await setUp(t);
  t.match(await exchange(server.port, '\x16\x03\x01garbage\r\n\r\n'), /^HTTP\/1\.1 400 /);
  t.match(
    await exchange(server.port, 'GET http://[ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'),
    /^HTTP\/1\.1 400 /,
  );
});

t.test('a header above 8 KiB is refused', async (t) => {
  const { server } = await setUp(t);
  const request = `GET /hello HTTP/1.1\r\nhost: a\r\nx: ${'a'.repeat(9_000)}\r\n\r\n`;
  t.match(await exchange(server.port, request), /^HTTP\/1\.1 431 /);
});

t.test('a header that does not end is refused after a while', async (t) => {
  const { server } = await setUp(t);
  t.match(await exchange(server.port, 'GET /hello HTTP/1.1\r\nhost:'), /^HTTP\/1\.1 408 /);
});

t.test('every address, or loopback only', async (t) => {
  const any = await setUp(t, { host: 'any', port: 0 });
  t.equal((await fetch(`http://127.0.0.1:${any.server.port}/hello`)).status, 200);
  const loopback = await setUp(t, { host: 'loopback', port: 0 });
  t.equal((await fetch(`http://127.0.0.1:${loopback.server.port}/hello`)).status, 200);
});

t.test('a taken port is named', async (t) => {
  const { server } = await setUp(t);
  await t.rejects(setUp(t, { host: '127.0.0.1', port: server.port }), {
    code: 'ADDRESS_IN_USE',
    message: new RegExp(`test server cannot listen on 127.0.0.1 port ${server.port}: `),
  });
});

t.test('draining lets a request finish and takes no new one', async (t) => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<HttpResponse>();
  const slow: Route = {
    method: 'GET',
    path: '/slow',
    handle: () => {
      asked.resolve();
      return answer.promise;
    },
  };
  const { server, url } = await setUp(t, undefined, [slow]);
  const asking = fetch(`${url}/slow`);
  await asked.promise;
  const drained = server.drain(60_000);
  await t.rejects(fetch(`${url}/slow`));
  answer.resolve({ status: 200, body: 'done\n' });
  t.equal(await (await asking).text(), 'done\n');
  await drained;
});

async function setUp(
  t: Test,
  listen: HttpServerOptions['listen'] = { host: '127.0.0.1', port: 0 },
  routes = [hello, fails],
) {
  const { log, lines } = collectLog();
  const server = createHttpServer({ name: 'test server', listen, routes, log });
  await server.start();
  t.teardown(() => server.close());
  return { server, lines, url: `http://127.0.0.1:${server.port}` };
}

async function exchange(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(request, 'latin1');
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  await once(socket, 'close');
  return answer;
}
