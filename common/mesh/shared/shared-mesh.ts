// A mesh whose memory several threads share: the thread that fills it, and those that only read. What passes between them
// is the memory, once, and word of each change.
import type { MeshWriter } from '../mesh-source.ts';
import type { MeshView } from '../mesh-view.ts';
import { createMeshMemory, type MeshMemory } from './mesh-memory.ts';
import { MeshRecords } from './mesh-records.ts';
import { SharedMeshView } from './shared-mesh-view.ts';
import { SharedMeshWriter } from './shared-mesh-writer.ts';

export interface SharedMesh extends MeshView, MeshWriter {
  /** For `openSharedMesh` in another thread, which is to be told of changes (`onChange`). */
  readonly memory: MeshMemory;
}

/** @param hashSeed any 32 bits; default: random, so that nobody can choose names that collide */
export function createSharedMesh(hashSeed = Math.random() * 2 ** 32): SharedMesh {
  const memory = createMeshMemory(hashSeed);
  const records = new MeshRecords(memory);
  const view = new SharedMeshView(records);
  const writer = new SharedMeshWriter(records, (change) => view.announce(change));
  return Object.assign(view, {
    memory,
    apply: writer.apply.bind(writer),
    replace: writer.replace.bind(writer),
  });
}

/** For a thread that reads. */
export function openSharedMesh(memory: MeshMemory): SharedMeshView {
  return new SharedMeshView(new MeshRecords(memory));
}
