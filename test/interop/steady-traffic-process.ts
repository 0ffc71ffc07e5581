// Traffic that goes on while something else happens, from a process of its own, so that nothing which the test does holds it up:
// an application that echoes, one connection to it that is never quiet, and a new one every so often, through a proxy's explicit
// entry. In: where. Out: what went wrong, if anything.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { Test } from 'tap';
import { echo, mustConnectThrough, readExactly, startProgram } from '../support/tcp-programs.ts';

export interface SteadyTraffic {
  /** Resolves when so many more connections were answered. */
  answers(count: number): Promise<void>;
  stop(): Promise<TrafficReport>;
}

export interface TrafficReport {
  /** Connections that were answered. */
  readonly answered: number;
  /** The first of what failed, in words. */
  readonly failures: readonly string[];
}

interface Where {
  /** Address of the proxy's explicit entry. */
  readonly entry: string;
  /** Where the application listens, and is dialled. */
  readonly address: string;
  readonly port: number;
}

const between = { beatMs: 100, connectionMs: 400 };
const patienceMs = 15_000;
const maxFailures = 20;
const message = Buffer.from('is anybody there?');

export function startTraffic(t: Pick<Test, 'teardown'>, where: Where): SteadyTraffic {
  const child = fork(import.meta.filename, [JSON.stringify(where)]);
  t.teardown(() => child.kill('SIGKILL'));
  let answered = 0;
  child.on('message', () => {
    answered += 1;
  });
  return {
    async answers(count) {
      const until = answered + count;
      while (answered < until) await setTimeout(50);
    },
    stop: () => stop(child),
  };
}

async function stop(child: ChildProcess): Promise<TrafficReport> {
  child.removeAllListeners('message');
  const report = new Promise<TrafficReport>((resolve) => {
    child.on('message', (said) => typeof said === 'object' && resolve(said as TrafficReport));
  });
  child.send('stop');
  const ended = once(child, 'exit');
  const told = await report;
  await ended;
  return told;
}

async function run({ entry, address, port }: Where): Promise<void> {
  const application = await startProgram(address, port, echo);
  const failures: string[] = [];
  const ending = new AbortController();
  process.once('message', () => ending.abort());
  let answered = 0;
  let lasting: Socket | undefined;
  const repeat = async (what: string, everyMs: number, act: () => Promise<void>): Promise<void> => {
    while (!ending.signal.aborted) {
      await act().catch((error: unknown) => {
        if (failures.length < maxFailures) failures.push(`${new Date().toISOString()} ${what}: ${String(error)}`);
      });
      await setTimeout(everyMs, undefined, { signal: ending.signal }).catch(() => {});
    }
  };
  const beat = async (): Promise<void> => {
    // Told once, when it was cut.
    if (lasting?.destroyed) return;
    lasting ??= await mustConnectThrough(entry, address, port);
    await ask(lasting);
  };
  const connect = async (): Promise<void> => {
    const socket = await mustConnectThrough(entry, address, port);
    await ask(socket).finally(() => socket.destroy());
    answered += 1;
    process.send?.('answered');
  };
  await Promise.all([
    repeat('the lasting connection', between.beatMs, beat),
    repeat('a new connection', between.connectionMs, connect),
  ]);
  const report: TrafficReport = { answered, failures };
  process.send?.(report);
  lasting?.destroy();
  await application.close();
  process.disconnect();
}

/** @throws when it is not answered in time, which ends the connection */
async function ask(socket: Socket): Promise<void> {
  socket.write(message);
  const late = globalThis.setTimeout(() => socket.destroy(), patienceMs);
  try {
    await readExactly(socket, message.length);
  } finally {
    clearTimeout(late);
  }
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? '{}'));
