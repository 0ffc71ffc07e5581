// Peer metadata at a waypoint: what sidecars say in HTTP's headers is read, answered, and kept from applications; what is behind a sidecar
// is reached in its mutual TLS, and told who asks.
import { once } from 'node:events';
import * as http from 'node:http';
import t, { type Test } from 'tap';
import { decodePeerMetadata, encodePeerMetadata } from '../../common/peer/peer-headers.ts';
import { ByteStreamDuplex } from '../../waypoint/http/byte-stream-duplex.ts';
import { type SidecarStream, startSidecarServer } from '../support/fake-sidecar.ts';
import { ratingsFrame, ratingsPeer } from '../support/peer-frames.ts';
import { startWaypointMesh, type WaypointMesh, waypointManifest } from '../support/waypoint-mesh.ts';

const pod = (name: string, more: string): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: podinfo }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name}${more} } }
    spec: { serviceAccountName: ${name}, containers: [{ name: ${name}, image: ${name} }] }
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: podinfo }
spec:
  selector: { app: ${name} }
  ports: [{ name: http, port: 80, targetPort: 9898 }, { name: tcp-db, port: 3306, targetPort: 3306 }]
---`;
const manifests = `
${pod('curl', '')}
${pod('ambient', '')}
${pod('guarded', ', istio.io/dataplane-mode: none, security.istio.io/tlsMode: istio')}
`;

const introduced = {
  'x-envoy-peer-metadata-id': ratingsPeer.nodeId,
  'x-envoy-peer-metadata': encodePeerMetadata(ratingsPeer.metadata),
};

async function ask(mesh: WaypointMesh, service: string, headers: http.OutgoingHttpHeaders) {
  const socket = new ByteStreamDuplex(await mesh.connect(`${mesh.serviceIp(service)}:80`));
  socket.on('error', () => undefined);
  const request = http.request({ createConnection: () => socket as never, headers: { host: service, ...headers } });
  request.end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.resume();
  await once(response, 'end');
  return response;
}

/** An application that keeps the heads it got, and tries to say who it is. */
async function application(t: Test, host: string, heads: http.IncomingHttpHeaders[]): Promise<void> {
  const server = http.createServer((request, response) => {
    heads.push(request.headers);
    response.setHeader('x-envoy-peer-metadata', 'forged').end('ok');
  });
  server.listen(9898, host);
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
}

t.test('at a waypoint', async (t) => {
  const mesh = await startWaypointMesh(t, [waypointManifest, manifests]);

  await t.test('metadata never reaches an application, nor a client who told none', async (t) => {
    const heads: http.IncomingHttpHeaders[] = [];
    await application(t, mesh.podIp('ambient-'), heads);
    const answer = await ask(mesh, 'ambient', {});
    t.equal(answer.headers['x-envoy-peer-metadata'], undefined, 'the application’s own word is not passed on');
    await ask(mesh, 'ambient', introduced);
    t.equal(heads.length, 2);
    for (const head of heads) {
      t.same(
        Object.keys(head).filter((name) => name.startsWith('x-envoy-peer')),
        [],
      );
    }
  });

  await t.test('who tells, is told: of what it told itself, and who answers', async (t) => {
    await application(t, mesh.podIp('ambient-'), []);
    const { headers } = await ask(mesh, 'ambient', introduced);
    t.match(
      headers['x-envoy-peer-metadata-id'],
      /^waypoint~.*~podinfo-waypoint.*\.podinfo~podinfo\.svc\.cluster\.local$/,
    );
    t.match(decodePeerMetadata(String(headers['x-envoy-peer-metadata'])), {
      namespace: 'podinfo',
      workloadName: 'podinfo-waypoint',
      identity: 'spiffe://cluster.local/ns/podinfo/sa/podinfo-waypoint',
    });
    const half = await ask(mesh, 'ambient', { 'x-envoy-peer-metadata-id': ratingsPeer.nodeId });
    t.ok(half.headers['x-envoy-peer-metadata-id']);
    t.equal(half.headers['x-envoy-peer-metadata'], undefined);
  });

  await t.test('a sidecar is reached by HTTP in its mutual TLS, and told who asks', async (t) => {
    const heads: http.IncomingHttpHeaders[] = [];
    const app = http.createServer((request, response) => {
      heads.push(request.headers);
      response.end('ok');
    });
    const streams: SidecarStream[] = [];
    const sidecar = await startSidecarServer({
      ...{ host: mesh.podIp('guarded-'), port: 9898, as: 'tcp', frame: ratingsFrame },
      certificate: await mesh.certificateOf('guarded-'),
      serve: (stream) => {
        streams.push(stream);
        app.emit('connection', stream);
      },
    });
    t.teardown(() => sidecar.close());
    const answer = await ask(mesh, 'guarded', introduced);
    t.equal(answer.statusCode, 200);
    t.match(streams, [
      {
        tls: { alpnProtocol: 'http/1.1' },
        peerName: 'URI:spiffe://cluster.local/ns/podinfo/sa/podinfo-waypoint',
        faults: [],
      },
    ]);
    t.match(decodePeerMetadata(String(heads[0]?.['x-envoy-peer-metadata'])), { workloadName: 'podinfo-waypoint' });
    t.match(heads[0]?.['x-envoy-peer-metadata-id'], /^waypoint~/);
  });

  await t.test('and what is no HTTP exchanges as TCP does', async (t) => {
    const sidecar = await startSidecarServer({
      ...{ host: mesh.podIp('guarded-'), port: 3306, as: 'tcp', frame: ratingsFrame },
      certificate: await mesh.certificateOf('guarded-'),
      serve: (stream) => {
        stream.write('5.7 MariaDB');
        stream.on('data', () => stream.end());
      },
    });
    t.teardown(() => sidecar.close());
    const socket = new ByteStreamDuplex(await mesh.connect(`${mesh.serviceIp('guarded')}:3306`));
    const [greeting] = await once(socket, 'data');
    t.equal(String(greeting), '5.7 MariaDB');
    socket.end('quit');
    await once(socket, 'end');
    t.match(sidecar.connections, [
      { faults: [], told: { 'x-envoy-peer-metadata': { WORKLOAD_NAME: 'podinfo-waypoint', NAMESPACE: 'podinfo' } } },
    ]);
    // Our recorded frame says that it is of namespace default: the sidecar's certificate knows better.
    t.match(
      await mesh.metrics(),
      /ambientd_peer_metadata_total\{carrier="istio-peer-exchange",outcome="contradicts"\} 1/,
    );
  });
});
