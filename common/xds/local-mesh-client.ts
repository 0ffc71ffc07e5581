// Reads the mesh of ztunnel's standalone mode once, at the start: LOCAL_XDS_PATH or LOCAL_XDS.
import { readFile } from 'node:fs/promises';
import { MeshError } from '../errors.ts';
import type { MeshSnapshot } from '../mesh/mesh-source.ts';
import type { TextSource } from '../tls/grpc-channel-client.ts';
import { parseLocalMesh } from './local-mesh-parser.ts';

/** @throws MeshError CONFIG_INVALID, naming the file and what is wrong in it */
export async function readLocalMesh(source: TextSource): Promise<MeshSnapshot> {
  if (source.kind === 'literal') return parseLocalMesh(source.text, 'LOCAL_XDS');
  try {
    return parseLocalMesh(await readFile(source.path, 'utf8'), source.path);
  } catch (cause) {
    if (cause instanceof MeshError) throw cause;
    throw new MeshError('CONFIG_INVALID', `cannot read LOCAL_XDS_PATH=${source.path}: ${String(cause)}`, { cause });
  }
}
