import { once } from 'node:events';
import t from 'tap';
import { SOL_TCP, TCP_NOTSENT_LOWAT } from '../../../common/net/linux-constants.ts';
import { createPodSocketFactory } from '../../../common/net/pod-socket-factory-socket.ts';
import type { AcceptedSocket } from '../../../common/net/socket-factory.ts';
import { handleOf } from '../../../common/net/stream-handle-socket.ts';
import { systemCalls } from '../../../common/net/system-calls-socket.ts';

/** What the kernel takes of a socket beyond what it can send. */
function unsentBytes(socket: object): number {
  const descriptor = handleOf(socket)?.fd ?? -1;
  return systemCalls().getOption(descriptor, SOL_TCP, TCP_NOTSENT_LOWAT, 4).readInt32LE();
}

t.test('little waits in the kernel of sockets that carry tunnels, on either side', async (t) => {
  const sockets = createPodSocketFactory({ namespace: 'own' });
  let admit: (accepted: AcceptedSocket) => void = () => {};
  const accepted = new Promise<AcceptedSocket>((resolve) => {
    admit = resolve;
  });
  const listener = await sockets.listenSockets({ port: 0, host: 'loopback' }, (socket) => admit(socket));
  const dialled = await sockets.connectSocket({ to: listener.address });
  const { socket } = await accepted;
  t.equal(unsentBytes(dialled), 131_072);
  t.equal(unsentBytes(socket), 131_072, 'inherited from the listener');
  dialled.end('bytes');
  socket.resume();
  const [chunk] = await once(socket, 'data');
  t.equal(String(chunk), 'bytes');
  for (const end of [dialled, socket]) end.destroy();
  await listener.close();
});
