// Certificates that are revoked (CRL_PATH), at a waypoint: callers whose tunnels end and who are refused, and endpoints.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { createCrlPem } from '../support/certificate-chains.ts';
import { readSample } from '../support/explicit-mesh.ts';
import { record } from '../support/recording-sink.ts';
import { startWaypointMesh, waypointManifest } from '../support/waypoint-mesh.ts';

const manifest = `
apiVersion: v1
kind: Service
metadata: { name: app, namespace: podinfo }
spec: { selector: { app: app }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: app, namespace: podinfo, labels: { app: app } }
spec: { serviceAccountName: app, containers: [{ name: app, image: app }] }
---
apiVersion: v1
kind: Pod
metadata: { name: curl, namespace: podinfo, labels: { app: curl } }
spec: { serviceAccountName: curl, containers: [{ name: curl, image: curl }] }
`;

const path = join(t.testdir({}), 'crl.pem');
const mesh = await startWaypointMesh(t, [waypointManifest, manifest], { CRL_PATH: path });
const app = createServer((_, response) => void response.end('hello')).listen(8080, mesh.podIp('app'));
await once(app, 'listening');
t.teardown(() => app.close());

async function revoke(...pods: readonly string[]): Promise<void> {
  const read = () => mesh.logged.filter((line) => line.includes('revocation lists read')).length;
  const before = read();
  const revoked = await Promise.all(pods.map(async (pod) => (await mesh.certificateOf(pod)).chainPem));
  writeFileSync(path, await createCrlPem({ issuer: mesh.authority.rootPem, revoked }));
  while (read() === before) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function rejected(): Promise<Record<string, number>> {
  const lines = (await mesh.metrics()).split('\n');
  const samples = lines.flatMap((line) => readSample(line, 'istio_crl_policy_rejections_total'));
  return Object.fromEntries(samples.map(([{ reporter = '' }, value]) => [reporter, value]));
}

async function ask(): Promise<string> {
  const stream = await mesh.connect(`${mesh.serviceIp('app')}:80`);
  const sink = record(stream);
  stream.write(Buffer.from('GET / HTTP/1.1\r\nhost: app\r\nconnection: close\r\n\r\n'));
  await sink.ended();
  stream.end();
  return sink.text;
}

t.test('an endpoint whose certificate is revoked is asked no more', async (t) => {
  t.match(await ask(), /^HTTP\/1\.1 200 [\s\S]*hello/);
  await revoke('app');
  t.match(await ask(), /^HTTP\/1\.1 503 /);
  t.ok(mesh.logged.some((line) => /invalid peer certificate: Revoked.*"CERTIFICATE_REVOKED"/.test(line)));
  t.ok(((await rejected())['source'] ?? 0) >= 2, 'its tunnel, and the next');
  await revoke();
  t.match(await ask(), /^HTTP\/1\.1 200 /);
});

t.test('the tunnel of a caller whose certificate is revoked ends, and it gets no other', async (t) => {
  const stream = await mesh.connect(`${mesh.serviceIp('app')}:80`);
  const sink = record(stream);
  await revoke('curl');
  await sink.ended().catch(() => {});
  t.equal((await rejected())['destination'], 1);
  await t.rejects(mesh.connect(`${mesh.serviceIp('app')}:80`));
  t.ok(((await rejected())['destination'] ?? 0) > 1);
  t.ok(
    mesh.logged.some((line) =>
      /connection failed.*invalid peer certificate: Revoked.*"CERTIFICATE_REVOKED"/.test(line),
    ),
  );
});
