// Where the parts of this program lie, in a checkout (TypeScript) as in a build (JavaScript). A part's name in, path out.
import { dirname, extname, join } from 'node:path';

/** The folder that holds ztunnel, waypoint, common and deploy. */
export const programFolder = dirname(dirname(dirname(import.meta.filename)));

/** @param entry without its ending: `ztunnel/main` */
export function programFile(entry: string): string {
  return join(programFolder, `${entry}${extname(import.meta.filename)}`);
}
