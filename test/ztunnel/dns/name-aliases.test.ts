import t from 'tap';
import { nameAliases, wildcardsOf } from '../../../ztunnel/dns/name-aliases.ts';

const scope = { clusterDomain: 'cluster.local', searchDomains: undefined };
const aliases = (name: string, own: Partial<typeof scope> | { searchDomains: string[] } = {}): string[] =>
  nameAliases(name, 'ns', { ...scope, ...own }).map((alias) =>
    alias.stripped === undefined ? alias.name : `${alias.name} < ${alias.stripped}`,
  );

t.test('a short name is completed according to its labels', async (t) => {
  t.same(aliases('a'), ['a', 'a.ns.svc.cluster.local']);
  t.same(aliases('a.b'), ['a.b', 'a.b.svc.cluster.local', 'a.b.ns.svc.cluster.local']);
  t.same(aliases('a.b.c'), ['a.b.c', 'a.b.c.svc.cluster.local']);
  t.same(aliases('a.b.svc'), ['a.b.svc', 'a.b.svc.cluster.local', 'a.b.svc.svc.cluster.local']);
  t.same(aliases('a.b.c.d'), ['a.b.c.d']);
  t.same(aliases('a.b.c.svc'), ['a.b.c.svc', 'a.b.c.svc.cluster.local']);
  t.same(aliases('a.b.c.d.svc'), ['a.b.c.d.svc']);
});

t.test('search domains are taken away from the end, the longest first as Kubernetes writes them', async (t) => {
  t.same(aliases('x.y.z.ns.svc.cluster.local'), [
    'x.y.z.ns.svc.cluster.local',
    'x.y.z < x.y.z',
    'x.y.z.svc.cluster.local < x.y.z',
    'x.y.z.ns < x.y.z.ns',
    'x.y.z.ns.svc < x.y.z.ns.svc',
  ]);
  t.same(aliases('x.y.z.v.other.test', { searchDomains: ['test', 'other.test'] }), [
    'x.y.z.v.other.test',
    'x.y.z.v.other < x.y.z.v.other',
    'x.y.z.v < x.y.z.v',
  ]);
});

t.test('a domain alone, and one that only ends alike, is no search domain', async (t) => {
  t.same(aliases('svc.cluster.local', { searchDomains: ['svc.cluster.local'] }), [
    'svc.cluster.local',
    'svc.cluster.local.svc.cluster.local',
  ]);
  t.same(aliases('a.b.c.d.mycluster.local', { searchDomains: ['cluster.local'] }), ['a.b.c.d.mycluster.local']);
});

t.test('wildcards replace the first labels, never the last', async (t) => {
  t.same(wildcardsOf('a.b.c'), ['a.b.c', '*.b.c', '*.c']);
  t.same(wildcardsOf('a'), ['a']);
});
