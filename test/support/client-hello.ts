// The first message of a TLS client, as OpenSSL writes it.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { connect } from 'node:tls';

export async function helloOf(options: { servername?: string; ALPNProtocols?: string[] }): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no address');
  const client = connect({ port: address.port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  client.on('error', () => {});
  const [socket] = await once(server, 'connection');
  const [bytes] = await once(socket, 'data');
  for (const end of [client, socket]) end.destroy();
  server.close();
  return bytes;
}
