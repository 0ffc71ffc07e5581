// The gate with real sockets: what it passes on, and what it refuses.
import { once } from 'node:events';
import { createServer, get, type IncomingMessage, request } from 'node:http';
import type { Server } from 'node:net';
import t from 'tap';
import type { MeshStatus } from '../../../../deploy/local/mesh-status.ts';
import { startGate } from '../../../../deploy/local/supervisor/gate-server.ts';

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function read(port: number, path: string, headers: Record<string, string> = {}) {
  const [response]: IncomingMessage[] = await once(
    get({ host: '127.0.0.1', port, path, headers, agent: false }),
    'response',
  );
  let text = '';
  for await (const chunk of response ?? []) text += String(chunk);
  return { code: response?.statusCode, text };
}

t.test('metrics and admin come from the daemons, and a daemon that is away is told', async (t) => {
  const daemon = createServer((incoming, response) => response.end(`daemon ${incoming.url}`));
  daemon.listen(0, '127.0.0.1');
  await once(daemon, 'listening');
  const status: MeshStatus = {
    mesh: 'm',
    version: '1',
    mode: 'captured',
    modeReason: '',
    modeRemedy: '',
    trustDomain: 'cluster.local',
    gateUrl: 'http://127.0.0.1:1/',
    pods: [],
    waypoints: [],
    ztunnel: { state: 'running', metricsUrl: 'http://127.0.0.1:1/metrics/ztunnel', adminUrl: 'http://127.0.0.1:1/' },
    prometheusUrl: '',
    logFolder: '',
    problems: [],
  };
  const host = '127.0.0.1';
  const gate = startGate({
    listen: { host, port: 0 },
    status: () => status,
    ztunnel: { host, metricsPort: portOf(daemon), adminHost: host, adminPort: 1 },
  });
  await once(gate, 'listening');
  const port = portOf(gate);
  t.teardown(() => {
    gate.close();
    daemon.close();
  });
  t.same(await read(port, '/metrics/ztunnel'), { code: 200, text: 'daemon /metrics' });
  t.match(await read(port, '/admin/ztunnel/config_dump'), { code: 502, text: /127\.0\.0\.1:1 does not answer/ });
  t.match(await read(port, '/metrics/a/b'), { code: 404 });
  t.match(JSON.parse((await read(port, '/status.json')).text), { mesh: 'm' });
  t.match(await read(port, '/', { host: 'evil.example' }), { code: 403 });
  const post = request({ host, port, path: '/', method: 'POST', agent: false });
  post.end();
  const [response]: IncomingMessage[] = await once(post, 'response');
  t.equal(response?.statusCode, 405);
});
