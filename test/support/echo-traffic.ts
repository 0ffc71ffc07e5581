// A thread with a program of one pod and its client in another: messages go to and fro without an end. In (workerData): the pods'
// addresses, and where to count. It tells when the first message has come back.
import { parentPort, workerData } from 'node:worker_threads';
import { echo, mustConnectThrough, readExactly, startProgram } from './tcp-programs.ts';

export interface EchoTraffic {
  readonly client: string;
  readonly server: string;
  readonly port: number;
  /** Name of the server's service, whose port 80 is asked for. */
  readonly host: string;
  /** Messages that have come back. */
  readonly count: Int32Array;
}

const { client, server, port, host, count } = workerData as EchoTraffic;
await startProgram(server, port, echo);
const socket = await mustConnectThrough(client, host, 80);
for (;;) {
  socket.write('to and fro');
  await readExactly(socket, 10);
  if (Atomics.add(count, 0, 1) === 0) parentPort?.postMessage('begun');
}
