// The mesh's one ztunnel: kept running, its crashes told, its readiness asked for. Environment in, state as text out.
import { join } from 'node:path';
import { daemonNodeOptions, programFile, programFolder } from '../program-files.ts';
import type { ZtunnelPorts } from './daemon-env.ts';
import { KeptProcess, type KeptState } from './kept-process.ts';
import { lastWords } from './last-words.ts';
import { openLogFile } from './log-file-process.ts';

export interface ZtunnelDaemon {
  /** `running`, `starting again`, … */
  readonly state: string;
  stop(graceMs: number): Promise<void>;
}

export interface ZtunnelDaemonOptions {
  readonly node: string;
  readonly env: Readonly<Record<string, string>>;
  readonly ports: ZtunnelPorts;
  readonly logFolder: string;
  report(level: 'info' | 'warn', text: string): void;
}

export function startZtunnel(options: ZtunnelDaemonOptions): ZtunnelDaemon {
  const log = openLogFile(join(options.logFolder, 'ztunnel.log'));
  let state: KeptState | undefined;
  const process = new KeptProcess({
    name: 'ztunnel',
    command: {
      argv: [options.node, ...daemonNodeOptions, programFile('ztunnel/main')],
      env: options.env,
      folder: programFolder,
    },
    log,
    restart: 'Always',
    onState(next) {
      state = next;
      if (next.kind !== 'waiting') return;
      const words = lastWords(log.tail());
      options.report(
        'warn',
        `ztunnel ended (${next.ending}), again in ${next.delayMs} ms; it said: ${words} (${log.path})`,
      );
    },
  });
  process.start();
  return {
    get state() {
      return state?.kind === 'running' ? 'running' : 'starting again';
    },
    stop: (graceMs) => process.stop(graceMs),
  };
}
