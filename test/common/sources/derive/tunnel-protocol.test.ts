// How a sidecar is reached, from its labels and the PeerAuthentications that hold for it.
import t from 'tap';
import { meshOf } from '../from-yaml.ts';

/** What is told of a pod with a sidecar. */
function reached(labels: string, ...policies: readonly string[]): unknown {
  const pod = `{ apiVersion: v1, kind: Pod, metadata: { name: web, namespace: shop, labels: { app: web, ${labels} } }, status: { podIP: 10.0.0.1 } }`;
  const documents = policies.map(
    (policy) => `{ apiVersion: security.istio.io/v1, kind: PeerAuthentication, ${policy} }`,
  );
  const [workload] = meshOf([pod, ...documents].join('\n---\n')).snapshot.workloads;
  const { tunnelProtocol, nativeTunnel, plaintextPorts } = workload ?? {};
  return { tunnelProtocol, nativeTunnel, plaintextPorts };
}

const sidecar = 'security.istio.io/tlsMode: istio';
const byTls = { tunnelProtocol: 'istio-mtls', nativeTunnel: false, plaintextPorts: [] };
const plain = { ...byTls, tunnelProtocol: 'none' };
const forMesh = (mode: string): string =>
  `metadata: { name: default, namespace: istio-system }, spec: { mtls: { mode: ${mode} } }`;
const own = (spec: string): string =>
  `metadata: { name: own, namespace: shop }, spec: { selector: { matchLabels: { app: web } }, ${spec} }`;

t.test('a sidecar is reached by the TLS that it says it takes, by HBONE where it takes that', async (t) => {
  t.same(reached(sidecar), byTls);
  t.same(reached('security.istio.io/tlsMode: disabled'), plain);
  const both = reached(`${sidecar}, networking.istio.io/tunnel: http`);
  t.same(both, { tunnelProtocol: 'hbone', nativeTunnel: true, plaintextPorts: [] });
});

t.test('whatever mutual TLS it may or must have, it is given', async (t) => {
  for (const mode of ['STRICT', 'PERMISSIVE', 'UNSET']) t.same(reached(sidecar, forMesh(mode)), byTls, mode);
});

t.test('one that PeerAuthentication lets take none is reached in plain', async (t) => {
  t.same(reached(sidecar, forMesh('DISABLE')), plain);
  t.same(reached(sidecar, forMesh('DISABLE'), own('mtls: { mode: STRICT }')), byTls);
  t.same(reached(sidecar, forMesh('STRICT'), own('mtls: { mode: DISABLE }')), plain);
});

t.test('so are single ports of it', async (t) => {
  const ports = '{ 9090: { mode: DISABLE }, 8080: { mode: DISABLE }, 7070: { mode: STRICT } }';
  t.same(reached(sidecar, own(`mtls: { mode: STRICT }, portLevelMtls: ${ports}`)), {
    ...byTls,
    plaintextPorts: [8080, 9090],
  });
});

t.test('and ports that the sidecar does not see', async (t) => {
  const annotations = 'traffic.sidecar.istio.io/excludeInboundPorts: "9090, 3306,nonsense,"';
  const pod = `{ apiVersion: v1, kind: Pod, metadata: { name: web, namespace: shop, labels: { ${sidecar} }, annotations: { ${annotations} } }, status: { podIP: 10.0.0.1 } }`;
  t.match(meshOf(pod).snapshot.workloads, [{ tunnelProtocol: 'istio-mtls', plaintextPorts: [9090, 3306] }]);
});
