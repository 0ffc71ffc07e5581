import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { dumpConfig, type ProxyState } from '../../../common/admin/config-dump.ts';
import { type Json, writeSortedJson } from '../../../common/admin/sorted-json.ts';
import { MeshError } from '../../../common/errors.ts';
import { readCertificate } from '../../../common/identity/certificate-facts.ts';
import type { CertificateEntry } from '../../../common/identity/certificate-store.ts';
import { identityOf, parseIdentity } from '../../../common/identity/identity.ts';
import { createMeshIndex } from '../../../common/mesh/mesh-index.ts';
import { type DumpedMesh, readDumpedMesh } from '../../support/dumped-mesh.ts';

const sampleFile = join(process.env['AMBIENTD_SHARED'] ?? '../shared', 'lab/samples/config_dump.json');
const skip = existsSync(sampleFile) ? false : `no sample of the real program at ${sampleFile}`;
const client = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'client' });
const version = { version: '0.1.0', gitRevision: 'abc' };

t.test('the real program and ours show the same mesh alike', { skip }, async (t) => {
  const sample: Sample = JSON.parse(readFileSync(sampleFile, 'utf8'));
  const mesh = createMeshIndex();
  mesh.replace(readDumpedMesh(sample));
  const proxies: ProxyState[] = [
    {
      uid: 'uid-0',
      workload: { name: 'client', namespace: 'sample', serviceAccount: 'client' },
      state: 'Up',
      inbound: [],
      outbound: [],
    },
  ];
  const certificates = sample.certificates.map(readEntry);
  const text = writeSortedJson(dumpConfig({ mesh, certificates, config: sample.config, version, proxies }));
  const ours: Sample = JSON.parse(text);
  t.same(Object.keys(ours), Object.keys(sample), 'top level');
  t.same(ours.workloads, sample.workloads, 'workloads');
  t.same(ours.services, sample.services, 'services');
  t.same(ours.policies, sample.policies, 'policies');
  t.same(ours.certificates, sample.certificates, 'certificates');
  t.same(ours.workloadState, sample.workloadState, 'workloadState');
  t.same(Object.keys(ours.version), Object.keys(sample.version), 'version');
  const theirs = readFileSync(sampleFile, 'utf8');
  t.equal(cut(text, 'workloads'), cut(theirs, 'workloads'), 'to the byte');
  t.equal(cut(text, 'services'), cut(theirs, 'services'));
});

t.test('a certificate that is not there says why', async (t) => {
  const error = new MeshError('IDENTITY_UNAVAILABLE', 'the CA is away');
  const certificates: CertificateEntry[] = [
    { identity: client, state: { kind: 'initializing' } },
    { identity: client, state: { kind: 'unavailable', error } },
  ];
  const dump = dumpConfig({ mesh: createMeshIndex(), certificates, config: {}, version });
  t.match(dump, {
    certificates: [
      { certChain: [], identity: client.uri, rootCerts: [], state: 'Initializing' },
      { state: 'Unavailable: the CA is away' },
    ],
  });
});

t.test('connections are shown with what was asked for', async (t) => {
  const connection = { src: '10.0.0.1:5', actualDst: '10.0.0.2:15008', protocol: 'HBONE' } as const;
  const proxy = { uid: 'a', workload: { name: 'n', namespace: 'ns', serviceAccount: 'sa' }, inbound: [] };
  const proxies: ProxyState[] = [
    {
      ...proxy,
      state: 'Up',
      outbound: [
        { ...connection, originalDst: '10.96.0.1:80' },
        { ...connection, originalDst: undefined },
      ],
    },
    { ...proxy, uid: 'b', state: 'Pending', outbound: [] },
  ];
  const text = writeSortedJson(dumpConfig({ mesh: createMeshIndex(), certificates: [], config: {}, version, proxies }));
  const info = { name: 'n', namespace: 'ns', serviceAccount: 'sa' };
  t.same(JSON.parse(text).workloadState, {
    a: {
      connections: {
        inbound: [],
        outbound: [
          { ...connection, originalDst: '10.96.0.1:80' },
          { ...connection, originalDst: null },
        ],
      },
      info,
      state: 'Up',
    },
    b: { info, state: 'Pending' },
  });
});

interface Sample extends DumpedMesh {
  readonly config: Json;
  readonly version: Record<string, string>;
  readonly workloadState: unknown;
  readonly certificates: readonly {
    readonly identity: string;
    readonly certChain: readonly { readonly pem: string }[];
    readonly rootCerts: readonly { readonly pem: string }[];
  }[];
}

function readEntry(dumped: Sample['certificates'][number]): CertificateEntry {
  const identity = parseIdentity(dumped.identity);
  if (identity === undefined) throw new Error(`${dumped.identity} is no identity`);
  const [chainPem = '', rootsPem = ''] = [dumped.certChain, dumped.rootCerts].map((list) =>
    list.map(({ pem }) => Buffer.from(pem, 'base64').toString()).join(''),
  );
  const { notAfterMs, notBeforeMs } = readCertificate(chainPem);
  const certificate = { identity, chainPem, rootsPem, privateKeyPem: '', notBeforeMs, notAfterMs };
  return { identity, state: { kind: 'available', certificate } };
}

/** The text of one member of the top level. */
function cut(text: string, member: string): string {
  const start = text.indexOf(`\n  "${member}": [`);
  return text.slice(start, text.indexOf('\n  ]', start));
}
