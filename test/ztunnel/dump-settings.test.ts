// The settings of /config_dump by value. That they equal those of Istio's ztunnel is shown in test/interop.
import t from 'tap';
import { writeSortedJson } from '../../common/admin/sorted-json.ts';
import { parseZtunnelConfig } from '../../ztunnel/config.ts';
import { dumpSettings } from '../../ztunnel/dump-settings.ts';

function dumpOf(env: Record<string, string>): string {
  const result = parseZtunnelConfig(env, (path) => path.startsWith('/there/'));
  if (result.kind === 'problems') throw new Error(result.problems.join('; '));
  return writeSortedJson(dumpSettings(result.config));
}

t.test('what Istio has too stands under its name and in its form', async (t) => {
  const env = { XDS_ADDRESS: 'istiod:15012', NODE_NAME: 'n1', ALT_XDS_HOSTNAME: 'other', ISTIO_META_A: 'b' };
  t.match(JSON.parse(dumpOf({ ...env, XDS_ROOT_CA: '/there/root.pem', CONNECTION_TERMINATION_DEADLINE: '1500ms' })), {
    proxyMode: 'Shared',
    proxyWorkloadInformation: null,
    localNode: 'n1',
    xdsAddress: 'https://istiod:15012',
    xdsRootCert: { File: '/there/root.pem' },
    altXdsHostname: 'other',
    altCaHostname: null,
    proxyMetadata: { A: 'b' },
    selfTerminationDeadline: { secs: 1, nanos: 500_000_000 },
    adminAddr: { Localhost: [true, 15_000] },
    requireOriginalSource: null,
    packetMark: 1337,
  });
});

t.test('windows, frame size, streams of a tunnel and tunnels of a peer are shown as they are set', async (t) => {
  const env = {
    HTTP2_STREAM_WINDOW_SIZE: '70000',
    HTTP2_CONNECTION_WINDOW_SIZE: '80000',
    HTTP2_FRAME_SIZE: '20000',
    POOL_MAX_STREAMS_PER_CONNECTION: '7',
    AMBIENTD_POOL_MAX_BUSY_TUNNELS: '3',
  };
  t.match(JSON.parse(dumpOf({ AMBIENTD_MANIFESTS: 'objects.yaml', ...env })), {
    windowSize: 70_000,
    connectionWindowSize: 80_000,
    frameSize: 20_000,
    poolMaxStreamsPerConn: 7,
    ambientd: { poolMaxBusyTunnels: 3 },
  });
});

t.test('where the revocation lists are is shown', async (t) => {
  const env = { AMBIENTD_MANIFESTS: 'objects.yaml' };
  t.equal(JSON.parse(dumpOf({ ...env, CRL_PATH: '/there/crl.pem' })).crlPath, '/there/crl.pem');
  t.equal(JSON.parse(dumpOf(env)).crlPath, null);
});

t.test('where servers listen is told as it is', async (t) => {
  const listening = (mode: string): unknown => {
    const { adminAddr, statsAddr, readinessAddr } = JSON.parse(
      dumpOf({ AMBIENTD_MANIFESTS: 'objects.yaml', PROXY_MODE: mode }),
    );
    return [adminAddr, statsAddr, readinessAddr];
  };
  const loopback = (port: number) => ({ Localhost: [true, port] });
  t.same(listening('shared'), [loopback(15_000), { SocketAddr: '[::]:15020' }, { SocketAddr: '[::]:15021' }]);
  t.same(listening('explicit'), [loopback(15_000), loopback(15_020), loopback(15_021)]);
});

t.test('the DNS of pods is told, or that there is none', async (t) => {
  const env = { AMBIENTD_MANIFESTS: 'objects.yaml', PREFERED_SERVICE_NAMESPACE: 'first', IPV6_ENABLED: 'false' };
  t.match(JSON.parse(dumpOf(env)), {
    dnsProxy: true,
    dnsProxyAddr: { Localhost: [true, 15_053] },
    preferedServiceNamespace: 'first',
    ipv6Enabled: false,
    ambientd: { nameServers: [], searchDomains: null },
  });
  const address = { ISTIO_META_DNS_PROXY_ADDR: '10.0.0.1:53' };
  t.match(JSON.parse(dumpOf({ ...env, ...address })), { dnsProxyAddr: { SocketAddr: '10.0.0.1:53' } });
  t.match(JSON.parse(dumpOf({ ...env, ISTIO_META_DNS_CAPTURE: 'false' })), { dnsProxy: false });
});

t.test('one workload, no mark and no capture are told', async (t) => {
  const workload = { PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'shop/cart-1/cart', ENABLE_ORIG_SRC: 'false' };
  t.match(JSON.parse(dumpOf({ AMBIENTD_MANIFESTS: 'objects.yaml', ...workload })), {
    proxyMode: 'Dedicated',
    proxyWorkloadInformation: { namespace: 'shop', name: 'cart-1', serviceAccount: 'cart' },
    packetMark: null,
    requireOriginalSource: false,
    ambientd: { source: { kind: 'manifests', path: 'objects.yaml' } },
  });
});

t.test('tokens, values of headers, certificates and a mesh given as text are left out', async (t) => {
  const root = '-----BEGIN CERTIFICATE-----secret';
  const secrets = { AUTH_TOKEN: 'secret', XDS_HEADER_KEY: 'secret', CA_HEADER_KEY: 'secret', XDS_ROOT_CA: root };
  const text = dumpOf({ XDS_ADDRESS: 'istiod', LOCAL_XDS: 'workloads: [] # secret', ...secrets });
  t.notMatch(text, /secret\b/);
  t.match(JSON.parse(text), { xdsHeaders: ['key'], caHeaders: ['key'], xdsRootCert: 'Static' });
});

t.test('what only ours has stands apart', async (t) => {
  const own = JSON.parse(dumpOf({ AMBIENTD_MANIFESTS: 'objects.yaml' })).ambientd;
  for (const name of ['logDirectives', 'logFormat', 'tcpReportingIntervalMs', 'trustDomain', 'istioVersion', 'token']) {
    t.ok(name in own, name);
  }
});
