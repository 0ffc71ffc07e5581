import t from 'tap';
import { identityOf } from '../../../common/identity/identity.ts';
import { uriNames } from '../../../common/identity/subject-alt-names.ts';
import { spiffeIdentities, verifyClient, verifyServer } from '../../../common/tls/verify-peer.ts';

const sleep = identityOf({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'sleep' });
const web = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' });
const stranger = identityOf({ trustDomain: 'other.example', namespace: 'shop', serviceAccount: 'web' });

const texts: [title: string, text: string, uris: readonly string[]][] = [
  ['one name', `URI:${sleep.uri}`, [sleep.uri]],
  [
    'several names of several kinds',
    `DNS:a.b, URI:${sleep.uri}, IP Address:10.0.0.1, URI:${web.uri}`,
    [sleep.uri, web.uri],
  ],
  ['no text', '', []],
  ['no URI', 'DNS:a.b', []],
  ['a quoted name that holds a separator', `URI:"spiffe://a, URI:${web.uri}"`, [`spiffe://a, URI:${web.uri}`]],
  ['a quoted name of another kind that pretends to be a URI', `DNS:"x, URI:${web.uri}", URI:${sleep.uri}`, [sleep.uri]],
  ['a quoted name with an escaped quote', String.raw`DNS:"x\", URI:${web.uri}", URI:${sleep.uri}`, [sleep.uri]],
  ['a quote that never closes', `DNS:"x, URI:${web.uri}`, []],
  ['text after a quoted name', `DNS:"x"y, URI:${web.uri}`, []],
  ['a broken escape', String.raw`DNS:"\x", URI:${web.uri}`, []],
];
for (const [title, text, uris] of texts) {
  t.test(`the URIs of ${title} are read`, async (t) => t.same(uriNames(text), uris));
}

t.test('names that are no SPIFFE identities are skipped', async (t) => {
  const text = `URI:https://example.com/a, URI:spiffe://td/ns/a, URI:${web.uri}, URI:${sleep.uri}`;
  t.same(spiffeIdentities(text), [web, sleep]);
});

t.test('a server is verified when any of its identities is expected, and known by its first', async (t) => {
  t.same(verifyServer(`URI:${web.uri}, URI:${sleep.uri}`, [sleep]), { kind: 'verified', identity: web });
});

t.test('a server is refused with both sides named when none of its identities is expected', async (t) => {
  t.same(verifyServer(`URI:${web.uri}`, [sleep, stranger]), {
    kind: 'refused',
    detail: `peer did not present the expected SAN (${sleep.uri},${stranger.uri}), got ${web.uri}`,
  });
});

t.test('a server is always refused when nobody is expected', async (t) => {
  t.equal(verifyServer(`URI:${web.uri}`, []).kind, 'refused');
  t.equal(verifyServer(undefined, []).kind, 'refused');
});

t.test('a client is verified by its trust domain alone', async (t) => {
  t.same(verifyClient(`URI:${web.uri}`, sleep), { kind: 'verified', identity: web });
  t.same(verifyClient(`URI:${stranger.uri}`, sleep), {
    kind: 'refused',
    detail: `peer did not present the expected trustdomain (cluster.local), got ${stranger.uri}`,
  });
  t.equal(verifyClient('DNS:cluster.local', sleep).kind, 'refused');
  t.equal(verifyClient(undefined, sleep).kind, 'refused');
});
