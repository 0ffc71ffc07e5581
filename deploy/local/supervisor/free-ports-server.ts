// Free ports and loopback addresses of this machine for daemons that share its network: asked of the kernel, given back
// at once.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { MeshError } from '../../../common/errors.ts';
import type { ClusterSettings } from '../materialize/materialize.ts';
import { caPort, loopbackSettings, loopbackSlots } from './cluster-settings.ts';

export async function findFreePorts(count: number, host: string): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    server.listen(0, host);
    await once(server, 'listening');
    const address = server.address();
    if (typeof address === 'object' && address !== null) ports.push(address.port);
  }
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** @throws MeshError ADDRESS_IN_USE when as many meshes run as there is room for */
export async function findLoopbackSettings(): Promise<ClusterSettings> {
  for (let slot = 0; slot < loopbackSlots; slot += 1) {
    const settings = loopbackSettings(slot);
    if (await isFree(settings.nodeIp, caPort)) return settings;
  }
  const message = `port ${caPort} is in use on each of ${loopbackSlots} loopback addresses; end a mesh that runs without capture`;
  throw new MeshError('ADDRESS_IN_USE', message);
}

async function isFree(host: string, port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  await new Promise((resolve) => server.close(resolve));
  return true;
}
