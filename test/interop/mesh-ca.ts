// The embedded CA as both proxies reach it: one server outside the pods, and in each pod an address on loopback, which no
// rule redirects. Out: the environment that a proxy needs to ask for its certificate.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Test } from 'tap';
import { authorizeRequest, type TokenHolder } from '../../common/ca/authorize-request.ts';
import { createCaServer } from '../../common/ca/ca-server.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../../common/identity/certificate-authority.ts';
import { createPlainSocketFactory } from '../../common/net/plain-socket-factory-socket.ts';
import { type CollectedLog, collectLog } from '../support/collected-log.ts';
import { ip } from '../support/pod-network.ts';
import type { PodSide } from './pod-side.ts';
import { disguisedMesh, type MeshPod, mesh, trustDomain } from './two-pod-mesh.ts';

export interface MeshCa {
  readonly authority: CertificateAuthority;
  readonly lines: CollectedLog['lines'];
  environmentFor(pod: MeshPod): Readonly<Record<string, string>>;
}

/** @param folder where the root certificate is written; @param port of the pods' loopback address */
export async function startMeshCa(t: Test, sides: readonly PodSide[], folder: string, port: number): Promise<MeshCa> {
  const authority = await createCertificateAuthority({ trustDomain });
  const { log, lines } = collectLog();
  const tokenOf = ({ identity }: MeshPod): string => `token-of-${identity.serviceAccount}`;
  const holders = [mesh.theirs, mesh.ours, disguisedMesh.theirs];
  const tokens = new Map<string, TokenHolder>(
    holders.map((pod) => [tokenOf(pod), { kind: 'workload', identity: pod.identity }]),
  );
  const server = createCaServer({
    authority,
    authorize: (ask) => authorizeRequest(tokens, ask),
    tls: await authority.issueServerCertificate(['127.0.0.1']),
    listen: { ip: ip('127.0.0.1'), port: 0 },
    log,
  });
  await server.start();
  t.teardown(() => server.close());
  const home = createPlainSocketFactory();
  for (const side of sides) {
    const listener = await side.asProxy.listenSockets({ port, host: 'loopback' }, ({ socket }) => {
      home.connectSocket({ to: server.address }).then(
        (inner) => Promise.allSettled([pipeline(socket, inner), pipeline(inner, socket)]),
        () => socket.destroy(),
      );
    });
    t.teardown(() => listener.close());
  }
  const rootFile = join(folder, `root-of-${port}.pem`);
  writeFileSync(rootFile, authority.rootsPem);
  return {
    authority,
    lines,
    environmentFor: (pod) => ({
      CA_ADDRESS: `https://127.0.0.1:${port}`,
      CA_ROOT_CA: rootFile,
      AUTH_TOKEN: tokenOf(pod),
    }),
  };
}
