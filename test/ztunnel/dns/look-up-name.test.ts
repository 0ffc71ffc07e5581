// What the mesh answers to a name. The same questions are put to Istio's ztunnel in test/interop/istio-dns.test.ts.
import t from 'tap';
import { type AddressType, type LookUpScope, lookUpName } from '../../../ztunnel/dns/look-up-name.ts';
import { aService, aWorkload, meshOf, ports, vip } from '../../support/mesh-objects.ts';

const headlessPorts = { 'ns1/headless.ns1.svc.cluster.local': ports(80, 80) };
const outside = { 'ns1/headless.example.com': ports(80, 80) };
const named = (hostname: string, address: string, more = {}) =>
  aService({ name: hostname, namespace: 'ns1', hostname, addresses: [address], ...more });

const mesh = meshOf({
  workloads: [
    aWorkload({ name: 'h1', addresses: ['10.1.0.1', 'fd00::1'], services: { ...headlessPorts, ...outside } }),
    aWorkload({ name: 'h2', addresses: ['10.1.0.2'], services: headlessPorts }),
    aWorkload({ name: 'h3', addresses: ['10.2.0.3'], network: 'remote', services: headlessPorts }),
    aWorkload({ name: 'sick', addresses: ['10.1.0.9'], status: 'unhealthy', services: headlessPorts }),
  ],
  services: [
    aService({ name: 'productpage', namespace: 'ns1', addresses: ['10.9.0.1', 'fd09::1', vip('10.9.9.9', 'remote')] }),
    aService({ name: 'productpage', namespace: 'ns2', addresses: ['10.9.0.2'] }),
    aService({ name: 'reviews', namespace: 'ns2', addresses: ['10.9.0.3'] }),
    aService({ name: 'headless', namespace: 'ns1' }),
    aService({ name: 'lonely', namespace: 'ns1' }),
    aService({ name: 'headless', namespace: 'ns1', hostname: 'headless.example.com' }),
    named('details.ns2.svc.cluster.remote', '10.9.0.5'),
    named('www.google.com', '10.9.0.6'),
    named('*.example.org', '10.9.0.7'),
    named('*.net', '10.9.0.8'),
    named('*.wild.svc.cluster.local', '10.9.0.88'),
    named('both.example.com', '10.9.1.2', { namespace: 'ns2' }),
    named('both.example.com', '10.9.1.1'),
    named('canon.example.com', '10.9.1.3', { namespace: 'ns3' }),
    named('canon.example.com', '10.9.1.4', { namespace: 'ns2', canonical: true }),
    named('pref.example.com', '10.9.1.5', { namespace: 'ns3' }),
    named('pref.example.com', '10.9.1.6', { namespace: 'preferred' }),
    named('both-ranks.example.com', '10.9.1.7', { namespace: 'preferred' }),
    named('both-ranks.example.com', '10.9.1.8', { namespace: 'ns3', canonical: true }),
    named('hidden.example.com', '10.9.2.1', { namespace: 'ns2', visibility: 'namespace' }),
    named('seen.example.com', '10.9.2.2', { visibility: 'namespace' }),
    aService({ name: 'v4', hostname: 'v4.example.com', addresses: ['10.9.3.1', 'fd09:3::1'], ipFamilies: 'ipv4' }),
    aService({ name: 'v6', hostname: 'v6.example.com', addresses: ['10.9.3.2', 'fd09:3::2'], ipFamilies: 'ipv6' }),
    aService({ name: 'dual', hostname: 'dual.example.com', addresses: ['10.9.3.3', 'fd09:3::3'], ipFamilies: 'dual' }),
    aService({ name: 'away', hostname: 'away.example.com', addresses: [vip('10.9.4.1', 'remote')] }),
    aService({ name: 'range', hostname: 'range.example.com', addresses: ['10.0.0.0/8'] }),
    aService({ name: 'host', hostname: 'host.example.com', addresses: ['10.9.4.2/32'] }),
    named('single', '10.9.5.1'),
    named('Upper.example.com', '10.9.5.2'),
  ],
});

const scope: LookUpScope = {
  clusterDomain: 'cluster.local',
  searchDomains: undefined,
  preferredNamespace: 'preferred',
  ipv6: 'on',
};

/** Addresses after the name they belong to, where that is another one. */
function ask(question: string, differences: Partial<LookUpScope> & { readonly network?: string } = {}): string {
  const [name = '', type = 'A'] = question.split(' ');
  const { network = '', ...own } = differences;
  const client = { namespace: 'ns1', network };
  const found = lookUpName({ mesh, client, name, type: type as AddressType, scope: { ...scope, ...own } });
  if (found.kind === 'unknown') return 'elsewhere';
  if (found.kind === 'no-address') return found.reason === 'none' ? 'nothing' : 'not this family';
  const owner = found.canonicalName === undefined ? [] : [`${found.canonicalName}:`];
  return [...owner, ...[...found.addresses].sort()].join(' ');
}

const cases: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'a whole name': {
    'productpage.ns1.svc.cluster.local': '10.9.0.1',
    'productpage.ns1.svc.cluster.local AAAA': 'fd09::1',
    'productpage.ns2.svc.cluster.local AAAA': 'nothing',
    'details.ns2.svc.cluster.remote': '10.9.0.5',
    'www.google.com': '10.9.0.6',
    single: '10.9.5.1',
  },
  'a name of Kubernetes, shortened': {
    productpage: '10.9.0.1',
    'productpage.ns1': '10.9.0.1',
    'productpage.ns1.svc': '10.9.0.1',
    'productpage.ns2': '10.9.0.2',
    'reviews.ns2': '10.9.0.3',
    headless: '10.1.0.1 10.1.0.2 10.2.0.3',
    reviews: 'elsewhere',
    'details.ns2': 'elsewhere',
  },
  'a name with a search domain behind it is an alias of what it was made of': {
    'reviews.ns2.ns1.svc.cluster.local': 'reviews.ns2: 10.9.0.3',
    'productpage.ns1.ns1.svc.cluster.local': 'productpage.ns1: 10.9.0.1',
    'reviews.ns2.svc.cluster.local.ns1.svc.cluster.local': 'reviews.ns2.svc.cluster.local: 10.9.0.3',
    'reviews.ns2.svc.svc.cluster.local': 'reviews.ns2.svc: 10.9.0.3',
    'reviews.ns2.svc.svc.cluster.local AAAA': 'nothing',
    'reviews.ns2.cluster.local': 'reviews.ns2: 10.9.0.3',
    'www.google.com.ns1.svc.cluster.local': 'www.google.com: 10.9.0.6',
    'www.google.com.svc.cluster.local': 'www.google.com: 10.9.0.6',
    'www.google.com.cluster.local': 'www.google.com: 10.9.0.6',
    'single.cluster.local': 'single: 10.9.5.1',
    'www.google.com.ns2.svc.cluster.local': 'elsewhere',
    'www.google.com.extra.test': 'elsewhere',
  },
  'a wildcard stands for one label or more, and has no name of its own': {
    'foo.example.org': '10.9.0.7',
    'a.b.example.org': '10.9.0.7',
    'foo.example.org.ns1.svc.cluster.local': '10.9.0.7',
    'foo.net': '10.9.0.8',
    'foo.bar.net': '10.9.0.8',
    '*.example.org': '10.9.0.7',
    'a.wild': '10.9.0.88',
    'a.b.wild': '10.9.0.88',
    'a.wild.svc.cluster.local': '10.9.0.88',
    'example.org': 'elsewhere',
    net: 'elsewhere',
    wild: 'elsewhere',
  },
  'a headless service is its healthy endpoints, of any network; what is not of Kubernetes has an address elsewhere': {
    'headless.ns1.svc.cluster.local': '10.1.0.1 10.1.0.2 10.2.0.3',
    'headless.ns1.svc.cluster.local AAAA': 'fd00::1',
    'lonely.ns1.svc.cluster.local': 'nothing',
    'headless.example.com': 'elsewhere',
    'h1.headless.ns1.svc.cluster.local': 'elsewhere',
  },
  'of several services the own namespace wins, then the canonical one, then the preferred namespace': {
    'both.example.com': '10.9.1.1',
    'canon.example.com': '10.9.1.4',
    'pref.example.com': '10.9.1.6',
    'both-ranks.example.com': '10.9.1.8',
  },
  'what another namespace keeps to itself is not of the mesh': {
    'hidden.example.com': 'elsewhere',
    'seen.example.com': '10.9.2.2',
  },
  'families of a service': {
    'v4.example.com': '10.9.3.1',
    'v4.example.com AAAA': 'not this family',
    'v6.example.com': 'not this family',
    'v6.example.com AAAA': 'fd09:3::2',
    'dual.example.com': '10.9.3.3',
    'dual.example.com AAAA': 'fd09:3::3',
  },
  'addresses of another network and ranges are no answer': {
    'away.example.com': 'nothing',
    'range.example.com': 'elsewhere',
    'host.example.com': '10.9.4.2',
  },
  'anything else': {
    'unknown.ns1.svc.cluster.local': 'elsewhere',
    'x.productpage.ns1.svc': 'elsewhere',
    // Hosts of the mesh are lower case.
    'upper.example.com': 'elsewhere',
    '': 'elsewhere',
  },
};

for (const [about, questions] of Object.entries(cases)) {
  t.test(about, async (t) => {
    for (const [question, answer] of Object.entries(questions)) t.equal(ask(question), answer, question);
  });
}

t.test('a client of another network gets the addresses there', async (t) => {
  t.equal(ask('productpage.ns1.svc.cluster.local', { network: 'remote' }), '10.9.9.9');
});

t.test('without a preferred namespace it is the first service', async (t) => {
  t.equal(ask('pref.example.com', { preferredNamespace: undefined }), '10.9.1.5');
});

t.test('without IPv6 there are no such addresses', async (t) => {
  t.equal(ask('productpage.ns1.svc.cluster.local AAAA', { ipv6: 'off' }), 'not this family');
  t.equal(ask('productpage.ns1.svc.cluster.local', { ipv6: 'off' }), '10.9.0.1');
});

t.test('the search domains of resolv.conf take the place of those of Kubernetes', async (t) => {
  const searchDomains = ['extra.test'];
  t.equal(ask('www.google.com.extra.test', { searchDomains }), 'www.google.com: 10.9.0.6');
  t.equal(ask('www.google.com.ns1.svc.cluster.local', { searchDomains }), 'elsewhere');
});

t.test('another domain of the cluster', async (t) => {
  const elsewhere = { clusterDomain: 'corp.example' };
  t.equal(ask('reviews.ns2', elsewhere), 'elsewhere');
  t.equal(ask('headless.ns1.svc.cluster.local', elsewhere), 'elsewhere');
});
