// Where the parts of this program lie, in a checkout (TypeScript) as in a build (JavaScript). A part's name in, path out.
import { dirname, extname, join } from 'node:path';

/** The folder that holds ztunnel, waypoint, common and deploy. */
export const programFolder = dirname(dirname(dirname(import.meta.filename)));

/** @param entry without its ending: `ztunnel/main` */
export function programFile(entry: string): string {
  return join(programFolder, `${entry}${extname(import.meta.filename)}`);
}

/**
 * V8's options for a daemon: after load it keeps 72 MB instead of 110 to 130 (`test/bench/tunnel.ts`), and one thread beside
 * the main one is enough for its garbage and compilations. With `--expose-gc` it gives back what its start has left free.
 */
export const daemonNodeOptions = ['--max-semi-space-size=8', '--v8-pool-size=1', '--expose-gc'] as const;
