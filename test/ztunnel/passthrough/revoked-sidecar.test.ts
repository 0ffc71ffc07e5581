// A sidecar whose certificate is revoked (CRL_PATH): its connection ends, and it gets no other.
import t from 'tap';
import { readRevocationLists } from '../../../common/identity/crl-codec.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { createPeerRevocations } from '../../../common/tls/peer-revocations-socket.ts';
import { createCrl } from '../../support/certificate-chains.ts';
import { collectLog } from '../../support/collected-log.ts';
import { startExplicitMesh } from '../../support/explicit-mesh.ts';
import { connectAsSidecar } from '../../support/fake-sidecar.ts';
import { aWorkload, endAt } from '../../support/mesh-objects.ts';
import { startPassthroughPod } from '../../support/passthrough-pod.ts';
import { ratingsFrame } from '../../support/peer-frames.ts';
import { echo, startProgram } from '../../support/tcp-programs.ts';

const host = '127.79.1.1';
const ratings = '127.79.1.2';
const application = 19_080;

t.test('a sidecar whose certificate is revoked', async (t) => {
  const mesh = await startExplicitMesh({
    workloads: [
      aWorkload({ name: 'details-1', addresses: [host], serviceAccount: 'details' }),
      aWorkload({ name: 'ratings-1', addresses: [ratings], serviceAccount: 'ratings', tunnelProtocol: 'istio-mtls' }),
    ],
  });
  const revocations = createPeerRevocations({ recorder: createMetricsRegistry().recorder, log: collectLog().log });
  const name = { namespace: 'default', name: 'details-1', serviceAccount: 'details' };
  const pod = await startPassthroughPod({ ...mesh.services, revocations }, name, endAt(`${host}:${application}`));
  const program = await startProgram(host, application, echo);
  t.teardown(async () => {
    await program.close();
    await pod.close();
    await mesh.close();
  });
  const identity = identityOf({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'ratings' });
  const certificate = await mesh.services.certificates.get(identity);
  const call = () =>
    connectAsSidecar({ host, port: pod.port, localAddress: ratings, frame: ratingsFrame, certificate });

  const sidecar = await call();
  sidecar.write('hello');
  await new Promise((resolve) => sidecar.once('data', resolve));
  const ended = new Promise((resolve) => sidecar.on('error', resolve).once('end', resolve));
  const crl = await createCrl({ issuer: mesh.authority.rootPem, revoked: [certificate.chainPem] });
  revocations.use(readRevocationLists(crl));
  await ended;
  sidecar.destroy();
  t.match(await mesh.logged(1), [
    { direction: 'inbound', code: 'CERTIFICATE_REVOKED', error: /^connection closed: peer certificate revoked by CRL/ },
  ]);
  t.match(await mesh.samples('istio_tcp_connections_failed_total'), [[{ response_flags: 'CERT_REVOKED' }, 1]]);

  // In TLS 1.3 a client learns of it after its handshake.
  const again = await call().catch(() => undefined);
  again?.on('error', () => {});
  t.match((await mesh.logged(2))[1], { code: 'CERTIFICATE_REVOKED', error: /^tls handshake error: .*Revoked/ });
  again?.destroy();
  t.equal(program.connections.length, 1);
});
