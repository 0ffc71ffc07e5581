import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { tlsFailureText } from '../../../common/tls/tls-failure.ts';

const failure = (message: string, more: object = {}): Error => Object.assign(new Error(message), more);

t.test('a known failure is told in our words, with its code', async (t) => {
  const text = tlsFailureText(
    failure('self-signed certificate in certificate chain; try --use-system-ca', { code: 'SELF_SIGNED_CERT_IN_CHAIN' }),
  );
  t.equal(text, "the peer's certificate is of another root than ours (SELF_SIGNED_CERT_IN_CHAIN)");
});

t.test('an unknown one is told by its reason, or by the first words of its message', async (t) => {
  t.equal(tlsFailureText(failure('0:error:0A:SSL routines:x.c:1:\n', { reason: 'bad extension' })), 'bad extension');
  t.equal(tlsFailureText(failure('something broke; if the root CA is local, try this\nor that')), 'something broke');
});

t.test('a peer that speaks no TLS is named as such', async (t) => {
  const server = createServer((socket) => socket.on('error', () => {}).end('220 ready\r\n'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = connectTls({ socket: connect(port, '127.0.0.1'), rejectUnauthorized: false });
  const [error] = await once(socket, 'error').catch((cause: unknown) => [cause]);
  t.match(tlsFailureText(error as Error), 'the peer speaks no TLS here');
  server.close();
});
