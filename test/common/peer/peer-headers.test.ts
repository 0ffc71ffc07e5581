import t from 'tap';
import { decodePeerMetadata, encodePeerMetadata, readPeerHeaders } from '../../../common/peer/peer-headers.ts';
import { noMetadata } from '../../../common/peer/peer-metadata.ts';
import { ratingsPeer } from '../../support/peer-frames.ts';
import { randomFrom } from '../../support/random-from.ts';

const small = 'CgwKBkxBQkVMUxICKgAKEQoJTkFNRVNQQUNFEgQaAm5z';
const web =
  'ChIKCkNMVVNURVJfSUQSBBoCYzEKGgoGTEFCRUxTEhAqDgoMCgNhcHASBRoDd2ViChMKCU5BTUVTUEFDRRIGGgRzaG9wCkQKBU9XTkVSEjsaOWt1YmVybmV0ZXM6Ly9hcGlzL2FwcHMvdjEvbmFtZXNwYWNlcy9zaG9wL2RlcGxveW1lbnRzL3dlYgoWCg1XT1JLTE9BRF9OQU1FEgUaA3dlYg==';
const webMetadata = {
  ...noMetadata,
  clusterId: 'c1',
  namespace: 'shop',
  workloadName: 'web',
  workloadType: 'deployment',
  app: 'web',
} as const;

t.test('the golden values are written byte for byte, and read', async (t) => {
  t.equal(encodePeerMetadata({ ...noMetadata, namespace: 'ns' }), small);
  t.equal(encodePeerMetadata(webMetadata), web);
  t.same(decodePeerMetadata(small), { ...noMetadata, namespace: 'ns' });
  t.same(decodePeerMetadata(web), webMetadata);
});

t.test('missing padding is tolerated', async (t) => {
  t.same(decodePeerMetadata(web.replaceAll('=', '')), webMetadata);
});

t.test('what is no metadata is no peer', async (t) => {
  for (const header of ['%%%', 'a b', '=', 'AAAA', `${web}!`, 'A'.repeat(100_000)]) {
    t.equal(decodePeerMetadata(header), undefined, header.slice(0, 20));
  }
});

t.test('garbage never ends the process', async (t) => {
  const random = randomFrom(6);
  for (let round = 0; round < 2_000; round += 1) {
    const bytes = Buffer.from(web, 'base64');
    for (let change = 0; change < 5; change += 1) bytes[Math.floor(random() * bytes.length)] = random() * 256;
    const read = decodePeerMetadata(bytes.subarray(0, 1 + Math.floor(random() * bytes.length)).toString('base64'));
    t.ok(read === undefined || typeof read.workloadName === 'string');
  }
});

t.test('either header alone tells of a peer, none of nobody', async (t) => {
  const read = (headers: Record<string, string>) => readPeerHeaders((name) => headers[name]);
  const metadata = encodePeerMetadata(ratingsPeer.metadata);
  t.same(read({ 'x-envoy-peer-metadata': metadata, 'x-envoy-peer-metadata-id': ratingsPeer.nodeId }), ratingsPeer);
  t.same(read({ 'x-envoy-peer-metadata-id': 'a' }), { metadata: noMetadata, nodeId: 'a' });
  t.same(read({ 'x-envoy-peer-metadata': small })?.metadata.namespace, 'ns');
  t.equal(read({ 'x-envoy-peer-metadata': '%' }), undefined);
  t.equal(read({}), undefined);
});
