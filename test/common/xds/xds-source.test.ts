// istiod as a source, over real TLS on loopback: believed by its root, known by our token, kept over its restarts.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { createMeshIndex, type MeshIndex } from '../../../common/mesh/mesh-index.ts';
import type { WorkloadUid } from '../../../common/mesh/workload.ts';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import type { ControlPlane } from '../../../common/tls/control-plane-client.ts';
import { authorizationTypeUrl } from '../../../common/xds/authorization-codec.ts';
import { createXdsSource } from '../../../common/xds/xds-source.ts';
import { collectLog } from '../../support/collected-log.ts';
import { type DeltaServer, type ServedStream, startDeltaServer } from '../../support/delta-server.ts';
import { aWorkload } from '../../support/mesh-objects.ts';
import { encodeWorkload, type SentResource } from '../../support/wds-messages.ts';

const sent = (name: string, version = '1'): SentResource => {
  const workload = aWorkload({ name });
  return { name: workload.uid, version, value: encodeWorkload(workload) };
};
const names = (mesh: MeshIndex): readonly string[] => [...mesh.workloads()].map(({ name }) => name);

function setUp(t: Test, server: Pick<DeltaServer, 'address' | 'rootPem'>, given: Partial<ControlPlane> = {}) {
  const mesh = createMeshIndex();
  const { recorder, exposition } = createMetricsRegistry();
  const { log, lines } = collectLog();
  const source = createXdsSource({
    controlPlane: {
      address: server.address,
      rootCa: { kind: 'literal', text: server.rootPem },
      token: { kind: 'literal', text: ' secret\n' },
      clusterId: 'c1',
      headers: { X_EXTRA: 'more' },
      ...given,
    },
    node: { instanceIp: '1.1.1.1', podName: 'zt', podNamespace: 'system', nodeName: 'n', metadata: {} },
    writer: mesh,
    recorder,
    log,
  });
  t.teardown(() => source.close());
  const says = async (wanted: RegExp): Promise<void> => {
    while (!lines.some((line) => wanted.test(JSON.stringify(line)))) await new Promise((next) => setTimeout(next, 10));
  };
  return { mesh, source, lines, says, exposition };
}

/** Both types answered, so that the source is started. */
async function sync(stream: ServedStream, resources: readonly SentResource[]): Promise<void> {
  await stream.hasRequests(2);
  stream.send({ nonce: 'a', resources });
  stream.send({ typeUrl: authorizationTypeUrl, nonce: 'p' });
  await Promise.all([stream.answerTo('a'), stream.answerTo('p')]);
}

t.test('the source is started when all types are acknowledged, and follows what comes later', async (t) => {
  const server = await startDeltaServer(t);
  const { mesh, source } = setUp(t, server);
  const started = source.start();
  const stream = await server.nextStream();
  await sync(stream, [sent('a')]);
  await started;
  t.same(names(mesh), ['a']);
  t.match(stream.headers, { authorization: 'Bearer secret', clusterid: 'c1', x_extra: 'more' });
  stream.send({ nonce: 'b', resources: [sent('b')], removed: ['Kubernetes//Pod/default/a'] });
  await stream.answerTo('b');
  t.same(names(mesh), ['b']);
});

t.test('a stream that ends is opened again, told what is held, and nothing is lost between', async (t) => {
  const server = await startDeltaServer(t);
  const { mesh, source } = setUp(t, server);
  const started = source.start();
  const first = await server.nextStream();
  await sync(first, [sent('a', '7'), sent('b', '8')]);
  await started;
  first.end();
  const second = await server.nextStream();
  await second.hasRequests(2);
  t.same(second.requests[0]?.initialResourceVersions, {
    'Kubernetes//Pod/default/a': '7',
    'Kubernetes//Pod/default/b': '8',
  });
  t.same(names(mesh), ['a', 'b']);
  second.fail({ code: status.INTERNAL, details: 'broken' });
  const third = await server.nextStream();
  await third.hasRequests(2);
  third.send({ nonce: 'c', removed: ['Kubernetes//Pod/default/a'] });
  await third.answerTo('c');
  t.same(names(mesh), ['b']);
});

t.test('a poisoned response is refused, or ends the stream, and never the process', async (t) => {
  const server = await startDeltaServer(t);
  const { mesh, source, says } = setUp(t, server);
  const started = source.start();
  const stream = await server.nextStream();
  await sync(stream, [sent('a')]);
  await started;
  stream.send({ nonce: 'b', resources: [{ ...sent('a'), value: Buffer.from('poison') }, sent('b')] });
  t.match((await stream.answerTo('b')).errorDetail, { message: /^Kubernetes\/\/Pod\/default\/a: / });
  await says(/xDS resources were refused.*|"rejected":1/);
  t.same(names(mesh), ['a', 'b']);
  stream.sendRaw(Buffer.from([0x12, 0xff, 0xff]));
  await says(/RESOURCE_INVALID|malformed/);
  await (await server.nextStream()).hasRequests(2);
  t.same(names(mesh), ['a', 'b']);
});

t.test(
  'what contradicts itself, or is absurdly large, is refused by name; all else is applied, and serves on',
  async (t) => {
    const server = await startDeltaServer(t);
    const { mesh, source } = setUp(t, server);
    const started = source.start();
    const stream = await server.nextStream();
    await sync(stream, [sent('before')]);
    await started;
    const large = { ...aWorkload({ name: 'large' }), hostname: 'x'.repeat(3 * 1_048_576) };
    const poison: readonly SentResource[] = [
      { name: 'no-uid', value: encodeWorkload({ ...aWorkload({ name: 'x' }), uid: '' as WorkloadUid }) },
      { name: 'large', value: encodeWorkload(large) },
      { name: 'nothing', value: Buffer.alloc(0) },
      { name: 'bad-service', value: encodeWorkload(aWorkload({ name: 'y', services: { 'no slash': [] } })) },
      { ...sent('before'), value: Buffer.from('poison') },
    ];
    stream.send({ nonce: 'b', resources: [sent('one'), ...poison, sent('two')], removed: ['never-there'] });
    const { message = '' } = (await stream.answerTo('b')).errorDetail ?? {};
    for (const { name } of poison) t.match(message, new RegExp(`(^|; )${name}: `));
    t.match(message, /large: it has 3\d{6} bytes, more than 2097152/);
    t.same(names(mesh), ['before', 'one', 'two'], 'what it was before stays');
    stream.send({ nonce: 'c', resources: [sent('three')] });
    t.notOk((await stream.answerTo('c')).errorDetail, 'and what comes next is acknowledged');
  },
);

t.test('a message beyond all bounds ends the stream before it is held, and the next one is tried later', async (t) => {
  const server = await startDeltaServer(t);
  const { mesh, source, says } = setUp(t, server);
  const started = source.start();
  const stream = await server.nextStream();
  await sync(stream, [sent('a')]);
  await started;
  stream.sendRaw(Buffer.alloc(201 * 1_048_576));
  await says(/a message of \d+ bytes is larger than the bound of 209715200/);
  const next = await server.nextStream();
  await next.hasRequests(2);
  t.same(names(mesh), ['a']);
});

t.test('a control plane that is not believed, or does not believe us, is named with the remedy', async (t) => {
  const server = await startDeltaServer(t);
  const other = await startDeltaServer(t, { names: ['istiod.example'] });
  const stranger = setUp(t, { ...server, rootPem: other.rootPem });
  void stranger.source.start().catch(() => {});
  await stranger.says(/certificate.*XDS_ROOT_CA holds its root/);
  const misnamed = setUp(t, other);
  void misnamed.source.start().catch(() => {});
  await misnamed.says(/127\.0\.0\.1 is not in the cert|altnames/);
  const known = setUp(t, other, { alternativeHostname: 'istiod.example' });
  void known.source.start().catch(() => {});
  const stream = await other.nextStream();
  stream.fail({ code: status.UNAUTHENTICATED, details: 'authentication failure' });
  await known.says(/UNAUTHENTICATED: authentication failure; check the token \(AUTH_TOKEN\)/);
  const nobody = setUp(t, { address: 'https://127.0.0.1:1', rootPem: server.rootPem });
  void nobody.source.start().catch(() => {});
  await nobody.says(/ECONNREFUSED 127\.0\.0\.1:1; check that the control plane runs at XDS_ADDRESS/);
  t.notMatch(JSON.stringify([stranger.lines, known.lines]), /secret/, 'and no token is told');
});

t.test('root and token are read anew for each stream', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'xds-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const [root, token] = [join(folder, 'root.pem'), join(folder, 'token')];
  const server = await startDeltaServer(t);
  writeFileSync(root, server.rootPem);
  const { source, says } = setUp(t, server, {
    rootCa: { kind: 'file', path: root },
    token: { kind: 'file', path: token },
  });
  const started = source.start();
  await says(/cannot read the token from/);
  writeFileSync(token, 'one\n');
  const first = await server.nextStream();
  t.equal(first.headers['authorization'], 'Bearer one');
  writeFileSync(token, 'two');
  first.end();
  const second = await server.nextStream();
  t.equal(second.headers['authorization'], 'Bearer two');
  await sync(second, []);
  await started;
});

t.test('closing ends the stream and refuses whoever still waits for the mesh', async (t) => {
  const server = await startDeltaServer(t);
  const { source } = setUp(t, server);
  const started = source.start();
  const stream = await server.nextStream();
  await stream.hasRequests(2);
  const refused = t.rejects(started, { code: 'DRAINED' });
  await source.close();
  await refused;
  await source.close();
});

t.test('messages, their bytes and the ends of streams are counted', async (t) => {
  const server = await startDeltaServer(t);
  const { source, exposition } = setUp(t, server);
  const started = source.start();
  const stream = await server.nextStream();
  const resource = sent('a');
  await sync(stream, [resource]);
  await started;
  stream.end();
  await (await server.nextStream()).hasRequests(1);
  const { body } = await exposition(undefined);
  const url = 'url="type.googleapis.com/istio.workload.Address"';
  t.match(body, `istio_xds_message_total{${url}} 1`);
  t.match(body, `istio_xds_message_bytes_total{${url}} ${resource.value.length}`);
  t.match(body, /istio_xds_connection_terminations_total\{reason="Complete"\} 1/);
});
