// The mesh whose names are asked of both proxies, as LOCAL_XDS_PATH takes it (ztunnel.md §13), and the questions. What they mean is
// told in test/ztunnel/dns/look-up-name.test.ts.

export const largeService = 'large.ns1.svc.cluster.local';

const networks = (addresses: readonly string[]): string =>
  addresses.map((address) => (/^(remote)?\//.test(address) ? address : `/${address}`)).join('", "');

function service(hostname: string, addresses: readonly string[], { namespace = 'ns1', more = '' } = {}): string {
  const vips = addresses.length === 0 ? '[]' : `["${networks(addresses)}"]`;
  const name = hostname.split('.')[0]?.replace('*', 'any');
  return `- {name: ${name}, namespace: ${namespace}, hostname: "${hostname}", vips: ${vips}, ports: {80: 80}${more}}`;
}

function endpoint(uid: string, addresses: string, services: readonly string[], network = ''): string {
  const memberships = services.map((name) => `"${name}": {80: 80}`).join(', ');
  const place = `namespace: ns1, serviceAccount: default, network: "${network}", node: n, protocol: TCP`;
  return `- {uid: ${uid}, name: ${uid}, ${place}, workloadIps: [${addresses}], services: {${memberships}}}`;
}

const headless = 'ns1/headless.ns1.svc.cluster.local';
const inPreferred = { namespace: 'preferred' };
const canonical = ', canonical: true';

/** For the pod `ns1/client/default`. */
export const dnsMesh = `
workloads:
- {uid: c1, name: client, namespace: ns1, serviceAccount: default, workloadIps: [127.0.0.1], protocol: TCP, node: n, canonicalName: client, canonicalRevision: v1, services: {}}
${endpoint('h1', '10.1.0.1, "fd00::1"', [headless, 'ns1/headless.example.com'])}
${endpoint('h2', '10.1.0.2', [headless])}
${endpoint('h3', '10.2.0.3', [headless], 'remote')}
services:
${[
  service('productpage.ns1.svc.cluster.local', ['10.9.0.1', 'fd09::1', 'remote/10.9.9.9']),
  service('productpage.ns2.svc.cluster.local', ['10.9.0.2'], { namespace: 'ns2' }),
  service('reviews.ns2.svc.cluster.local', ['10.9.0.3'], { namespace: 'ns2' }),
  service('headless.ns1.svc.cluster.local', []),
  service('lonely.ns1.svc.cluster.local', []),
  service('headless.example.com', []),
  service('details.ns2.svc.cluster.remote', ['10.9.0.5']),
  service('www.google.com', ['10.9.0.6']),
  service('*.example.org', ['10.9.0.7']),
  service('*.net', ['10.9.0.8']),
  service('*.wild.svc.cluster.local', ['10.9.0.88']),
  service('both.example.com', ['10.9.1.2'], { namespace: 'ns2' }),
  service('both.example.com', ['10.9.1.1']),
  service('canon.example.com', ['10.9.1.3'], { namespace: 'ns3' }),
  service('canon.example.com', ['10.9.1.4'], { namespace: 'ns2', more: canonical }),
  service('pref.example.com', ['10.9.1.5'], { namespace: 'ns3' }),
  service('pref.example.com', ['10.9.1.6'], inPreferred),
  service('ranks.example.com', ['10.9.1.7'], inPreferred),
  service('ranks.example.com', ['10.9.1.8'], { namespace: 'ns3', more: canonical }),
  service('hidden.example.com', ['10.9.2.1'], { namespace: 'ns2', more: ', visibility: Namespace' }),
  service('seen.example.com', ['10.9.2.2'], { more: ', visibility: Namespace' }),
  service('v4.example.com', ['10.9.3.1', 'fd09:3::1'], { more: ', ipFamilies: IPv4' }),
  service('v6.example.com', ['10.9.3.2', 'fd09:3::2'], { more: ', ipFamilies: IPv6' }),
  service('dual.example.com', ['10.9.3.3', 'fd09:3::3'], { more: ', ipFamilies: Dual' }),
  service('away.example.com', ['remote/10.9.4.1']),
  service('single', ['10.9.5.1']),
  service('Upper.example.com', ['10.9.5.2']),
  service(
    largeService,
    Array.from({ length: 256 }, (_, index) => `10.20.1.${index}`),
  ),
].join('\n')}
`;

const kubernetes = 'ns1.svc.cluster.local';

/** Each is asked for both kinds of address, once. */
export const askedNames: readonly string[] = [
  ...[
    'productpage',
    'productpage.ns1',
    'productpage.ns1.svc',
    `productpage.${kubernetes}`,
    `PRODUCTPAGE.${kubernetes}`,
  ],
  ...['productpage.ns2', 'productpage.ns2.svc.cluster.local', 'reviews', 'reviews.ns2', 'reviews.ns2.svc'],
  ...[`reviews.ns2.${kubernetes}`, `productpage.ns1.${kubernetes}`, `reviews.ns2.svc.cluster.local.${kubernetes}`],
  ...['reviews.ns2.svc.svc.cluster.local', 'reviews.ns2.cluster.local', `www.google.com.${kubernetes}`],
  ...[
    'www.google.com',
    'www.google.com.svc.cluster.local',
    'www.google.com.cluster.local',
    'www.google.com.extra.test',
  ],
  ...['www.google.com.ns2.svc.cluster.local', 'headless', `headless.${kubernetes}`, 'headless.example.com', 'lonely'],
  ...['details.ns2.svc.cluster.remote', 'details.ns2', 'foo.example.org', 'a.b.example.org', 'example.org'],
  ...[`foo.example.org.${kubernetes}`, 'foo.net', 'foo.bar.net', 'net', '*.example.org', 'a.wild', 'a.b.wild', 'wild'],
  ...['a.wild.svc', 'a.wild.svc.cluster.local', `unknown.${kubernetes}`, `x.y.unknown.${kubernetes}`],
  ...['both.example.com', 'canon.example.com', 'pref.example.com', 'ranks.example.com', 'hidden.example.com'],
  ...['seen.example.com', 'v4.example.com', 'v6.example.com', 'dual.example.com', 'away.example.com'],
  ...['single', 'single.cluster.local', 'upper.example.com', `h1.headless.${kubernetes}`, 'x.productpage.ns1.svc'],
];
