// A ztunnel of either kind as a process in this network namespace, seen through its /config_dump. In: command line and
// environment. Out: its dump once it says what is waited for; it ends with the test.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { Test } from 'tap';

export interface ConfigDump {
  readonly workloads: readonly { readonly name: string; readonly canonicalName?: string }[];
  readonly services: readonly { readonly waypoint?: unknown }[];
  readonly policies: readonly { readonly name: string }[];
  readonly certificates: readonly DumpedCertificate[];
}

export interface DumpedCertificate {
  readonly identity: string;
  readonly state: string;
  readonly certChain: readonly { readonly serialNumber: string; readonly expirationTime: string }[];
  readonly rootCerts: readonly { readonly serialNumber: string }[];
}

export interface NodeProxy {
  /** @throws with its log when it does not come within half a minute */
  dumpWhen(is: (dump: ConfigDump) => boolean): Promise<ConfigDump>;
  /** @throws with its log when it does not say so within half a minute */
  says(wanted: RegExp): Promise<void>;
  stop(): Promise<void>;
}

const patienceMs = 30_000;

export async function startNodeProxy(
  t: Pick<Test, 'teardown'>,
  [program = '', ...words]: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<NodeProxy> {
  // Ends with this process too, should this one be killed before it can clean up.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...words], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += String(chunk)));
  const ended = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const killed = setTimeout(10_000, undefined, { ref: false }).then(() => child.kill('SIGKILL'));
    await Promise.race([ended, killed.then(() => ended)]);
  };
  t.teardown(stop);
  return {
    stop,
    async says(wanted) {
      const untilMs = Date.now() + patienceMs;
      while (!wanted.test(log)) {
        if (Date.now() > untilMs) throw new Error(`${program} never said ${wanted}:\n${log}`);
        await setTimeout(50);
      }
    },
    async dumpWhen(is) {
      const untilMs = Date.now() + patienceMs;
      for (;;) {
        const dump = await readDump();
        if (dump !== undefined && is(dump)) return dump;
        if (Date.now() > untilMs) throw new Error(`${program} never said what was waited for:\n${log}`);
        await setTimeout(100);
      }
    },
  };
}

async function readDump(): Promise<ConfigDump | undefined> {
  try {
    const response = await fetch('http://127.0.0.1:15000/config_dump');
    return (await response.json()) as ConfigDump;
  } catch {
    return undefined;
  }
}
