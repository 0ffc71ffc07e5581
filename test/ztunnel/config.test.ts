// The environment of the node proxy as one value, or all its problems.
import t from 'tap';
import { parseZtunnelConfig, type ZtunnelConfig } from '../../ztunnel/config.ts';

const files = (path: string): boolean => path.startsWith('/there/');
const configOf = (env: Record<string, string>): ZtunnelConfig => {
  const result = parseZtunnelConfig({ AMBIENTD_MANIFESTS: 'objects.json', ...env }, files);
  if (result.kind === 'problems') throw new Error(result.problems.join('; '));
  return result.config;
};

t.test('an empty environment but for the manifests is the shared proxy of a node', async (t) => {
  const config = configOf({});
  t.same(config.mode, { kind: 'shared', zdsSocketPath: '/var/run/ztunnel/ztunnel.sock' });
  t.equal(config.packetMark, 1337);
  t.equal(config.clusterId, 'Kubernetes');
  t.equal(config.explicitEntry, 'off');
  t.equal(config.tcpReportingIntervalMs, 15_000);
  t.equal(config.drainDeadlineMs, 5_000);
  t.equal(config.originalSource, 'if-possible');
  t.equal(config.ca.address, 'https://localhost:15012');
  t.same(config.ports, { admin: 15_000, metrics: 15_020, readiness: 15_021 });
  t.equal(config.idleTunnelMs, 300_000);
});

t.test('peers are held to the revocation lists of CRL_PATH, of none without it', async (t) => {
  t.equal(
    configOf({ CRL_PATH: '/var/run/secrets/istio/crl/ca-crl.pem' }).crlPath,
    '/var/run/secrets/istio/crl/ca-crl.pem',
  );
  t.equal(configOf({ CRL_PATH: '' }).crlPath, undefined);
  t.equal(configOf({}).crlPath, undefined);
});

t.test('dedicated mode takes its workload from PROXY_WORKLOAD_INFO and sets no mark', async (t) => {
  const config = configOf({ PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'shop/cart-1/cart' });
  t.same(config.mode, { kind: 'dedicated', workload: { namespace: 'shop', name: 'cart-1', serviceAccount: 'cart' } });
  t.equal(config.packetMark, undefined);
});

t.test('explicit mode opens the explicit entry without being asked', async (t) => {
  t.equal(configOf({ PROXY_MODE: 'explicit' }).explicitEntry, 'on');
});

t.test('istiod tells of everything unless it is to be asked', async (t) => {
  t.equal(configOf({}).addresses, 'all');
  t.equal(configOf({ XDS_ON_DEMAND: 'true', ISTIO_META_DNS_CAPTURE: 'false' }).addresses, 'on-demand');
});

t.test('the DNS of pods is served unless it is not captured', async (t) => {
  const resolvConf = 'search a.test b.test\nnameserver 10.96.0.10\n';
  const dnsOf = (env: Record<string, string>): ZtunnelConfig['dns'] => {
    const result = parseZtunnelConfig({ AMBIENTD_MANIFESTS: '-', ...env }, files, { resolvConf });
    if (result.kind === 'problems') throw new Error(result.problems.join('; '));
    return result.config.dns;
  };
  const usual = {
    serving: 'on',
    listen: { kind: 'loopback', port: 15_053 },
    nameServers: [{ ip: '10.96.0.10', port: 53 }],
    searchDomains: undefined,
    preferredNamespace: undefined,
  };
  t.same(dnsOf({}), usual);
  t.same(dnsOf({ ISTIO_META_DNS_CAPTURE: 'TRUE' }), usual);
  for (const off of ['false', 'yes']) t.equal(dnsOf({ ISTIO_META_DNS_CAPTURE: off }).serving, 'off');
  t.equal(dnsOf({ PROXY_CONFIG: '{proxyMetadata: {DNS_CAPTURE: "false"}}' }).serving, 'off');
  t.equal(dnsOf({ PROXY_MODE: 'explicit' }).serving, 'off');
  t.same(dnsOf({ PREFERED_SERVICE_NAMESPACE: 'first' }), { ...usual, preferredNamespace: 'first' });
  const dedicated = { PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'shop/cart-1/cart' };
  t.same(dnsOf(dedicated), { ...usual, searchDomains: ['a.test', 'b.test'] });
});

t.test('where DNS listens may be set', async (t) => {
  const listen = (address: string): unknown => configOf({ ISTIO_META_DNS_PROXY_ADDR: address }).dns.listen;
  t.same(listen('localhost:5300'), { kind: 'loopback', port: 5_300 });
  t.same(listen('[fd00::1]:53'), { kind: 'address', address: { ip: 'fd00::1', port: 53 } });
  for (const address of ['localhost', 'localhost:0', 'somewhere:53', '10.0.0.1']) {
    t.throws(() => listen(address), new RegExp(`DNS_PROXY_ADDR of the proxy metadata is ${address}`));
  }
});

t.test('addresses on demand and DNS exclude each other, and the way out is told', async (t) => {
  t.throws(() => configOf({ XDS_ON_DEMAND: 'true' }), /set ISTIO_META_DNS_CAPTURE=false, or unset XDS_ON_DEMAND/);
});

t.test('IPv6 may be switched off', async (t) => {
  t.equal(configOf({}).ipv6, 'on');
  t.equal(configOf({ IPV6_ENABLED: 'false' }).ipv6, 'off');
});

t.test('inside Kubernetes the CA is istiod unless one is named', async (t) => {
  const inside = { KUBERNETES_SERVICE_HOST: '10.96.0.1' };
  t.equal(configOf(inside).ca.address, 'https://istiod.istio-system.svc:15012');
  t.equal(configOf({ ...inside, CA_ADDRESS: 'localhost:9' }).ca.address, 'https://localhost:9');
  t.same(configOf({ CA_HEADER_FOO_BAR: 'x' }).ca.headers, { foo_bar: 'x' });
});

t.test('token and root of the CA are files where there are such, else texts', async (t) => {
  const { ca } = configOf({});
  t.same(ca.token, { kind: 'none' });
  t.same(ca.rootCa, { kind: 'file', path: './var/run/secrets/istio/root-cert.pem' });
  t.same(configOf({ AUTH_TOKEN: '/there/token' }).ca.token, { kind: 'file', path: '/there/token' });
  t.same(configOf({ AUTH_TOKEN: 'secret' }).ca.token, { kind: 'literal', text: 'secret' });
  t.same(configOf({ CA_ROOT_CA: 'SYSTEM' }).ca.rootCa, { kind: 'system' });
  t.match(configOf({ CA_ROOT_CA: '-----BEGIN CERTIFICATE-----' }).ca.rootCa, { kind: 'literal' });
});

t.test('the drain deadline leaves a part of the grace period, and an explicit one wins', async (t) => {
  const deadline = (env: Record<string, string>): number => configOf(env).drainDeadlineMs;
  t.equal(deadline({ TERMINATION_GRACE_PERIOD_SECONDS: '30' }), 25_000);
  t.equal(deadline({ TERMINATION_GRACE_PERIOD_SECONDS: '10' }), 9_000);
  t.equal(deadline({ TERMINATION_GRACE_PERIOD_SECONDS: '0' }), 1_000);
  t.equal(deadline({ TERMINATION_GRACE_PERIOD_SECONDS: '30', CONNECTION_TERMINATION_DEADLINE: '3s' }), 3_000);
});

t.test("sizes of a tunnel are Istio's, and with the number of tunnels within what is allowed", async (t) => {
  const flow = { streamWindowBytes: 4_194_304, connectionWindowBytes: 16_777_216, maxFrameBytes: 1_048_576 };
  t.same(configOf({}).tunnel, { flow, maxStreamsPerTunnel: 100, maxBusyTunnels: 4 });
  const names = [
    'HTTP2_STREAM_WINDOW_SIZE',
    'HTTP2_CONNECTION_WINDOW_SIZE',
    'HTTP2_FRAME_SIZE',
    'POOL_MAX_STREAMS_PER_CONNECTION',
    'AMBIENTD_POOL_MAX_BUSY_TUNNELS',
  ] as const;
  const set = (...values: number[]) => Object.fromEntries(names.map((name, index) => [name, String(values[index])]));
  t.same(configOf(set(1, 65_535, 16_384, 1, 1)).tunnel, {
    flow: { streamWindowBytes: 1, connectionWindowBytes: 65_535, maxFrameBytes: 16_384 },
    maxStreamsPerTunnel: 1,
    maxBusyTunnels: 1,
  });
  for (const values of [
    [0, 65_534, 16_383, 0, 0],
    [2 ** 31, 2 ** 31, 2 ** 24, 65_536, 1_001],
  ]) {
    const result = parseZtunnelConfig({ AMBIENTD_MANIFESTS: 'objects.json', ...set(...values) }, files);
    t.match(result, {
      kind: 'problems',
      problems: names.map((name, index) => new RegExp(`^invalid env var ${name}=${values[index]}: expected a whole`)),
    });
  }
});

t.test('the cluster id of the proxy metadata wins', async (t) => {
  t.equal(configOf({ CLUSTER_ID: 'a' }).clusterId, 'a');
  t.equal(configOf({ CLUSTER_ID: 'a', ISTIO_META_CLUSTER_ID: 'b' }).clusterId, 'b');
});

t.test(
  'the mesh comes from istiod, manifests, the Kubernetes API, or from what is written down, never from two of the first',
  async (t) => {
    const parse = (env: Record<string, string>) => parseZtunnelConfig(env, files);
    const sourceOf = (env: Record<string, string>) => {
      const result = parse(env);
      if (result.kind === 'problems') throw new Error(result.problems.join('; '));
      return result.config.source;
    };
    t.same(sourceOf({ AMBIENTD_MANIFESTS: 'objects.json' }), { kind: 'manifests', path: 'objects.json' });
    t.match(sourceOf({}), {
      kind: 'xds',
      xds: { address: 'https://localhost:15012', node: { instanceIp: '1.1.1.1' } },
    });
    t.match(sourceOf({ KUBERNETES_SERVICE_HOST: '10.96.0.1' }), {
      xds: { address: 'https://istiod.istio-system.svc:15012' },
    });
    t.match(sourceOf({ XDS_ADDRESS: 'istiod:15012', ALT_XDS_HOSTNAME: 'other', XDS_HEADER_HEADER_FOO: 'foo' }), {
      xds: { address: 'https://istiod:15012', alternativeHostname: 'other', headers: { header_foo: 'foo' } },
    });
    const kubeconfig = { kind: 'kubernetes', access: { kind: 'kubeconfig', path: 'kc' } };
    t.same(sourceOf({ KUBECONFIG: 'kc' }), kubeconfig);
    t.same(sourceOf({ KUBECONFIG: 'kc', AMBIENTD_SOURCE: 'kubernetes', XDS_ADDRESS: '' }), kubeconfig);
    t.same(sourceOf({ AMBIENTD_SOURCE: 'kubernetes', KUBERNETES_SERVICE_HOST: '10.96.0.1' }), {
      kind: 'kubernetes',
      access: { kind: 'in-cluster' },
    });
    t.match(sourceOf({ KUBECONFIG: 'kc', XDS_ADDRESS: 'istiod:15012' }), { kind: 'xds' });
    t.same(sourceOf({ KUBECONFIG: 'kc', XDS_ADDRESS: '', LOCAL_XDS: '{}' }), { kind: 'none' });
    t.same(sourceOf({ XDS_ADDRESS: '', LOCAL_XDS_PATH: 'mesh.yaml' }), { kind: 'none' });
    const refused: readonly (readonly [Record<string, string>, RegExp])[] = [
      [
        { AMBIENTD_MANIFESTS: 'objects.json', XDS_ADDRESS: 'istiod:15012' },
        /both XDS_ADDRESS=istiod:15012 and AMBIENTD_/,
      ],
      [{ AMBIENTD_SOURCE: 'kubernetes', KUBECONFIG: 'kc', XDS_ADDRESS: 'istiod:15012' }, /and XDS_ADDRESS are set/],
      [{ AMBIENTD_SOURCE: 'kubernetes' }, /in KUBECONFIG/],
      [{ XDS_ADDRESS: '' }, /nothing tells of the mesh/],
      [{ LOCAL_XDS_PATH: 'mesh.yaml', LOCAL_XDS: '{}' }, /both LOCAL_XDS_PATH and LOCAL_XDS/],
      [{ LOCAL_XDS: '{}', AMBIENTD_MANIFESTS: 'objects.json' }, /not with AMBIENTD_MANIFESTS/],
    ];
    for (const [env, problem] of refused) t.match(parse(env), { kind: 'problems', problems: [problem] });
  },
);

t.test('the node introduces itself with the metadata of mesh config, PROXY_CONFIG and environment', async (t) => {
  const meshConfig = `defaultConfig:
  discoveryAddress: istiod-canary.istio-system.svc:15012
  statsPort: 15090
  drainDuration: 45s
  proxyMetadata: {ISTIO_META_DNS_CAPTURE: "true", FOO: mesh}`;
  const env = {
    PROXY_CONFIG: '{proxyAdminPort: 15555, proxyMetadata: {FOO: own}}',
    ISTIO_META_ENABLE_HBONE: 'true',
    ISTIO_METAJSON_LABELS: '{"app":"ztunnel"}',
    POD_NAME: 'ztunnel-1',
    POD_NAMESPACE: 'istio-system',
    NODE_NAME: 'node-a',
  };
  const result = parseZtunnelConfig(env, files, { meshConfig });
  if (result.kind === 'problems') throw new Error(result.problems.join('; '));
  const { source, ports } = result.config;
  t.match(source, { xds: { address: 'https://istiod-canary.istio-system.svc:15012' } });
  t.same(source.kind === 'xds' && source.xds.node, {
    proxyType: 'ztunnel',
    instanceIp: '1.1.1.1',
    podName: 'ztunnel-1',
    podNamespace: 'istio-system',
    nodeName: 'node-a',
    metadata: {
      CLUSTER_ID: 'Kubernetes',
      DNS_CAPTURE: 'true',
      FOO: 'own',
      ENABLE_HBONE: 'true',
      LABELS: { app: 'ztunnel' },
    },
  });
  t.match(ports, { admin: 15_555, metrics: 15_090 });
  const broken = { PROXY_CONFIG: '{statsPort: high, proxyMetadata: [1]}', ISTIO_METAJSON_X: '{' };
  t.match(parseZtunnelConfig(broken, files, { meshConfig: '- 1' }), {
    problems: [/mesh config file is no YAML mapping/, /proxyMetadata/, /statsPort.*"high"/, /ISTIO_METAJSON_X/],
  });
});

t.test('every bad variable is reported at once', async (t) => {
  const result = parseZtunnelConfig(
    {
      PROXY_MODE: 'dedicated',
      PROXY_WORKLOAD_INFO: 'shop/cart',
      CA_ADDRESS: 'https://',
      AMBIENTD_STATS_PORT: '65536',
      ENABLE_ORIG_SRC: 'maybe',
      TCP_REPORTING_INTERVAL: 'often',
      LOG_FORMAT: 'xml',
      RUST_LOG: 'loud',
    },
    files,
  );
  if (result.kind === 'config') throw new Error('was accepted');
  const named = [
    'PROXY_WORKLOAD_INFO=shop/cart',
    'CA_ADDRESS=https://',
    'AMBIENTD_STATS_PORT=65536',
    'ENABLE_ORIG_SRC=maybe',
    'TCP_REPORTING_INTERVAL=often',
    'LOG_FORMAT=xml',
    'RUST_LOG=loud',
  ];
  t.equal(result.problems.length, named.length);
  for (const [index, name] of named.entries()) t.match(result.problems[index], name);
});
