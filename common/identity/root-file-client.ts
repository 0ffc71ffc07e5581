// Keeps the root of the embedded CA over a restart, for those who ask for it: one file each for key and certificate,
// readable by their owner only.
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MeshError } from '../errors.ts';
import type { RootPem } from './root-certificate.ts';

const keyFile = 'ca-key.pem';
const certificateFile = 'ca-cert.pem';

/** @throws MeshError IO_FAILED, naming the folder */
export async function saveRoot(folder: string, root: RootPem): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await replaceFile(join(folder, keyFile), root.keyPem);
    await replaceFile(join(folder, certificateFile), root.certificatePem);
  } catch (cause) {
    throw failed(`cannot keep the CA root in ${folder}`, cause);
  }
}

/** A new file each time, since an old one would keep its permissions. */
async function replaceFile(path: string, text: string): Promise<void> {
  const fresh = `${path}.new`;
  await rm(fresh, { force: true });
  await writeFile(fresh, text, { mode: 0o600, flag: 'wx', flush: true });
  await rename(fresh, path);
}

/** Undefined when nothing was kept there. @throws MeshError IO_FAILED, naming the folder */
export async function loadRoot(folder: string): Promise<RootPem | undefined> {
  try {
    const [keyPem, certificatePem] = await Promise.all(
      [keyFile, certificateFile].map((name) => readFile(join(folder, name), 'utf8')),
    );
    return keyPem === undefined || certificatePem === undefined ? undefined : { keyPem, certificatePem };
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw failed(`cannot read the CA root kept in ${folder}`, cause);
  }
}

function failed(what: string, cause: unknown): MeshError {
  return new MeshError('IO_FAILED', `${what}: ${String(cause)}; give a folder this user may write`, { cause });
}
