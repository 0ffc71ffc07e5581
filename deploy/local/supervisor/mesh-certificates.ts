// The mesh's own CA at work: its server, the token of the node proxy and of each waypoint, each in a file that only we can
// read. Identities of the node's pods in; where daemons find CA, root and token out.
import { randomBytes } from 'node:crypto';
import { authorizeRequest, type TokenHolder } from '../../../common/ca/authorize-request.ts';
import { createCaServer } from '../../../common/ca/ca-server.ts';
import { createCertificateAuthority } from '../../../common/identity/certificate-authority.ts';
import { type Identity, identityOf } from '../../../common/identity/identity.ts';
import type { Logger } from '../../../common/log.ts';
import { formatSocketAddress, type IpAddress } from '../../../common/net/address.ts';
import type { PodSpec } from '../materialize/pod-spec.ts';
import { writeSecret } from './objects-file-process.ts';

export interface MeshCertificates {
  /** Fixed for the life of the mesh. */
  readonly trustDomain: string;
  /** `https://address:port` */
  readonly caAddress: string;
  readonly rootFile: string;
  readonly nodeTokenFile: string;
  /** The node proxy may ask for the identities of its enrolled pods, and for no others. */
  setPods(pods: readonly PodSpec[]): void;
  /** Same pod: same file. */
  tokenFileFor(pod: PodSpec): string;
  close(): Promise<void>;
}

export interface MeshCertificatesOptions {
  readonly trustDomain: string;
  readonly nodeName: string;
  readonly listen: { readonly ip: IpAddress; readonly port: number };
  /** Run folder. */
  readonly folder: string;
  readonly log: Logger;
}

export async function startMeshCertificates(options: MeshCertificatesOptions): Promise<MeshCertificates> {
  const { trustDomain, nodeName, listen, folder, log } = options;
  const authority = await createCertificateAuthority({ trustDomain });
  const identities = new Set<string>();
  const tokens = new Map<string, TokenHolder>();
  const files = new Map<string, string>();
  const giveToken = (holder: TokenHolder, file: string): string => {
    const token = randomBytes(32).toString('base64url');
    tokens.set(token, holder);
    return writeSecret(folder, file, token);
  };
  const server = createCaServer({
    authority,
    authorize: (ask) => authorizeRequest(tokens, ask),
    tls: await authority.issueServerCertificate([listen.ip, 'localhost']),
    listen,
    log,
  });
  await server.start();

  return {
    trustDomain,
    caAddress: `https://${formatSocketAddress(server.address)}`,
    rootFile: writeSecret(folder, 'root-cert.pem', authority.rootsPem),
    nodeTokenFile: giveToken({ kind: 'node', name: nodeName, identities }, 'node.token'),
    setPods(pods) {
      identities.clear();
      for (const pod of pods) if (pod.enrollment.kind === 'enrolled') identities.add(podIdentity(pod, trustDomain).uri);
    },
    tokenFileFor(pod) {
      const known = files.get(pod.uid);
      if (known !== undefined) return known;
      const file = giveToken({ kind: 'workload', identity: podIdentity(pod, trustDomain) }, `${pod.uid}.token`);
      files.set(pod.uid, file);
      return file;
    },
    close: () => server.close(),
  };
}

export function podIdentity(pod: PodSpec, trustDomain: string): Identity {
  return identityOf({ trustDomain, namespace: pod.namespace, serviceAccount: pod.serviceAccount });
}
