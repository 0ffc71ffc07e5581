import t from 'tap';
import { parseWaypointConfig } from '../../waypoint/config.ts';

const least = { GATEWAY_NAME: 'gate', POD_NAMESPACE: 'shop', AMBIENTD_MANIFESTS: 'mesh.yaml' };
const nothingThere = (): boolean => false;

t.test('the least that is needed gives Istio’s defaults', async (t) => {
  t.match(parseWaypointConfig(least, nothingThere), {
    kind: 'config',
    config: {
      gateway: 'gate',
      namespace: 'shop',
      podName: 'gate',
      serviceAccount: 'gate',
      bind: 'any',
      trustDomain: 'cluster.local',
      ports: { hbone: 15008, stats: 15020, prometheus: 15090, readiness: 15021 },
      accessLog: 'off',
      tcpReportingIntervalMs: 15_000,
      maxBusyTunnels: 4,
      ca: { address: 'https://localhost:15012', rootCa: { kind: 'file' }, token: { kind: 'none' } },
    },
  });
});

t.test('peers are held to the revocation lists of CRL_PATH', async (t) => {
  const env = { ...least, CRL_PATH: '/there/crl.pem' };
  t.match(parseWaypointConfig(env, nothingThere), { config: { crlPath: '/there/crl.pem' } });
});

t.test('all problems are told at once', async (t) => {
  const env = {
    INSTANCE_IP: 'nonsense',
    CA_ADDRESS: 'http://ca',
    ACCESS_LOG: 'maybe',
    RUST_LOG: 'loud',
    TCP_REPORTING_INTERVAL: 'x',
    AMBIENTD_POOL_MAX_BUSY_TUNNELS: '0',
  };
  const result = parseWaypointConfig(env, nothingThere);
  t.equal(result.kind, 'problems');
  const text = result.kind === 'problems' ? result.problems.join('\n') : '';
  for (const name of ['GATEWAY_NAME', 'POD_NAMESPACE', 'AMBIENTD_MANIFESTS', ...Object.keys(env)]) t.match(text, name);
});

t.test('pods that share a namespace need their own address', async (t) => {
  const explicit = { ...least, PROXY_MODE: 'explicit' };
  t.match(parseWaypointConfig(explicit, nothingThere), { kind: 'problems', problems: [/INSTANCE_IP is not set/] });
  t.match(parseWaypointConfig({ ...explicit, INSTANCE_IP: '127.1.0.9' }, nothingThere), {
    config: { bind: 'own', instanceIp: '127.1.0.9' },
  });
});

t.test('the root and the token are files or texts', async (t) => {
  const pem = '-----BEGIN CERTIFICATE-----\n';
  const given = { ...least, CA_ADDRESS: 'ca:15012', CA_ROOT_CA: pem, AUTH_TOKEN: '/token' };
  t.match(
    parseWaypointConfig(given, (path) => path === '/token'),
    {
      config: {
        ca: {
          address: 'https://ca:15012',
          rootCa: { kind: 'literal', text: pem },
          token: { kind: 'file', path: '/token' },
        },
      },
    },
  );
  t.match(parseWaypointConfig({ ...least, CA_ROOT_CA: 'SYSTEM' }, nothingThere), {
    config: { ca: { rootCa: { kind: 'system' } } },
  });
});

t.test('in the pod that Istio makes for a Gateway, istiod and the Kubernetes API are where the pod says', async (t) => {
  const { AMBIENTD_MANIFESTS: _, ...unnamed } = least;
  const ofTemplate = {
    ...unnamed,
    ...{ CA_ADDR: 'istiod-canary.istio-system.svc:15012', KUBERNETES_SERVICE_HOST: '10.96.0.1' },
    ...{ POD_NAME: 'gate-1', SERVICE_ACCOUNT: 'gate', INSTANCE_IP: '10.244.0.9', ISTIO_META_NODE_NAME: 'node-a' },
    ...{
      ISTIO_META_CLUSTER_ID: 'east',
      ISTIO_META_NETWORK: 'net1',
      PROXY_CONFIG: '{"image":{"imageType":"distroless"}}',
    },
  };
  const istiod = 'https://istiod-canary.istio-system.svc:15012';
  t.match(parseWaypointConfig(ofTemplate, nothingThere), {
    config: {
      ...{ network: 'net1', nodeName: 'node-a', clusterId: 'east' },
      ca: { address: istiod },
      source: {
        kind: 'xds',
        access: { kind: 'in-cluster' },
        xds: {
          address: istiod,
          node: { proxyType: 'waypoint', podName: 'gate-1', metadata: { CLUSTER_ID: 'east', SERVICE_ACCOUNT: 'gate' } },
        },
      },
    },
  });
});

t.test('outside of a pod, istiod and the way to the Kubernetes API are named', async (t) => {
  const { AMBIENTD_MANIFESTS: _, ...unnamed } = least;
  const istiod = { ...unnamed, XDS_ADDRESS: '10.0.0.1:15012', ALT_XDS_HOSTNAME: 'istiod.istio-system.svc' };
  t.match(parseWaypointConfig({ ...istiod, KUBECONFIG: 'kc' }, nothingThere), {
    config: {
      source: {
        kind: 'xds',
        access: { kind: 'kubeconfig', path: 'kc' },
        xds: { address: 'https://10.0.0.1:15012', alternativeHostname: 'istiod.istio-system.svc' },
      },
    },
  });
  t.match(parseWaypointConfig(istiod, nothingThere), { kind: 'problems', problems: [/KUBECONFIG/] });
  t.match(parseWaypointConfig({ ...unnamed, XDS_ADDRESS: '' }, nothingThere), {
    problems: [/nothing tells of the mesh/],
  });
});

t.test('the mesh comes from manifests or from the Kubernetes API, never from both', async (t) => {
  const { AMBIENTD_MANIFESTS: _, ...nowhere } = least;
  const sourceOf = (env: Record<string, string>) => {
    const result = parseWaypointConfig(env, nothingThere);
    return result.kind === 'config' ? result.config.source : result.problems;
  };
  t.same(sourceOf(least), { kind: 'manifests', path: 'mesh.yaml' });
  t.same(sourceOf({ ...least, KUBECONFIG: 'kc' }), { kind: 'manifests', path: 'mesh.yaml' });
  t.same(sourceOf({ ...nowhere, KUBECONFIG: 'kc' }), {
    kind: 'kubernetes',
    access: { kind: 'kubeconfig', path: 'kc' },
  });
  t.same(sourceOf({ ...nowhere, AMBIENTD_SOURCE: 'kubernetes', KUBERNETES_SERVICE_HOST: '10.96.0.1' }), {
    kind: 'kubernetes',
    access: { kind: 'in-cluster' },
  });
  t.match(sourceOf({ ...least, AMBIENTD_SOURCE: 'kubernetes', KUBECONFIG: 'kc' }), [/AMBIENTD_MANIFESTS/]);
  t.match(sourceOf({ ...nowhere, AMBIENTD_SOURCE: 'kubernetes' }), [/KUBECONFIG/]);
  t.match(sourceOf({ ...nowhere, AMBIENTD_SOURCE: 'elsewhere' }), [/AMBIENTD_SOURCE=elsewhere/]);
});
