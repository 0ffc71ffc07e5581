// A pod of ours beside a pod with a sidecar, captured by the kernel: what the sidecar sends arrives on 15006 and its TLS ends there, what
// our pod's program dials leaves from 15001 in TLS.
import { text } from 'node:stream/consumers';
import t from 'tap';
import { identityOf } from '../../common/identity/identity.ts';
import { createPodSocketFactory } from '../../common/net/pod-socket-factory-socket.ts';
import { runInNamespace } from '../../common/net/run-in-namespace-process.ts';
import { createPodProxy } from '../../ztunnel/inpod/pod-proxy.ts';
import { startExplicitMesh } from '../support/explicit-mesh.ts';
import { connectAsSidecar, startSidecarServer } from '../support/fake-sidecar.ts';
import { inUserNamespace } from '../support/in-user-namespace.ts';
import { aPolicy, aWorkload } from '../support/mesh-objects.ts';
import { ratingsFrame } from '../support/peer-frames.ts';
import { callFrom, createTwoPods, serveIn } from '../support/pod-network.ts';

if (await inUserNamespace(t, import.meta.filename, ['ip', 'nft'])) {
  const [sidecarPod, ourPod] = await createTwoPods();
  await runInNamespace(sidecarPod.namespace, ['nft', 'flush', 'ruleset']);
  const outside = createPodSocketFactory({ namespace: sidecarPod.namespace });
  const mesh = await startExplicitMesh({
    workloads: [
      aWorkload({ name: 'ratings', addresses: [sidecarPod.v4, sidecarPod.v6], tunnelProtocol: 'istio-mtls' }),
      aWorkload({ name: 'details', addresses: [ourPod.v4, ourPod.v6] }),
    ],
    policies: [aPolicy({ name: 'strict', action: 'deny', match: { notPrincipals: [{ kind: 'presence' }] } })],
  });
  const name = { namespace: 'default', name: 'details', serviceAccount: 'details' };
  const sockets = createPodSocketFactory({ namespace: ourPod.namespace, mark: 1337 });
  const config = { ...mesh.services.config, mode: { kind: 'shared' } } as typeof mesh.services.config;
  const proxy = createPodProxy({ ...mesh.services, config }, { uid: 'details', name, sockets });
  await proxy.start();
  t.teardown(async () => {
    await proxy.close();
    await mesh.close();
    for (const used of [outside, sockets]) used.close();
  });
  const ratings = identityOf({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'ratings' });
  const certificate = await mesh.services.certificates.get(ratings);
  const bothProven = {
    'src.identity': 'spiffe://cluster.local/ns/default/sa/ratings',
    'dst.identity': 'spiffe://cluster.local/ns/default/sa/details',
  };

  for (const [family, from, to] of [
    ['IPv4', sidecarPod.v4, ourPod.v4],
    ['IPv6', sidecarPod.v6, ourPod.v6],
  ] as const) {
    t.test(`a sidecar's call is admitted under STRICT, and the program sees its real peer (${family})`, async (t) => {
      await serveIn(t, ourPod, 8080);
      const socket = await outside.connectSocket({ to: { ip: to, port: 8080 } });
      const sidecar = await connectAsSidecar({ socket, host: to, port: 8080, certificate, frame: ratingsFrame });
      t.match(await text(sidecar), from);
      t.same(sidecar.faults, []);
      t.match(sidecar.told, { 'x-envoy-peer-metadata': { NAME: 'details' } });
      sidecar.end();
      const line = (await mesh.logged(mesh.accessLog.length + 1)).at(-1);
      t.match(line, { level: 'info', direction: 'inbound', ...bothProven });
    });

    t.test(`a plain call of the same pod is refused (${family})`, async (t) => {
      await serveIn(t, ourPod, 8080);
      const before = mesh.accessLog.length;
      t.equal(await callFrom(t, sidecarPod, to, 8080), 'ECONNRESET');
      t.match((await mesh.logged(before + 1)).at(-1), { code: 'AUTHORIZATION_DENIED' });
    });

    t.test(`what our program dials reaches the sidecar in its TLS (${family})`, async (t) => {
      const server = await startSidecarServer({
        ...{ host: '127.0.0.1', port: 0, certificate, frame: ratingsFrame, as: 'tcp' },
        serve: (stream) => void stream.pipe(stream),
      });
      const listening = await outside.listenSockets({ port: 8080, host: from }, ({ socket }) => server.accept(socket));
      t.teardown(async () => {
        await listening.close();
        await server.close();
      });
      const before = mesh.accessLog.length;
      t.equal(await callFrom(t, ourPod, from, 8080), 'hello');
      const [stream] = server.connections;
      t.equal(stream?.peerName, 'URI:spiffe://cluster.local/ns/default/sa/details');
      t.match(stream?.told, { 'x-envoy-peer-metadata': { NAME: 'details' } });
      const proven = { 'src.identity': bothProven['dst.identity'], 'dst.identity': bothProven['src.identity'] };
      t.match((await mesh.logged(before + 1)).at(-1), { level: 'info', direction: 'outbound', ...proven });
    });
  }
}
