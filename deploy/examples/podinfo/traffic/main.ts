// The demo's traffic: requests to podinfo's routes, some of them failing, each over a new connection, until it is ended.
// Goes through the HTTP proxy of http_proxy where that is set, as curl does.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';

const service = new URL(process.env['PODINFO_URL'] ?? 'http://podinfo-svc.podinfo:9898');
const proxy = process.env['http_proxy'] ? new URL(process.env['http_proxy']) : undefined;
const pauseMs = 150;

const requests: readonly { readonly method: string; readonly path: string; readonly body?: string }[] = [
  { method: 'GET', path: '/healthz' },
  { method: 'POST', path: '/echo', body: 'hello, mesh' },
  { method: 'GET', path: '/version' },
  { method: 'GET', path: '/healthz' },
  { method: 'GET', path: '/status/503' },
];

async function send(method: string, path: string, body: string | undefined): Promise<number> {
  const to = proxy ?? service;
  const outgoing = request({
    host: to.hostname,
    port: to.port,
    method,
    path: proxy === undefined ? path : `${service.origin}${path}`,
    headers: { host: service.host },
    agent: false,
    timeout: 5_000,
  });
  outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 5 s')));
  outgoing.end(body);
  const [response]: IncomingMessage[] = await once(outgoing, 'response');
  response?.resume();
  if (response !== undefined) await once(response, 'end');
  return response?.statusCode ?? 0;
}

for (;;) {
  for (const { method, path, body } of requests) {
    try {
      const status = await send(method, path, body);
      process.stdout.write(`${method} ${path} ${status}\n`);
    } catch (error) {
      process.stdout.write(`${method} ${path} failed: ${error instanceof Error ? error.message : String(error)}\n`);
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
